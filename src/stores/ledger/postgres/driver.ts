// The ledger that several servers share: one Postgres database, which decides what the time is and
// who was first. Calls that arrive together are written together, one transaction for each kind of
// call.

import type { Viewer } from '../../../domain/access.ts';
import type { Progress } from '../../../domain/batch.ts';
import type { DeliveryId } from '../../../domain/delivery.ts';
import type { RunId } from '../../../domain/ids.ts';
import type { BlobKey, Payload } from '../../../domain/payload.ts';
import { steadyNow } from '../../../system/clock.ts';
import { type Duration, type Instant, type Moment } from '../../../domain/time.ts';
import type {
  AttemptRecord,
  Backlog,
  Cancelled,
  ChunkRecord,
  Claim,
  ClaimedDelivery,
  ClaimedRun,
  ClaimRequest,
  DeliveryRecord,
  Deployment,
  DeploymentRecord,
  Enqueued,
  EndpointDepth,
  FinishedAttempt,
  FinishedDelivery,
  Hint,
  HostPlaces,
  Identity,
  Ledger,
  LedgerStats,
  Collected,
  NamedBlob,
  NewRun,
  Purged,
  QueueFilter,
  Recorded,
  RunDetails,
  RunFilter,
  RunRecord,
  Retired,
  Settlement,
  Swept,
  Violation,
} from '../ledger.ts';
import { Audit } from './audit.ts';
import { CancelVerbs } from './cancel.ts';
import { Claims, type Renewal } from './claims.ts';
import { type Connections, connect } from '../../postgres/connections.ts';
import { DatabaseTime } from './database-time.ts';
import type { Hints } from './hints.ts';
import type { Identities } from './identity.ts';
import { DeploymentVerbs } from './deployments.ts';
import { IntakeVerbs } from './intake.ts';
import { GroupCommit, weightOf } from './group-commit.ts';
import { openDatabase, type Opened } from './open.ts';
import { Outbox } from './outbox.ts';
import { OutcomeVerbs } from './outcomes.ts';
import { type AskedRun, Reader } from './read.ts';
import { Retention } from './retention.ts';
import { Sweep } from './sweep.ts';

export { migratePostgres } from './open.ts';

/** How a server uses its database. */
export interface PostgresOptions {
  /**
   * How it is connected to; `connect` of connections.ts has the defaults. One more connection is
   * for hints.
   */
  readonly connectionsMax?: number;
  readonly patience?: Duration;
  /**
   * Connections that are there already: the ledger uses them, and leaves them open when it is
   * closed.
   */
  readonly connections?: Connections;
  /** Told by how much the database's clock was set, or how long this machine slept. */
  readonly onClockSet?: (by: Duration) => void;
  /**
   * By what the database's clock is watched: the machine's own clock that nobody can set, unless
   * told.
   */
  readonly steady?: () => Moment;
  /** Told, in a sentence, of what works but could work better. */
  readonly onCaution?: (caution: string) => void;
  /**
   * What tells the data folder of this server from any other, as hexadecimal digits; unset where it
   * has none.
   */
  readonly folder?: string;
}

/**
 * Opens the ledger in a Postgres database, and brings its schema `claimcheck` to the newest
 * migration.
 *
 * @param url `postgres://user:password@host:port/database`, with pg's own parameters where they are
 *   needed (`?sslmode=…`)
 * @throws Error when the database cannot be used: the message says why and what to do
 */
export async function openPostgresLedger(url: string, options: PostgresOptions = {}): Promise<Ledger> {
  const { onCaution = () => {}, folder = null } = options;
  const { onClockSet = () => {}, steady = steadyNow } = options;
  const connections = options.connections ?? (await connect(url, options));
  const isLent = options.connections !== undefined;
  const opened = await openDatabase(url, connections, { onCaution, folder, isLent });
  const ledger = new PostgresLedger(opened, { onClockSet, steady, isLent });
  await ledger.check();
  return ledger;
}

/** What a ledger needs beside its database. */
interface LedgerSettings extends Required<Pick<PostgresOptions, 'onClockSet' | 'steady'>> {
  /** Whether the connections stay open when it is closed. */
  readonly isLent: boolean;
}

/**
 * What ends runs: kept in one lane and in order, so that of two calls for the same run the one that
 * was asked first wins.
 */
