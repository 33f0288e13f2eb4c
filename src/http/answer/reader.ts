// Answers that are read while they are made: a client that takes nothing of what is there for it is
// cut off, and holds nothing up.

import type { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { Duration } from '../../domain/time.ts';

/**
 * Answers with a stream; a reader that takes nothing of it for `patience` is cut off, and the
 * stream destroyed.
 */
export function sendStream(reply: FastifyReply, stream: Readable, patience: Duration): FastifyReply {
  const { raw } = reply;
  raw.on('timeout', () => {
    // Silence with nothing to say is none of the reader's fault.
    if (raw.writableLength > 0) raw.destroy();
    else raw.setTimeout(patience);
  });
  raw.setTimeout(patience);
  return reply.send(stream);
}
