// Where the side of a ledger is that has the database.

import { once } from 'node:events';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { Answer, Orders } from './groups.ts';

/** The side of a ledger that has the database, as its driver sees it. */
export interface OtherSide {
  readonly port: Worker | MessagePort;
  /** What it says first; rejects where it could not be started. */
  readonly opened: Promise<Answer>;
  /** Resolves with what happened once the side is there no more. */
  readonly ended: Promise<string>;
  /** Ends it at once, in the middle of what it does. */
  end(): Promise<void>;
}

/**
 * Starts the side that has a file. A commit waits for the disk and must keep nobody else waiting,
 * so a file has a thread of its own. A ledger in memory waits for nothing, and lives in the thread
 * that opens it: starting one would take longer than most of what is done with it.
 */
export const startSide = async (orders: Orders): Promise<OtherSide> =>
  orders.file === ':memory:' ? sideHere(orders) : sideInThread(orders);

function sideInThread(orders: Orders): OtherSide {
  const worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url), {
    workerData: orders,
  });
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  worker.on('error', (error: Error) => resolve(error.stack ?? error.message));
  worker.on('exit', () => resolve('its thread has ended'));
  return { port: worker, opened: firstOf(worker), ended, end: async () => void (await worker.terminate()) };
}

async function sideHere(orders: Orders): Promise<OtherSide> {
  // A server, whose ledger is in a file, has no use for these statements in its own thread.
  const { answerGroups } = await import('./groups.ts');
  const { port1: port, port2: theirs } = new MessageChannel();
  const ended = once(port, 'close').then(() => 'its connection has been closed');
  const opened = firstOf(port);
  answerGroups(theirs, orders);
  return {
    port,
    opened,
    ended,
    async end() {
      port.close();
      await ended;
    },
  };
}

async function firstOf(port: Worker | MessagePort): Promise<Answer> {
  const [answer] = (await once(port as Worker, 'message')) as [Answer];
  return answer;
}