type Ending =
  | { readonly verb: 'finish'; readonly attempts: readonly FinishedAttempt[]; readonly time: 'first' | 'again' }
  | { readonly verb: 'cancel'; readonly runId: RunId };

class PostgresLedger implements Ledger {
  readonly isShared = true;
  readonly holdFile = null;
  readonly #connections: Connections;
  readonly #hints: Hints;
  readonly #identities: Identities;
  readonly #steady: () => Moment;
  readonly #time: DatabaseTime;
  readonly #onClockSet: (by: Duration) => void;
  readonly #deployments: DeploymentVerbs;
  readonly #intake: IntakeVerbs;
  readonly #claims: Claims;
  readonly #cancellation: CancelVerbs;
  readonly #sweep: Sweep;
  readonly #retention: Retention;
  readonly #outbox: Outbox;
  readonly #reader: Reader;
  readonly #audit: Audit;
  readonly #enqueues: GroupCommit<readonly NewRun[], Enqueued[]>;
  readonly #lockedEnqueues: GroupCommit<readonly NewRun[], Enqueued[]>;
  readonly #requests: GroupCommit<ClaimRequest, ClaimedRun[]>;
  readonly #renewals: GroupCommit<Renewal, Recorded[]>;
  readonly #endings: GroupCommit<Ending, Recorded[] | Cancelled>;
  readonly #deliveryEndings: GroupCommit<readonly FinishedDelivery[], Recorded[]>;
  readonly #lookUps: GroupCommit<AskedRun, RunRecord | null>;
  readonly #details: GroupCommit<AskedRun, RunDetails | null>;
  /** Calls that are not grouped. */
  #singleCalls = 0;
  #lost = 0;
  #closed = false;
  readonly #isLent: boolean;

