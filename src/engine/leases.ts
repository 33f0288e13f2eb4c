// The claims that this server holds: renewed while they are worked on, told when they are lost.

import type { RunId } from '../domain/ids.ts';
import type { Clock } from '../system/clock.ts';
import { type Duration, elapsed, type Moment, seconds } from '../domain/time.ts';
import type { Claim, QueueLedger } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';

/**
 * How long a claim is good for without being renewed. Source: promise P5 of the reliability page.
 */
export const LEASE: Duration = seconds(30);
/** A third of the lease, so that two renewals may fail before it lapses. */
const RENEWAL = seconds(10);
/** A renewal that is later than this by half is overdue. */
const OVERDUE = seconds(15);

/** Why work on a claim stops before its end. */
export type StopReason = 'timeout' | 'cancelled' | 'lost' | 'draining';

/** A claim in hand. */
export interface HeldClaim {
  readonly claim: Claim;
  /** The batch whose chunk it is on; null for any other run. */
  readonly parentId: RunId | null;
  /** Aborted with a `StopReason` when the work must stop. */
  readonly signal: AbortSignal;
  /**
   * Aborted when the outcome of the work no longer counts: the run has been ended or taken up
   * without it, or the server stops.
   */
  readonly over: AbortSignal;
  stop(reason: StopReason): void;
  /** The work is over, with any outcome: it is no longer renewed. */
  release(): void;
}

/** Keeps the leases of everything this server works on. */
export class Leases {
  readonly #ledger: QueueLedger;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #held = new Map<RunId, HeldClaim>();
  readonly #renewal: NodeJS.Timeout;
  /** When all leases were renewed last: those that were not there then are younger. */
  #renewedAt: Moment;
  /** Why everything was stopped, once it was. */
  #stopped: StopReason | null = null;

  constructor(ledger: QueueLedger, log: Log, clock: Clock) {
    this.#ledger = ledger;
    this.#log = log;
    this.#clock = clock;
    this.#renewedAt = clock.steady();
    this.#renewal = setInterval(() => void this.#renewAll(), RENEWAL);
  }

  /**
   * Renews what this server holds where that is overdue: it stood still for a while, or its store
   * was away. The sweep does this before it takes back what has lapsed, since no server is to
   * lose what it works on to itself.
   *
   * @returns whether nothing is overdue any more
   */
  async renewOverdue(): Promise<boolean> {
    return elapsed(this.#renewedAt, this.#clock.steady()) < OVERDUE || this.#renewAll();
  }

  hold(claim: Claim, parentId: RunId | null = null): HeldClaim {
    const [work, over] = [new AbortController(), new AbortController()];
    const held: HeldClaim = {
      claim,
      parentId,
      signal: work.signal,
      over: over.signal,
      stop(reason) {
        work.abort(reason);
        if (reason !== 'timeout') over.abort(reason);
      },
      release: () => {
        if (this.#held.get(claim.runId) === held) this.#held.delete(claim.runId);
      },
    };
    // The same run again means that its lease lapsed while this server was still at it: only the
    // new attempt can end it.
    this.#held.get(claim.runId)?.stop('lost');
    this.#held.set(claim.runId, held);
    // It was being claimed while everything was stopped, and nobody would stop it any more.
    if (this.#stopped !== null) held.stop(this.#stopped);
    return held;
  }

  /** Stops the work on a claim, if this server has it. */
  stop(claim: Claim, reason: StopReason): void {
    const held = this.#held.get(claim.runId);
    if (held?.claim.attempt === claim.attempt) held.stop(reason);
  }

  /**
   * Asks at once whether the claims on a run and on its chunks still hold, where this server has
   * any; stops the work on those that were lost.
   */
  check(runId: RunId): void {
    void this.#renew(
      [...this.#held.values()].filter(({ claim, parentId }) => claim.runId === runId || parentId === runId),
    );
  }

  /** Stops everything, what is claimed from then on too, as when the server stops. */
  stopAll(reason: StopReason): void {
    this.#stopped = reason;
    for (const held of this.#held.values()) held.stop(reason);
  }

  close(): void {
    clearInterval(this.#renewal);
  }

  async #renewAll(): Promise<boolean> {
    const startedAt = this.#clock.steady();
    const isRenewed = await this.#renew([...this.#held.values()]);
    if (isRenewed) this.#renewedAt = startedAt;
    return isRenewed;
  }

  async #renew(held: readonly HeldClaim[]): Promise<boolean> {
    if (held.length === 0) return true;
    try {
      const answers = await this.#ledger.renew(
        held.map(({ claim }) => claim),
        LEASE,
      );
      answers.forEach((answer, place) => answer === 'lost' && held[place]!.stop('lost'));
      return true;
    } catch (error) {
      this.#log.error({ err: error }, 'leases could not be renewed');
      return false;
    }
  }
}
