// The embedded ledger: one SQLite file, one connection, in a thread of its own (side.ts). Calls
// that arrive while a commit is on its way wait together and become the next commit, so the busier
// it is, the more runs share one fsync.

import type { Clock } from '../../../system/clock.ts';
import { StorageBroken, StorageFull, StorageUnavailable } from '../../../domain/errors.ts';
import { type Duration, type Instant, milliseconds, seconds } from '../../../domain/time.ts';
import { type Ledger, type NewRun, type Recorded, VERBS } from '../ledger.ts';
import { pack } from './parcel.ts';
import type { Answer, Orders } from './groups.ts';
import { type OtherSide, startSide } from './side.ts';
import type { Call, Reply, Verb, Verbs } from './verbs.ts';

/**
 * The clock was set where it is further ahead of the one that nobody can set, or behind it, than at
 * the last call by more than this. A clock that is slowed down or hurried on to be right again
 * differs by less than a millisecond a second.
 */
const JUMP: Duration = seconds(2);

/**
 * Calls of one group at the most, so that the first of them does not wait for a very long
 * transaction.
 */
const GROUP_MAX = 512;

interface Waiting {
  readonly call: Call;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  /** Whether it has been undone before for want of room. */
  readonly again: boolean;
}

/** What the embedded ledger is opened with beside its file. */
export interface SqliteOptions {
  /** `read` never changes the file, nor what is beside it; every verb that would is refused. */
  readonly access?: 'write' | 'read';
  /**
   * Called when a write found no room. `urgent` is one that takes nothing new in (an outcome, a
   * cancel): the listener should make room, since the write is tried once more after this returns.
   */
  readonly onFull?: (urgent: boolean) => void;
  /**
   * Called once, when the file can no longer be trusted, before any call is rejected for it. The
   * process must end: only a new one reads what is really on the disk.
   */
  readonly onBroken?: (error: StorageBroken) => void;
  /**
   * Told by how much the machine's clock was set, or how long the machine slept, once everything
   * that waits for a time was moved along.
   */
  readonly onClockSet?: (by: Duration) => void;
}

/** What a verb of the port takes and gives, without the time that the driver adds. */
type Asked<V extends Verb> = Verbs[V] extends (now: never, ...args: infer Args) => infer Result
  ? (...args: Args) => Promise<Result>
  : never;
type AskedVerbs = { readonly [V in (typeof VERBS)[number]]: Asked<V> };

/**
 * Opens the embedded ledger.
 *
 * @param file path of the database, made with its folder where it is not there; `:memory:` for one
 *   that is gone when closed
 * @throws Error when the file cannot be used: the message says why and what to do
 */
export async function openSqliteLedger(file: string, clock: Clock, options: SqliteOptions = {}): Promise<Ledger> {
  const orders: Orders = { file, access: options.access ?? 'write' };
  let opened = await openSide(orders);
  if (opened.answer.kind === 'refused' && opened.answer.full) {
    options.onFull?.(true);
    opened = await openSide(orders);
  }
  const { side, answer } = opened;
  if (answer.kind !== 'refused') {
    const opening = new GroupCommit(side, clock, options);
    // What keeps it from being done keeps everything else as well, and is told there.
    if (orders.access === 'write') await opening.settleTimes().catch(() => {});
    return opening.ledger();
  }
  throw answer.full
    ? new StorageFull(`There is no room on the disk to open ${file}. Free some space on it.`)
    : new Error(answer.reason);
}

/** Starts the side that has the database, and hears whether it could be opened. */
async function openSide(orders: Orders): Promise<{ side: OtherSide; answer: Answer }> {
  const side = await startSide(orders);
  const answer = await side.opened;
  if (answer.kind === 'refused') await side.end();
  return { side, answer };
}

class GroupCommit {
  readonly #side: OtherSide;
  readonly #clock: Clock;
  readonly #options: SqliteOptions;
  #waiting: Waiting[] = [];
  /**
   * The group that the other side has; one at a time, since what gathers meanwhile makes the next
   * one larger.
   */
  #underway: readonly Waiting[] = [];
  #scheduled = false;
  /** Who waits for the file to be held, or released. */
  #holding: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #closed: Error | null = null;
  #broken = false;
  #calls = 0;
  #commits = 0;
  #lost = 0;
  /** What the clock was ahead of the one that nobody can set, at the last call. */
  #ahead: number;

