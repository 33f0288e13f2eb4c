// Carries deliveries out: claims what is due in the ledger, sends it, and writes down what became of it. At least once: whatever was sent and
// not written down, because a server died in between, is sent again under the same id.
//
// A run that ends wakes the deliverer; what is due later, or was left behind by another server, is looked for now and then.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, jitter } from '../clock.ts';
import { hostOf } from '../domain/delivery.ts';
import { isLack } from '../domain/system-error.ts';
import { type Duration, elapsed, milliseconds, minutes, seconds } from '../domain/time.ts';
import { type Egress, type EgressAnswer, NoAnswer } from '../egress/egress.ts';
import type { ClaimedDelivery, DeliveryResult, Ledger } from '../ledger/ledger.ts';
import type { Log } from '../log.ts';
import type { Vault } from '../vault/vault.ts';
import { type MessageParts, messageOf } from './message.ts';
import { outcomeOf } from './outcome.ts';

/** How long an attempt may take. Source: Standard Webhooks, which asks for 15 to 30 s. */
const ATTEMPT_MAX: Duration = seconds(20);
/** A claim is sent at once, so it need not last much longer than an attempt. */
const LEASE: Duration = seconds(60);
/** How much of an answer is read, in bytes; a few words of it are kept. */
const ANSWER_BYTES_MAX = 4_096;
/** Deliveries on their way at once, in all and to one host: a receiver that hangs holds its own places and nobody else's. */
const UNDERWAY_MAX = 256;
const PER_HOST_MAX = 4;
/** A backlog, as after a restart, is taken up this many at a time, with a pause in between: 640 a second at the most. */
const CLAIM_MAX = 32;
const CLAIM_PAUSE: Duration = milliseconds(50);
/**
 * How many times as long as the last claim the pause is at least. A claim walks past all that is due for hosts which are busy (44 ms for
 * 100,000 of them, measured when this was written), and the ledger has other things to do.
 */
const PAUSE_PER_CLAIM = 9;
/** Pause between two looks that nothing has asked for: how late a delivery may be that another server left behind. */
const LOOK_PAUSE: Duration = seconds(5);
/** A retry that comes sooner than this is waited for by itself, and not left to the next look. */
const SOON: Duration = minutes(1);

/** What the deliverer works with. */
export interface DelivererParts {
  readonly ledger: Ledger;
  readonly vault: Vault;
  readonly egress: Egress;
  readonly describe: MessageParts['describe'];
  readonly clock: Clock;
  readonly log: Log;
  /** Called with what became of every attempt that was written down. */
  readonly onAttempt?: (kind: DeliveryResult['kind']) => void;
  /** How long an attempt may take; ATTEMPT_MAX unless told. */
  readonly attemptMax?: Duration;
}

/** Delivers until it is stopped. */
export class Deliverer {
  readonly #parts: DelivererParts;
  /** Deliveries on their way, and how many of them lead to each host. */
  readonly #underway = new Set<Promise<void>>();
  readonly #taken = new Map<string, number>();
  readonly #cut = new AbortController();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isLooking = false;
  #looksAgain = false;

  constructor(parts: DelivererParts) {
    this.#parts = parts;
  }

  /** Takes up what an earlier server left behind, and begins. */
  start(): void {
    this.#timer = setInterval(() => this.wake(), LOOK_PAUSE);
    this.wake();
  }

  /** Something may be due: a run has ended, a delivery was asked for again, a place has become free. */
  wake(): void {
    this.#looksAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#looking = this.#look();
  }

  /** Begins nothing more, and resolves when nothing is on its way; what still is when `graceOver` aborts is cut off, and sent anew once its claim has lapsed. */
  async stop(graceOver: AbortSignal): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#timer);
    const cut = (): void => this.#cut.abort();
    graceOver.addEventListener('abort', cut, { once: true });
    if (graceOver.aborted) cut();
    await this.#looking;
    await Promise.all(this.#underway);
    graceOver.removeEventListener('abort', cut);
  }

