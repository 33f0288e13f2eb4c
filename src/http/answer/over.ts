// When an answer is over: it was sent, or its client is gone. And when it may be.

import type { ServerResponse } from 'node:http';

/**
 * Calls `listener` once an answer is over; at once where it is over already. A client may leave
 * while its request is still looked up, and the `close` that came then is never told again: without
 * this, what is held for the answer would be held for ever.
 */
export function whenOver(answer: ServerResponse, listener: () => void): void {
  if (answer.closed) listener();
  else answer.once('close', listener);
}

/**
 * Calls `listener` when the client has said that it sends nothing more; at once where it has said
 * so already.
 */
export function whenHalfClosed(answer: ServerResponse, listener: () => void): void {
  const { socket } = answer.req;
  if (socket.readableEnded) return listener();
  socket.once('end', listener);
  whenOver(answer, () => socket.off('end', listener));
}
