// Work that takes long, away from the event loop, on which requests and the renewal of leases wait:
// each piece in a thread that is started for it, one after the other.

import { once } from 'node:events';
import { type Transferable, Worker } from 'node:worker_threads';

/** What a thread is started for. */
export interface ThreadWork {
  /**
   * The module that the thread runs: it posts one message, its answer to the `workerData` that it
   * is given.
   */
  readonly module: URL;
  readonly request: unknown;
  /** Memory that is handed over and not copied: who asks has it no more. */
  readonly transfer?: readonly Transferable[];
  /** Aborted when nobody wants the answer any more. */
  readonly signal?: AbortSignal;
}

/** See the head of this file. */
export class ThreadQueue {
  /** Ends, well or not, with the work that came last. It has no value: an answer may be large. */
  #last: Promise<void> = Promise.resolve();

  /**
   * What the thread answers; rejects where it ends without an answer, and when `signal` is aborted.
   */
  run<Answer>(work: ThreadWork): Promise<Answer> {
    const answer = this.#last.then(() => inThread<Answer>(work));
    const ended = (): void => {};
    this.#last = answer.then(ended, ended);
    return answer;
  }
}

async function inThread<Answer>({ module, request, transfer = [], signal }: ThreadWork): Promise<Answer> {
  signal?.throwIfAborted();
  const worker = new Worker(module, { workerData: request, transferList: [...transfer] });
  try {
    const [answer] = (await Promise.race([once(worker, 'message', { signal }), endOf(worker)])) as [Answer];
    return answer;
  } finally {
    await worker.terminate();
  }
}

/** Rejects when the thread is over: what it has posted before has arrived by then. */
async function endOf(worker: Worker): Promise<never> {
  const [code] = (await once(worker, 'exit')) as [number];
  throw new Error(`A thread ended with ${code} and without an answer.`);
}