  /** Claims until there is nothing that can be begun. */
  async #look(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopping;
    while (this.#looksAgain && !signal.aborted) {
      this.#looksAgain = false;
      const askedAt = clock.steady();
      const claimed = await this.#claim();
      for (const delivery of claimed) this.#begin(delivery);
      this.#looksAgain ||= claimed.length > 0;
      const pause = Math.max(CLAIM_PAUSE, PAUSE_PER_CLAIM * elapsed(askedAt, clock.steady()));
      await sleep(Math.min(pause, LOOK_PAUSE), null, { signal }).catch(() => {});
    }
    // In the same breath as the last question above: what is asked for after this begins another look.
    this.#isLooking = false;
  }

  async #claim(): Promise<ClaimedDelivery[]> {
    const limit = Math.min(CLAIM_MAX, UNDERWAY_MAX - this.#underway.size);
    if (limit === 0) return [];
    try {
      const places = { perHost: PER_HOST_MAX, taken: Object.fromEntries(this.#taken) };
      return await this.#parts.ledger.claimDeliveries(limit, LEASE, places);
    } catch (error) {
      this.#parts.log.error({ err: error }, 'deliveries could not be claimed');
      return [];
    }
  }

  #begin(delivery: ClaimedDelivery): void {
    const host = hostOf(delivery.url);
    this.#taken.set(host, this.#takenBy(host) + 1);
    const underway = this.#deliver(delivery)
      // The delivery itself is safe: its claim lapses and it is due again.
      .catch((error: unknown) =>
        this.#parts.log.error(
          { err: error, delivery_id: delivery.claim.deliveryId },
          'a delivery could not be attempted',
        ),
      )
      .finally(() => {
        const wasFull = this.#takenBy(host) === PER_HOST_MAX || this.#underway.size === UNDERWAY_MAX;
        this.#underway.delete(underway);
        if (this.#takenBy(host) === 1) this.#taken.delete(host);
        else this.#taken.set(host, this.#takenBy(host) - 1);
        if (wasFull) this.wake();
      });
    this.#underway.add(underway);
  }

  #takenBy(host: string): number {
    return this.#taken.get(host) ?? 0;
  }

  async #deliver(delivery: ClaimedDelivery): Promise<void> {
    const { ledger, log, clock } = this.#parts;
    const { claim, runId, tries } = delivery;
    const startedAt = clock.steady();
    const answer = await this.#send(delivery);
    if (answer === null) return;
    const now = clock.now();
    const latency = milliseconds(Math.round(elapsed(startedAt, clock.steady())));
    const result = outcomeOf({ answer, latency, tries, now, jitter: jitter() });
    await ledger.finishDeliveries([{ claim, result }]);
    this.#parts.onAttempt?.(result.kind);
    if (result.kind === 'abandoned')
      log.warn({ delivery_id: claim.deliveryId, run_id: runId, status: result.status }, 'a delivery was given up');
    this.#awaitRetry(result);
  }

  /** The answer, or why there was none; null where it was cut off, of which nothing is known. */
  async #send(delivery: ClaimedDelivery): Promise<EgressAnswer | string | null> {
    const { ledger, vault, egress, describe, clock, attemptMax = ATTEMPT_MAX } = this.#parts;
    const run = await ledger.run(delivery.runId);
    if (run === null) throw new Error(`Run ${delivery.runId} has a delivery, and is not there.`);
    const now = clock.now();
    const secrets = await vault.signingSecrets(delivery.endpoint, now);
    const { headers, body } = messageOf(delivery, { run, describe, secrets, now });
    const { signal } = this.#cut;
    try {
      return await egress.send({
        method: 'POST',
        url: delivery.url,
        headers,
        body,
        bytesMax: ANSWER_BYTES_MAX,
        timeout: attemptMax,
        signal,
      });
    } catch (error) {
      // Without a connection of ours nothing was attempted: it is due again once its claim has lapsed.
      if (!(error instanceof NoAnswer) || isLack(error.cause)) throw error;
      return signal.aborted ? null : error.message;
    }
  }

  #awaitRetry(result: DeliveryResult): void {
    if (result.kind === 'retry' && result.delay <= SOON) setTimeout(() => this.wake(), result.delay).unref();
  }
}
