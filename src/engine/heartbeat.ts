// Whether the store of runs is there, asked every second. A call that waits for a store is patient,
// since most stores that go away come back in a moment. A caller that asks how the server is, or
// hands new work in, is told within seconds.

import { type Clock } from '../system/clock.ts';
import { Rounds } from '../system/loops.ts';
import { StorageUnavailable } from '../domain/errors.ts';
import { type Duration, elapsed, inSeconds, type Moment, seconds } from '../domain/time.ts';
import type { LedgerStore } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';

/** Pause between two questions. */
const PAUSE: Duration = seconds(1);
/** A store that has not answered for so long is away. */
const AWAY_AFTER: Duration = seconds(3);
/**
 * When it has been away for so long, nothing is asked of it for a request any more: before, a
 * request waits, and a short outage costs no error.
 */
const REFUSED_AFTER: Duration = seconds(6);

/** A store that is known to be away. */
export class StoreAway extends StorageUnavailable {
  override readonly name = 'StoreAway';

  constructor(away: Duration) {
    super(`The store of runs has not answered for ${Math.round(inSeconds(away))} s.`);
  }
}

/** What the heartbeat works with. */
export interface HeartbeatDeps {
  readonly ledger: LedgerStore;
  readonly clock: Clock;
  readonly log: Log;
}

/** See the head of this file. */
export class Heartbeat {
  readonly #deps: HeartbeatDeps;
  readonly #rounds = new Rounds(() => this.#beat(), PAUSE);
  #answeredAt: Moment;
  /** Whether the last question has its answer. */
  #isAnswered = true;
  #isToldAway = false;

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps;
    this.#answeredAt = deps.clock.steady();
  }

  start(): void {
    this.#rounds.start(PAUSE);
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /** How long the store has been away; null where it is there. */
  get away(): Duration | null {
    const silence = elapsed(this.#answeredAt, this.#deps.clock.steady());
    return !this.#isAnswered && silence >= AWAY_AFTER ? silence : null;
  }

  /**
   * Refuses what would only wait.
   *
   * @throws StoreAway
   */
  assertThere(): void {
    const { away } = this;
    if (away !== null && away >= REFUSED_AFTER) throw new StoreAway(away);
  }

  async #beat(): Promise<void> {
    const { ledger, clock, log } = this.#deps;
    this.#isAnswered = false;
    try {
      await ledger.check();
      if (this.#isToldAway) log.warn({ away_ms: this.away }, 'the store of runs is there again');
      this.#isToldAway = false;
      this.#answeredAt = clock.steady();
      this.#isAnswered = true;
    } catch (error) {
      if (this.away !== null && !this.#isToldAway) {
        this.#isToldAway = true;
        log.error({ err: error }, 'the store of runs does not answer: new work is refused until it does');
      }
    }
  }
}
