// The lines of a run that is followed, as text. It ends like any other answer only when all lines
// were sent: where the server stops before that, the connection is cut.

import { ServiceError } from '../../domain/errors.ts';
import { type AttemptEnd, attemptEndText, type LogLine, logLineText } from '../../domain/log-line.ts';
import { toRfc3339 } from '../../domain/time.ts';
import type { FollowedEvent } from '../../engine/following.ts';
import type { AttemptRecord } from '../../stores/ledger/ledger.ts';

/** What logs can be read as: text for people, or a JSON object a line. */
export type LogFormat = 'text' | 'jsonl';

/** How an attempt ended, for the readers of its lines. */
export const attemptEnd = ({ attempt, finishedAt, outcome, error }: AttemptRecord): AttemptEnd => ({
  attempt,
  at: finishedAt === null ? null : toRfc3339(finishedAt),
  outcome,
  error,
});

/**
 * The text of every line after the first `after`; in text, also how each attempt ended that did not
 * succeed.
 */
export async function* followedLines(
  told: AsyncIterable<FollowedEvent>,
  after: number,
  format: LogFormat,
): AsyncGenerator<string, void> {
  // Nothing, which sends the headers: a client that follows a waiting run is to know that it
  // follows.
  yield '';
  let seen = 0;
  for await (const one of told) {
    if (one.kind === 'end') return;
    if (one.kind === 'attempt' && format === 'text' && seen >= after) {
      const text = attemptEndText(attemptEnd(one.attempt));
      if (text !== null) yield `${text}\n`;
    }
    if (one.kind !== 'log') continue;
    seen += 1;
    if (seen > after) yield `${format === 'jsonl' ? one.line : logLineText(JSON.parse(one.line) as LogLine)}\n`;
  }
  throw new ServiceError(
    'draining',
    'The server stops; more lines may follow. Ask again for those after the last one.',
  );
}
