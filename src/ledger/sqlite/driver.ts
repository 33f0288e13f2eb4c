// The embedded ledger: one SQLite file, one connection, in a thread of its own. Calls that arrive while a commit is on its way
// wait together and become the next commit, so the busier it is, the more runs share one fsync.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../clock.ts';
import type { Ledger, LedgerStats } from '../ledger.ts';
import type { Call, Reply, Verb, Verbs } from './verbs.ts';
import type { WorkerMessage } from './worker.ts';

/** Calls of one group at the most, so that the first of them does not wait for a very long transaction. */
const GROUP_MAX = 512;

interface Waiting {
  readonly call: Call;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** What a verb of the port takes and gives, without the time that the driver adds. */
type Asked<V extends Verb> = Verbs[V] extends (now: never, ...args: infer Args) => infer Result
  ? (...args: Args) => Promise<Result>
  : never;

/**
 * Opens the embedded ledger.
 *
 * @param file path of the database, made with its folder where it is not there; `:memory:` for one that is gone when closed
 * @throws Error when the file cannot be used: the message says why and what to do
 */
export async function openSqliteLedger(file: string, clock: Clock): Promise<Ledger> {
  const worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url), {
    workerData: { file },
  });
  const [opened] = (await once(worker, 'message')) as [WorkerMessage];
  if (opened.kind === 'refused') {
    await worker.terminate();
    throw new Error(opened.reason);
  }
  return new GroupCommit(worker, clock).ledger();
}

class GroupCommit {
  readonly #worker: Worker;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  /** The group that the thread has; one at a time, since what gathers meanwhile makes the next one larger. */
  #underway: readonly Waiting[] = [];
  #scheduled = false;
  #closed: Error | null = null;
  #stats: LedgerStats = { calls: 0, commits: 0 };

  constructor(worker: Worker, clock: Clock) {
    this.#worker = worker;
    this.#clock = clock;
    worker.on('message', (message: WorkerMessage) => message.kind === 'replies' && this.#settle(message.replies));
    worker.on('error', (error: Error) => this.#fail(error));
    worker.on('exit', () => this.#fail(new Error('The ledger is closed.')));
  }

  ledger(): Ledger {
    const verb = <V extends Verb>(name: V): Asked<V> =>
      ((...args: readonly unknown[]) => this.#ask(name, args)) as Asked<V>;
    return {
      deploy: verb('deploy'),
      enqueue: verb('enqueue'),
      claim: verb('claim'),
      renew: verb('renew'),
      progress: verb('progress'),
      finish: verb('finish'),
      cancel: verb('cancel'),
      reclaim: verb('reclaim'),
      expire: verb('expire'),
      run: verb('run'),
      runs: verb('runs'),
      attempts: verb('attempts'),
      payload: verb('payload'),
      chunks: verb('chunks'),
      ahead: verb('ahead'),
      depths: verb('depths'),
      stats: () => this.#stats,
      close: () => this.#close(),
    };
  }

  #ask(verb: Verb, args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== null) return reject(this.#closed);
      this.#waiting.push({ call: { verb, now: this.#clock.now(), args }, resolve, reject });
      this.#schedule();
    });
  }

  /** Waits for the end of the event loop's turn, so that everything that arrived with this call shares its commit. */
  #schedule(): void {
    if (this.#scheduled || this.#underway.length > 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    this.#underway = this.#waiting.splice(0, GROUP_MAX);
    if (this.#underway.length > 0) this.#worker.postMessage(this.#underway.map(({ call }) => call));
  }

  #settle(replies: readonly Reply[]): void {
    const group = this.#underway;
    this.#underway = [];
    // After those who are answered now have had their turn: they ask again, and their calls join the next group.
    if (this.#waiting.length > 0) this.#schedule();
    this.#stats = { calls: this.#stats.calls + group.length, commits: this.#stats.commits + 1 };
    replies.forEach((reply, place) => {
      if ('value' in reply) group[place]!.resolve(reply.value);
      else group[place]!.reject(new Error(`The ledger failed: ${reply.error}`));
    });
  }

  #fail(error: Error): void {
    this.#closed ??= error;
    for (const { reject } of [...this.#underway, ...this.#waiting.splice(0)]) reject(this.#closed);
    this.#underway = [];
  }

  async #close(): Promise<void> {
    if (this.#closed !== null) return;
    // A last read waits behind everything handed in before it.
    await this.#ask('depths', []);
    this.#closed = new Error('The ledger is closed.');
    const exited = once(this.#worker, 'exit');
    this.#worker.postMessage('close');
    await exited;
  }
}
