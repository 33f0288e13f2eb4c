// The replicas of one endpoint: started when work waits, watched, given out slot by slot, stopped
// when idle.

import { type Backoff, pauseOf } from '../domain/backoff.ts';
import { randomUUID } from 'node:crypto';
import type { Clock } from '../system/clock.ts';
import type { ReplicaPolicy } from '../domain/endpoint.ts';
import {
  after,
  type Duration,
  elapsed,
  type Instant,
  later,
  milliseconds,
  minutes,
  type Moment,
  seconds,
} from '../domain/time.ts';
import type { Invocation, Refusal, Reply } from './contract.ts';
import { startRemote } from './remote.ts';
import { type Replica, startReplica, type StartDeps } from './replica.ts';
import type { Launch } from './runtimes/launch.ts';
import { RecentMean, replicasFor } from './scaling.ts';

/** Pauses before a failed start is tried again. */
const STARTS: Backoff = { first: seconds(1), max: minutes(1) };
/**
 * Failed starts in a row after which those who wait for an answer are told, and not kept waiting
 * for the next try. One may be an accident.
 */
const TROUBLE_AFTER = 2;
/**
 * How long a replica that starts may answer its pings in a way that is none of loading, before that
 * is said.
 */
const OBSTACLE_AFTER = seconds(10);
/**
 * A replica that has been ready for this long, or has finished an invocation, is none that ends as
 * soon as it is ready.
 */
const SETTLED_AFTER = seconds(10);
/**
 * Failed invocations in a row after which a replica is taken to be broken, although it is healthy
 * by its own word, and is replaced. Source: the reliability page (F36). Where its successor fails
 * as well, the fault is rather in the inputs: the number doubles until one succeeds, so that a
 * table of bad rows does not cost a cold start for every few of them.
 */
const FAILURES_IN_A_ROW = 3;
/** How often idle replicas are looked for; more often where they may be idle for less than that. */
const IDLE_CHECK = seconds(1);
const IDLE_CHECK_MIN = milliseconds(20);

/** What took less time than the model would have. */
const BROKEN_OFF: ReadonlySet<Reply['kind']> = new Set(['crashed', 'out-of-memory', 'stopped', 'own-fault']);

/** How many replicas there are and how many there should be. */
export interface ReplicaCounts {
  readonly current: number;
  /**
   * What the work that is there asks for. More than `current` while replicas start, less while they
   * are kept for work that may come.
   */
  readonly desired: number;
  readonly min: number;
  readonly max: number;
}

/**
 * How an endpoint's replicas do: none and none needed, the first one starting, at least one ready,
 * none and a pause before the next start because one failed, or none because one start after the
 * other fails.
 */
export type ReplicaState = 'idle' | 'starting' | 'ready' | 'backing-off' | 'failing';

/** The state of an endpoint's replicas, and what there is to say about it. */
export interface ReplicaHealth {
  readonly state: ReplicaState;
  /**
   * Why no replica becomes ready, once that has happened more than by accident; null while all is
   * well.
   */
  readonly trouble: string | null;
  /** Starts that failed, and replicas that were lost before they had done anything, in a row. */
  readonly failures: number;
  /** Before when no replica is started; null where one may be started now. */
  readonly retryAt: Instant | null;
  /** How long the replica that became ready last took for it, or null before there was one. */
  readonly lastStart: Duration | null;
}

/** A place on a replica that nobody else has: for one invocation, or to be given back. */
export interface ReservedSlot {
  readonly replica: string;
  /** How long the replica took to start, where this is its first invocation. */
  readonly coldStart: Duration | null;
  /** Lets others have the rest of the replica, where the slot is the whole of it. */
  share(): void;
  /**
   * Uses the slot, and gives it back once the replica has really stopped working on the invocation.
   */
  invoke(invocation: Invocation, signal: AbortSignal): Promise<Reply>;
  /** Gives the slot back unused. */
  release(): void;
}

/** What a supervisor needs to know. */
export interface SupervisorDeps {
  readonly policy: ReplicaPolicy;
  /** How to start the next replica. */
  readonly launch: (replicaId: string) => Promise<Launch>;
  readonly clock: Clock;
  /** Called whenever a slot becomes free, a replica comes or goes, or a start fails. */
  readonly onChange: () => void;
  /**
   * Called with every start that has come to its end: how long the replica took to become ready, or
   * null where it did not.
   */
  readonly onStart: (startedIn: Duration | null) => void;
}

interface Member {
  readonly replica: Replica;
  readonly readySince: Moment;
  /** Places that are taken, of as many as its concurrency. */
  busy: number;
  /** Invocations that it works on: no more than its places that are taken. */
  invoking: number;
  used: boolean;
  hasFinishedOne: boolean;
  failuresInARow: number;
  idleSince: Moment;
}