  constructor(side: OtherSide, clock: Clock, options: SqliteOptions) {
    this.#side = side;
    this.#clock = clock;
    this.#options = options;
    this.#ahead = clock.now() - clock.steady();
    side.port.on('message', (answer: Answer) => {
      if (answer.kind === 'replies') this.#settle(answer.replies);
      else if (answer.kind === 'held') this.#held(answer.reason);
      else if (answer.kind === 'broken') this.#break(answer.reason);
    });
    void side.ended.then((reason) => this.#break(reason));
  }

  ledger(): Ledger {
    const verbs = Object.fromEntries(
      VERBS.map((verb) => [verb, (...args: readonly unknown[]) => this.#ask(verb, args)]),
    ) as unknown as AskedVerbs;
    return {
      ...verbs,
      isShared: false,
      // Nobody else has the file.
      exclusively: (work) => work(),
      holdFile: (isHeld) => this.#hold(isHeld),
      onHint: () => {},
      check: async () => void (await this.#ask('check', [])),
      now: () => this.#clock.now(),
      stats: () => ({ calls: this.#calls, commits: this.#commits, lost: this.#lost }),
      close: () => this.#close(),
    };
  }

  #ask(verb: Verb, args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== null) return reject(this.#closed);
      this.#waiting.push({ call: { verb, now: this.#now(), args }, resolve, reject, again: false });
      this.#schedule();
    });
  }

  /**
   * What time it is. Where the clock was set, what is kept is moved along by a call before the one
   * that this is for.
   */
  #now(): Instant {
    const now = this.#clock.now();
    const ahead = now - this.#clock.steady();
    const by = milliseconds(Math.round(ahead - this.#ahead));
    this.#ahead = ahead;
    if (Math.abs(by) > JUMP && this.#options.access !== 'read')
      this.#ask('shift', [by]).then(
        () => this.#options.onClockSet?.(by),
        // What keeps it from being written keeps everything else as well, and is told there.
        () => {},
      );
    return now;
  }

  async settleTimes(): Promise<void> {
    await this.#ask('settleTimes', []);
  }

  /**
   * Waits for the end of the event loop's turn, so that everything that arrived with this call
   * shares its commit.
   */
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
    if (this.#underway.length === 0) return;
    const parcel = pack(this.#underway.map(({ call }) => call));
    this.#side.port.postMessage(parcel, [parcel.bytes.buffer]);
  }

  #hold(isHeld: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== null) return reject(this.#closed);
      this.#holding.push({ resolve, reject });
      this.#side.port.postMessage(isHeld ? 'hold' : 'let-go');
    });
  }

  #held(reason: string | null): void {
    const { resolve, reject } = this.#holding.shift()!;
    if (reason === null) resolve();
    else reject(new Error(`The log of the ledger cannot be written back: ${reason}.`));
  }

  #settle(replies: readonly Reply[]): void {
    const group = this.#underway;
    this.#underway = [];
    this.#calls += group.length;
    this.#commits += 1;
    this.#tryAgain(group.filter((_, place) => 'full' in replies[place]!));
    // After those who are answered now have had their turn: they ask again, and their calls join
    // the next group.
    if (this.#waiting.length > 0) this.#schedule();
    replies.forEach((reply, place) => {
      const { call, resolve, reject } = group[place]!;
      if ('full' in reply) return;
      if ('away' in reply) return reject(new StorageUnavailable(`The ledger cannot be used now: ${reply.away}`));
      if ('error' in reply) return reject(new Error(`The ledger failed: ${reply.error}`));
      if (call.verb === 'finish') this.#lost += (reply.value as Recorded[]).filter((one) => one === 'lost').length;
      resolve(reply.value);
    });
  }

  /**
   * What was undone for want of room is tried once more before everything else, unless it was
   * already, or brings new work.
   */
  #tryAgain(undone: readonly Waiting[]): void {
    if (undone.length === 0) return;
    const urgent = undone.filter(({ call }) => !takesWorkIn(call));
    this.#options.onFull?.(urgent.length > 0);
    const again = urgent.filter((one) => !one.again);
    this.#waiting.unshift(...again.map((one) => ({ ...one, again: true })));
    for (const { reject } of undone.filter((one) => !again.includes(one)))
      reject(new StorageFull('The disk has no room left for the ledger; nothing was written.'));
  }

  #break(reason: string): void {
    if (this.#closed !== null) return;
    const error = new StorageBroken(
      `The ledger can no longer be trusted, and nothing more is written to it: ${reason}. Start the server again: it reads what is on the disk.`,
      { cause: new Error(reason) },
    );
    this.#closed = error;
    this.#broken = true;
    this.#options.onBroken?.(error);
    for (const { reject } of [...this.#underway, ...this.#waiting.splice(0), ...this.#holding.splice(0)]) reject(error);
    this.#underway = [];
  }

  async #close(): Promise<void> {
    if (this.#broken) {
      await this.#side.end();
      return;
    }
    if (this.#closed !== null) return;
    // A last read waits behind everything handed in before it.
    await this.#ask('depths', []);
    this.#closed = new Error('The ledger is closed.');
    this.#side.port.postMessage('close');
    await this.#side.ended;
  }
}

/**
 * Whether a call brings work that was not there before; everything else is needed to end what there
 * is.
 */
function takesWorkIn({ verb, args }: Call): boolean {
  return verb === 'enqueue' && (args[0] as readonly NewRun[]).some(({ parent }) => parent === null);
}