  constructor({ connections, hints, identities }: Opened, { onClockSet, steady, isLent }: LedgerSettings) {
    this.#isLent = isLent;
    this.#identities = identities;
    this.#connections = connections;
    this.#hints = hints;
    this.#steady = steady;
    this.#time = new DatabaseTime(steady);
    this.#onClockSet = onClockSet;
    this.#deployments = new DeploymentVerbs(connections);
    this.#intake = new IntakeVerbs(connections, hints);
    this.#claims = new Claims(connections);
    this.#cancellation = new CancelVerbs(connections, hints);
    this.#sweep = new Sweep(connections, hints);
    this.#retention = new Retention(connections);
    this.#outbox = new Outbox(connections);
    this.#reader = new Reader(connections);
    this.#audit = new Audit(connections);
    const outcomes = new OutcomeVerbs(connections, hints);
    const takeIn = {
      write: (calls: readonly (readonly NewRun[])[]) => this.#intake.enqueue(calls),
      weigh: (runs: readonly NewRun[]) => sum(runs.map(({ input }) => 1 + weightOf(input))),
      underwayMax: 2,
    };
    this.#enqueues = new GroupCommit(takeIn);
    // Apart from the others, which are one statement: these are stored by a transaction that locks
    // something first.
    this.#lockedEnqueues = new GroupCommit(takeIn);
    this.#requests = new GroupCommit({
      write: (requests) => this.#claims.claim(requests),
      weigh: ({ slots }) => slots.length,
      underwayMax: 2,
    });
    this.#renewals = new GroupCommit({
      write: (renewals) => this.#claims.renew(renewals),
      weigh: ({ claims }) => claims.length,
      underwayMax: 1,
    });
    this.#endings = new GroupCommit<Ending, Recorded[] | Cancelled>({
      write: (endings, time) => {
        const cancels = endings.flatMap((ending) => (ending.verb === 'cancel' ? [ending.runId] : []));
        const finishes = endings.flatMap((ending) => (ending.verb === 'finish' ? [ending.attempts] : []));
        const mayBeWritten =
          time === 'again' || endings.some((ending) => ending.verb === 'finish' && ending.time === 'again');
        return cancels.length > 0
          ? this.#cancellation.cancel(cancels)
          : outcomes.finish(finishes, mayBeWritten ? 'again' : 'first');
      },
      weigh: (ending) =>
        ending.verb === 'cancel'
          ? 1
          : sum(ending.attempts.map(({ result }) => 1 + (result.kind === 'succeeded' ? weightOf(result.output) : 0))),
      together: (first, ending) =>
        first.verb === ending.verb && !('time' in first && 'time' in ending && first.time !== ending.time),
      underwayMax: 1,
    });
    this.#deliveryEndings = new GroupCommit({
      write: async (calls) => {
        const recorded = await this.#outbox.finish(calls.flat());
        return calls.map(({ length }) => recorded.splice(0, length));
      },
      weigh: ({ length }) => length,
      underwayMax: 1,
    });
    this.#lookUps = new GroupCommit({ write: (asked) => this.#reader.byId(asked), weigh: () => 1, underwayMax: 2 });
    this.#details = new GroupCommit({ write: (asked) => this.#reader.details(asked), weigh: () => 1, underwayMax: 2 });
  }

  deploy(deployment: Deployment): Promise<number> {
    return this.#single(() => this.#deployments.deploy(deployment));
  }

  stage(deployment: Deployment): Promise<number> {
    return this.#single(() => this.#deployments.stage(deployment));
  }

  settle(endpoint: string, version: number, settlement: Settlement): Promise<void> {
    return this.#single(() => this.#deployments.settle(endpoint, version, settlement));
  }

  retire(endpoint: string): Promise<Retired> {
    return this.#single(() => this.#deployments.retire(endpoint));
  }

  deployments(): Promise<DeploymentRecord[]> {
    return this.#read(() => this.#deployments.list());
  }

  adopt(endpoint: string, version: number, served: readonly number[]): Promise<number> {
    return this.#single(() => this.#deployments.adopt(endpoint, version, served));
  }

  enqueue(runs: readonly NewRun[]): Promise<Enqueued[]> {
    const isOneStatement = runs.every(({ parent, concurrencyKey }) => parent === null && concurrencyKey === null);
    return this.#grouped(isOneStatement ? this.#enqueues : this.#lockedEnqueues, runs);
  }

  claim(request: ClaimRequest): Promise<ClaimedRun[]> {
    return this.#grouped(this.#requests, request);
  }

  renew(claims: readonly Claim[], lease: Duration): Promise<Recorded[]> {
    return this.#grouped(this.#renewals, { claims, lease });
  }

  progress(claim: Claim, progress: Progress): Promise<Recorded> {
    return this.#single(() => this.#claims.progress(claim, progress));
  }

  async finish(attempts: readonly FinishedAttempt[], time: 'first' | 'again' = 'first'): Promise<Recorded[]> {
    const recorded = (await this.#grouped(this.#endings, { verb: 'finish', attempts, time })) as Recorded[];
    this.#lost += recorded.filter((one) => one === 'lost').length;
    return recorded;
  }

  async cancel(runId: RunId): Promise<Cancelled> {
    return (await this.#grouped(this.#endings, { verb: 'cancel', runId })) as Cancelled;
  }

  purge(filter: QueueFilter): Promise<Purged> {
    return this.#single(() => this.#cancellation.purge(filter));
  }

  countQueued(filter: QueueFilter): Promise<number> {
    return this.#read(() => this.#cancellation.countQueued(filter));
  }

  /**
   * Looks at the clock first: one that was set forward would make every claim there is a dead
   * server's.
   */
  reclaim(): Promise<Swept[]> {
    return this.#single(async () => {
      const by = await this.#askTime();
      if (by === null) return this.#sweep.reclaim();
      await this.#sweep.clockSet();
      this.#onClockSet(by);
      return [];
    });
  }

  expire(): Promise<Swept[]> {
    return this.#single(() => this.#sweep.expire());
  }

  collect(): Promise<Collected> {
    return this.#single(() => this.#retention.collect());
  }

  unreferenced(blobs: readonly BlobKey[]): Promise<BlobKey[]> {
    return this.#read(() => this.#retention.unreferenced(blobs));
  }

  claimDeliveries(limit: number, lease: Duration, places?: HostPlaces): Promise<ClaimedDelivery[]> {
    return this.#single(() => this.#outbox.claim(limit, lease, places));
  }

  claimDeliveriesTo(free: Readonly<Record<string, number>>, lease: Duration): Promise<ClaimedDelivery[]> {
    return this.#single(() => this.#outbox.claimTo(free, lease));
  }

  finishDeliveries(finished: readonly FinishedDelivery[]): Promise<Recorded[]> {
    return this.#grouped(this.#deliveryEndings, finished);
  }

  redeliver(runId: RunId, deliveryId: DeliveryId): Promise<boolean> {
    return this.#single(() => this.#outbox.redeliver(runId, deliveryId));
  }

  deliveries(runId: RunId): Promise<DeliveryRecord[]> {
    return this.#read(() => this.#outbox.deliveries(runId));
  }

  run(runId: RunId, viewer?: Viewer): Promise<RunRecord | null> {
    return this.#grouped(this.#lookUps, { runId, viewer });
  }

  details(runId: RunId, viewer?: Viewer): Promise<RunDetails | null> {
    return this.#grouped(this.#details, { runId, viewer });
  }

  runs(filter: RunFilter): Promise<RunRecord[]> {
    return this.#read(() => this.#reader.runs(filter));
  }

  attempts(runId: RunId): Promise<AttemptRecord[]> {
    return this.#read(() => this.#reader.attempts(runId));
  }

  payload(runId: RunId, role: 'input' | 'output'): Promise<Payload | null> {
    return this.#read(() => this.#reader.payload(runId, role));
  }

  chunks(parentId: RunId): Promise<ChunkRecord[]> {
    return this.#read(() => this.#reader.chunks(parentId));
  }

  ahead(runId: RunId): Promise<number> {
    return this.#read(() => this.#reader.ahead(runId));
  }

  depths(): Promise<EndpointDepth[]> {
    return this.#read(() => this.#reader.depths());
  }

  hasOpenRuns(endpoint: string, version: number): Promise<boolean> {
    return this.#read(() => this.#reader.hasOpenRuns(endpoint, version));
  }

  backlog(endpoint: string, version: number): Promise<Backlog> {
    return this.#read(() => this.#reader.backlog(endpoint, version));
  }

  identity(): Promise<Identity> {
    return this.#read(() => this.#identities.identity());
  }

  belongTo(folder: string, mark: string): Promise<void> {
    return this.#single(() => this.#identities.belongTo(folder, mark));
  }

  exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#assertOpen();
    return this.#identities.exclusively(work);
  }

  blobs(after: string, limit: number): Promise<NamedBlob[]> {
    return this.#read(() => this.#identities.blobs(after, limit));
  }

  runCount(): Promise<number> {
    return this.#read(() => this.#identities.runCount());
  }

  audit(): Promise<Violation[]> {
    return this.#read(() => this.#audit.violations());
  }

  auditRecords(): Promise<Violation[]> {
    return this.#read(() => this.#audit.records());
  }

  onHint(listener: (hint: Hint) => void): void {
    this.#hints.listen(listener);
  }

  /** The lanes of calls that are written in groups. */
  #groupCommits() {
    return [
      this.#enqueues,
      this.#lockedEnqueues,
      this.#requests,
      this.#renewals,
      this.#endings,
      this.#deliveryEndings,
    ] as const;
  }

  /** Reads are not counted: they commit nothing. */
  stats(): LedgerStats {
    const grouped = this.#groupCommits();
    const calls = this.#singleCalls + sum(grouped.map((lane) => lane.calls));
    return { calls, commits: this.#connections.commits, lost: this.#lost };
  }

  async check(): Promise<void> {
    const by = await this.#read(() => this.#askTime());
    if (by === null) return;
    await this.#sweep.clockSet();
    this.#onClockSet(by);
  }

  now(): Instant {
    return this.#time.now();
  }

  /** By how much the database's clock was set since it was asked last, or null. */
  async #askTime(): Promise<Duration | null> {
    const askedAt = this.#steady();
    return this.#time.tell(await this.#connections.ask(), askedAt, this.#steady());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const lanes = [...this.#groupCommits(), this.#lookUps, this.#details];
    await Promise.all(lanes.map((lane) => lane.idle()));
    await (this.#isLent ? this.#connections.idle() : this.#connections.close());
    await this.#hints.close();
  }

  async #grouped<Item, Answer>(lane: GroupCommit<Item, Answer>, item: Item): Promise<Answer> {
    this.#assertOpen();
    return lane.ask(item);
  }

  async #single<Answer>(write: () => Promise<Answer>): Promise<Answer> {
    this.#assertOpen();
    this.#singleCalls += 1;
    return write();
  }

  async #read<Answer>(read: () => Promise<Answer>): Promise<Answer> {
    this.#assertOpen();
    return read();
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error('The ledger is closed.');
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
