// Whether a database still speaks. A connection to one that stands still stays open and says
// nothing, as does one to a database that is at work for long: so it is asked something that it can
// answer at once.

import { steadyNow } from '../../system/clock.ts';
import { type Duration, elapsed, type Moment, seconds } from '../../domain/time.ts';

/**
 * How long it may say nothing, while somebody waits for it, before it is asked; and the pause
 * between two looks.
 */
const ASKED_AFTER = seconds(1);

/** What is done about a silence. */
export interface SilenceDeps {
  /**
   * Asks what any database answers at once; whether an answer came is told to `heard` and
   * `unanswered`, and never thrown.
   */
  readonly ask: () => Promise<unknown>;
  /** How long a silence is borne. */
  readonly patience: Duration;
  /**
   * Ends every wait. Called again for as long as the silence lasts, since a wait may have begun
   * meanwhile.
   */
  readonly endWaits: () => void;
}

/** See the head of this file. */
export class Silence {
  readonly #deps: SilenceDeps;
  /** Since when somebody has waited without hearing anything; null where nobody waits. */
  #since: Moment | null = null;
  /** Whether a question has had no answer since. */
  #isKnown = false;
  #isAsking = false;
  #looks: NodeJS.Timeout | undefined;

  constructor(deps: SilenceDeps) {
    this.#deps = deps;
  }

  /**
   * How long it has lasted, where it is known and has lasted for longer than it is borne; otherwise
   * null.
   */
  get tooLong(): Duration | null {
    const lasts = this.#since === null ? 0 : elapsed(this.#since, steadyNow());
    return this.#isKnown && lasts >= this.#deps.patience ? (lasts as Duration) : null;
  }

  /**
   * When the patience of somebody began who has waited since then: with a silence that is known,
   * where that began before.
   */
  patientSince(begin: Moment): Moment {
    return this.#isKnown && this.#since !== null && this.#since < begin ? this.#since : begin;
  }

  /** Somebody waits. */
  begin(): void {
    this.#since ??= steadyNow();
    // A timer that keeps nobody from ending: who waits holds a connection open.
    this.#looks ??= setInterval(() => this.#look(), ASKED_AFTER).unref();
  }

  /** Nobody waits any more. A silence that is known goes on until there is an answer. */
  end(): void {
    if (!this.#isKnown) this.#since = null;
  }

  /** An answer came, of any kind. */
  heard(): void {
    this.#isKnown = false;
    if (this.#since !== null) this.#since = steadyNow();
  }

  /** A question has had no answer. */
  unanswered(askedAt: Moment): void {
    this.#since ??= askedAt;
    this.#isKnown = true;
  }

  stop(): void {
    clearInterval(this.#looks);
  }

  #look(): void {
    if (this.#since === null) {
      clearInterval(this.#looks);
      this.#looks = undefined;
      return;
    }
    if (this.tooLong !== null) this.#deps.endWaits();
    if (this.#isAsking || elapsed(this.#since, steadyNow()) < ASKED_AFTER) return;
    this.#isAsking = true;
    void this.#deps.ask().finally(() => (this.#isAsking = false));
  }
}