/** Supervises the replicas of one endpoint. */
export class Supervisor {
  readonly #deps: SupervisorDeps;
  readonly #members = new Map<string, Member>();
  readonly #idleCheck: NodeJS.Timeout;
  readonly #closing = new AbortController();
  readonly #starts = new Set<Promise<void>>();
  readonly #stops = new Set<Promise<void>>();
  /** Replicas that are given nothing more and have not ended yet. */
  #ending = 0;
  readonly #serviceTime = new RecentMean();
  readonly #startTime = new RecentMean();
  /** When each invocation began that is being worked on. */
  readonly #invocations = new Set<{ readonly since: Moment }>();
  #waiting = 0;
  /** When runs were last known to wait: until then, no replica was without work. */
  #waitedUntil: Moment | null = null;
  #desired = 0;
  /**
   * Replicas that somebody wants to be ready without any work; 0 once they have been, or it is
   * known that they cannot.
   */
  #warming = 0;
  /** Whether a server that somebody else runs was lost, and is asked until it is well again. */
  #probing = false;
  #lastStart: Duration | null = null;
  #failures = 0;
  #failuresTolerated = FAILURES_IN_A_ROW;
  #lastFailure: string | null = null;
  /** What stands in the way of a start that goes on. */
  #obstacle: string | null = null;
  #notBefore: Moment | null = null;

  constructor(deps: SupervisorDeps) {
    this.#deps = deps;
    const pause = Math.min(IDLE_CHECK, Math.max(IDLE_CHECK_MIN, deps.policy.idle));
    this.#idleCheck = setInterval(() => this.#stopIdle(), pause);
    this.demand(0);
  }

