// How long a process that has ended is still listened to. What it has started may hold its output
// open for ever, so that nobody waits for its end.

import { milliseconds } from '../domain/time.ts';

/** How long what a process that has ended has said is still read. */
export const LAST_WORDS = milliseconds(200);

/**
 * Calls back once all that a process wrote before it ended was read, to be called when it has
 * ended.
 *
 * Time alone would not do: a server can be busy for longer than that, hear of the end of a process
 * before it has read what that said, and find the time over before it reads at all. So everything
 * that can be read is read once more: that is what Node does between a timer and an immediate.
 */
export function afterLastWords(then: () => void): void {
  setTimeout(() => setImmediate(then), LAST_WORDS);
}
