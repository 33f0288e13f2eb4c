// The thread that has the connection: it takes a group of calls, commits them together, and answers them together.

import { parentPort, workerData } from 'node:worker_threads';
import { openDatabase } from './open.ts';
import { type Call, commitTogether, prepareVerbs, type Reply } from './verbs.ts';

/** What the thread says: that it is open, or could not open; the replies to a group; or why the whole group failed. */
export type WorkerMessage =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'replies'; readonly replies: readonly Reply[] }
  | { readonly kind: 'failed'; readonly reason: string };

const port = parentPort!;
const say = (message: WorkerMessage): void => port.postMessage(message);
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

try {
  const db = openDatabase((workerData as { file: string }).file);
  const verbs = prepareVerbs(db);
  port.on('message', (calls: readonly Call[] | 'close') => {
    if (calls === 'close') {
      db.close();
      port.close();
      return;
    }
    try {
      say({ kind: 'replies', replies: commitTogether(db, verbs, calls) });
    } catch (error) {
      say({ kind: 'failed', reason: reasonOf(error) });
    }
  });
  say({ kind: 'open' });
} catch (error) {
  say({ kind: 'refused', reason: reasonOf(error) });
}