  counts(): ReplicaCounts {
    const { min, max } = this.#deps.policy;
    return { current: this.#members.size, desired: this.#desired, min, max };
  }

  /**
   * Why no replica becomes ready, once that has happened more than by accident; null while all is
   * well.
   */
  trouble(): string | null {
    if (this.#members.size > 0) return null;
    return this.#failures >= TROUBLE_AFTER ? this.#lastFailure : this.#obstacle;
  }

  health(): ReplicaHealth {
    const trouble = this.trouble();
    const retryAt = this.#isBackingOff ? this.#asTime(this.#notBefore!) : null;
    return { state: this.#state(trouble), trouble, failures: this.#failures, retryAt, lastStart: this.#lastStart };
  }

  /**
   * Whether another replica could be started now: while it could not, nobody needs to count what
   * waits.
   */
  get canGrow(): boolean {
    // One that ends has its memory, and perhaps its GPU, until it is gone.
    const there = this.#members.size + this.#starts.size + this.#ending;
    return !this.#isBackingOff && there < this.#deps.policy.max;
  }

  /**
   * Hears how many runs wait, and starts replicas for them: as many as finish something sooner than
   * those that are there (see scaling.ts).
   */
  demand(waiting: number): void {
    this.#waiting = waiting;
    if (waiting > 0) this.#waitedUntil = this.#deps.clock.steady();
    this.#scale();
  }

  /**
   * Has so many replicas ready without any work, `max` at most; as if they had been used now, they
   * are stopped when they have been idle.
   */
  warm(replicas: number): void {
    const now = this.#deps.clock.steady();
    for (const member of this.#members.values()) member.idleSince = now;
    const count = Math.min(this.#deps.policy.max, replicas);
    if (this.#members.size < count) this.#warming = count;
    this.#scale();
  }

  /**
   * Free slots, `limit` at most, on the least busy replicas first. `sparesOne` leaves out the least
   * busy one: as long as that is asked for, nothing new comes to it, and it becomes idle.
   */
  reserve(limit: number, sparesOne = false): ReservedSlot[] {
    const { concurrency } = this.#deps.policy;
    const members = this.#leastBusyFirst().slice(sparesOne ? 1 : 0);
    const slots: ReservedSlot[] = [];
    for (let load = 0; load < concurrency && slots.length < limit; load += 1) {
      for (const member of members) {
        if (member.busy === load && slots.length < limit) slots.push(this.#slotOn(member, 1));
      }
    }
    return slots;
  }

  /**
   * A replica that does nothing, as one slot: nobody else gets a slot on it before this one is
   * given back or shared. Null where none is idle.
   */
  reserveWhole(): ReservedSlot | null {
    const [member] = this.#leastBusyFirst();
    return member?.busy === 0 ? this.#slotOn(member, this.#deps.policy.concurrency) : null;
  }

  /** Stops every replica, and starts none anymore. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#idleCheck);
    await Promise.all(this.#starts);
    await Promise.all([...this.#stops, ...[...this.#members.values()].map(({ replica }) => replica.stop())]);
  }

  /** What time it will be then, for people. */
  #asTime(at: Moment): Instant {
    const { clock } = this.#deps;
    return after(clock.now(), elapsed(clock.steady(), at));
  }

  get #isBackingOff(): boolean {
    return this.#notBefore !== null && this.#deps.clock.steady() < this.#notBefore;
  }

  #state(trouble: string | null): ReplicaState {
    if (trouble !== null) return 'failing';
    if (this.#members.size > 0) return 'ready';
    if (this.#starts.size > 0 || (this.#ending > 0 && this.#waiting > 0)) return 'starting';
    return this.#isBackingOff ? 'backing-off' : 'idle';
  }

  /**
   * Starts what is missing. What is too many is left to the idle check, so that a short gap between
   * runs costs no cold start.
   */
  #scale(): void {
    const wanted = this.#wanted();
    for (let missing = wanted - this.#members.size - this.#starts.size; missing > 0 && this.canGrow; missing -= 1)
      this.#start();
    // What is being started will be there, also where it is not needed anymore.
    const coming = this.#starts.size === 0 ? 0 : this.#members.size + this.#starts.size;
    this.#desired = Math.max(wanted, coming);
  }

  #wanted(): number {
    const { min, max, concurrency } = this.#deps.policy;
    const busy = [...this.#members.values()].reduce((sum, member) => sum + member.busy, 0);
    const deserved = replicasFor({
      waiting: this.#waiting,
      busy,
      concurrency,
      serviceTime: this.#expectedServiceTime(),
      startTime: this.#startTime.value,
    });
    return Math.min(max, Math.max(min, this.#warming, this.#probing ? 1 : 0, deserved));
  }

  /**
   * What has been measured, or how long the invocations have been going on that are not over, where
   * that is longer.
   */
  #expectedServiceTime(): Duration | null {
    const measured = this.#serviceTime.value;
    if (this.#invocations.size === 0) return measured;
    const now = this.#deps.clock.steady();
    const sum = [...this.#invocations].reduce((total, { since }) => total + elapsed(since, now), 0);
    return milliseconds(Math.max(measured ?? 0, sum / this.#invocations.size));
  }

  #leastBusyFirst(): Member[] {
    return [...this.#members.values()].filter(({ replica }) => !replica.retiring).sort((a, b) => a.busy - b.busy);
  }

  #slotOn(member: Member, places: number): ReservedSlot {
    const { replica } = member;
    const coldStart = member.used ? null : replica.startDuration;
    const wasUsed = member.used;
    let taken = places;
    member.busy += taken;
    member.used = true;
    const keep = (count: number): void => {
      member.busy -= taken - count;
      taken = count;
    };
    return {
      replica: replica.id,
      coldStart,
      share: () => keep(1),
      invoke: async (invocation, signal) => {
        const begun = { since: this.#deps.clock.steady() };
        this.#invocations.add(begun);
        member.invoking += 1;
        try {
          const reply = await replica.invoke(invocation, signal);
          if (!replica.isSuspect) this.#heard(member, reply.kind);
          // What was stopped, or broke off, took less than it would have.
          if (!BROKEN_OFF.has(reply.kind)) this.#serviceTime.add(elapsed(begun.since, this.#deps.clock.steady()));
          return reply;
        } finally {
          this.#invocations.delete(begun);
          member.invoking -= 1;
          keep(0);
          member.idleSince = this.#deps.clock.steady();
          this.#stopRetired(member);
          this.#deps.onChange();
        }
      },
      release: () => {
        keep(0);
        member.used = wasUsed;
        this.#stopRetired(member);
      },
    };
  }

  #heard(member: Member, kind: Reply['kind']): void {
    const wasLost = kind === 'crashed' || kind === 'out-of-memory';
    if (!wasLost) {
      member.hasFinishedOne = true;
      this.#failures = 0;
    }
    if (kind === 'stopped' || kind === 'own-fault') return;
    if (kind === 'output' || kind === 'kept') {
      member.failuresInARow = 0;
      this.#failuresTolerated = FAILURES_IN_A_ROW;
      return;
    }
    // One that hangs up and goes on, time and again, is as broken as one that answers nothing but
    // errors.
    if (wasLost && !this.#members.has(member.replica.id)) return;
    member.failuresInARow += 1;
    if (member.failuresInARow < this.#failuresTolerated || member.replica.retiring) return;
    this.#failuresTolerated *= 2;
    member.replica.retire();
  }

  /** A replica that retires is stopped once nobody has a slot on it, in use or about to be. */
  #stopRetired({ replica, busy }: Member): void {
    if (replica.retiring && busy === 0) this.#stop(replica);
  }

  #stop(replica: Replica): void {
    const counts = this.#members.has(replica.id) ? 0 : 1;
    this.#ending += counts;
    const stop: Promise<void> = replica.stop().finally(() => {
      this.#ending -= counts;
      this.#stops.delete(stop);
      // What waits for its place is counted anew: it may have become less.
      if (counts > 0) this.#deps.onChange();
    });
    this.#stops.add(stop);
  }

  #start(): void {
    if (this.#closing.signal.aborted) return;
    const start: Promise<void> = this.#startOne().finally(() => {
      this.#starts.delete(start);
      this.#obstacle = null;
      this.#deps.onChange();
    });
    this.#starts.add(start);
  }

  async #startOne(): Promise<void> {
    const { launch, policy, clock } = this.#deps;
    const id = randomUUID();
    try {
      const launched = await launch(id);
      const { signal } = this.#closing;
      const startedAt = clock.steady();
      const onRefusal = (refusal: Refusal): void => this.#refused(startedAt, 'url' in launched, refusal);
      const deps: StartDeps = { policy, clock, signal, onRefusal };
      const replica = await ('url' in launched
        ? startRemote(id, launched.url, deps)
        : startReplica(id, launched, deps));
      const now = clock.steady();
      const member: Member = {
        replica,
        readySince: now,
        busy: 0,
        invoking: 0,
        used: false,
        hasFinishedOne: false,
        failuresInARow: 0,
        idleSince: now,
      };
      this.#members.set(id, member);
      this.#startTime.add(replica.startDuration);
      this.#lastStart = replica.startDuration;
      this.#probing = false;
      if (this.#members.size >= this.#warming) this.#warming = 0;
      this.#deps.onStart(replica.startDuration);
      void replica.exited.then((how) => this.#exited(member, how));
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#deps.onStart(null);
      this.#failed(error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * A start goes on for as long as it may; what no waiting mends is said meanwhile. A 5xx is what a
   * server that loads answers.
   */
  #refused(startedAt: Moment, isRemote: boolean, { status, words }: Refusal): void {
    const isMended = status === null ? !isRemote : status >= 500;
    const isEarly = elapsed(startedAt, this.#deps.clock.steady()) < OBSTACLE_AFTER;
    const obstacle =
      isMended || isEarly ? null : `It is not ready until GET /ping is answered with 200; so far ${words}.`;
    if (obstacle === this.#obstacle) return;
    this.#obstacle = obstacle;
    this.#deps.onChange();
  }

  #failed(reason: string): void {
    this.#notBefore = later(this.#deps.clock.steady(), pauseOf(STARTS, this.#failures));
    this.#failures += 1;
    this.#lastFailure = reason;
    if (this.#failures >= TROUBLE_AFTER) this.#warming = 0;
  }

  /**
   * A server that somebody else runs has been failing for a while, and nobody starts it again for
   * us: that is trouble at once.
   */
  #lost(how: string): void {
    this.#failures = Math.max(this.#failures, TROUBLE_AFTER - 1);
    this.#failed(how);
    this.#probing = true;
  }

  #exited(member: Member, how: string): void {
    const { replica, readySince, hasFinishedOne, invoking } = member;
    const wasStopped = !this.#members.delete(replica.id) || replica.retiring;
    const hasSettled = hasFinishedOne || elapsed(readySince, this.#deps.clock.steady()) >= SETTLED_AFTER;
    if (replica.isRemote && !wasStopped) this.#lost(how);
    else if (wasStopped || hasSettled) this.#failures = 0;
    // In the middle of an invocation it may be that one's fault: its caller is told, and it waits
    // before it is tried again, alone. Nobody else does.
    else if (invoking === 0) this.#failed(how);
    this.#deps.onChange();
  }

  #stopIdle(): void {
    const { policy, clock } = this.#deps;
    const now = clock.steady();
    if (this.#waitedUntil !== null && elapsed(this.#waitedUntil, now) < policy.idle) return;
    for (const [id, member] of this.#members) {
      if (this.#members.size <= policy.min) return;
      if (member.busy > 0 || elapsed(member.idleSince, now) < policy.idle) continue;
      // Nobody has a slot on it, and out of the list nobody gets one: both in this very turn of the
      // event loop.
      this.#members.delete(id);
      this.#desired = this.#wanted();
      this.#stop(member.replica);
    }
  }
}
