// The thread that has the connection: it takes a group of calls, commits them together, and answers them together.

import { parentPort, workerData } from 'node:worker_threads';
import { openDatabase } from './open.ts';
import { type Call, commitTogether, prepareVerbs, type Reply } from './verbs.ts';

/** What the thread says: that it is open, or could not open; then the replies to one group after the other. */
export type WorkerMessage =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'replies'; readonly replies: readonly Reply[] };

const port = parentPort!;
const say = (message: WorkerMessage): void => port.postMessage(message);

try {
  const db = openDatabase((workerData as { file: string }).file);
  const verbs = prepareVerbs(db);
  port.on('message', (calls: readonly Call[] | 'close') => {
    if (calls === 'close') {
      db.close();
      port.close();
      return;
    }
    say({ kind: 'replies', replies: commitTogether(db, verbs, calls) });
  });
  say({ kind: 'open' });
} catch (error) {
  say({ kind: 'refused', reason: error instanceof Error ? error.message : String(error) });
}
