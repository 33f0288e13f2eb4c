// The lines of a run that is followed, as text. It ends like any other answer only when all lines were sent: where the server stops before
// that, the connection is cut.

import { ServiceError } from '../domain/errors.ts';
import type { Told } from '../engine/following.ts';

/** The text of every line after the first `after`, made by `text` of its JSON. */
export async function* followedLines(
  told: AsyncIterable<Told>,
  after: number,
  text: (line: string) => string,
): AsyncGenerator<string, void> {
  // Nothing, which sends the headers: whoever follows a run that waits is to know that it is followed.
  yield '';
  let seen = 0;
  for await (const one of told) {
    if (one.kind === 'end') return;
    if (one.kind !== 'log') continue;
    seen += 1;
    if (seen > after) yield text(one.line);
  }
  throw new ServiceError(
    'draining',
    'The server stops; more lines may follow. Ask again for those after the last one.',
  );
}
