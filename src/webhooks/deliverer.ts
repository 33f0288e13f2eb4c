// Carries deliveries out: claims what is due in the ledger, sends it, and writes down the outcome.
// At least once: what was sent and not written down, because a server died in between, is sent
// again under the same id.
//
// A run that ends wakes the deliverer; what is due later, or was left behind by another server, is
// looked for now and then. A look is at what is due for all hosts, and dear where that is much. So
// a host with a place that is free again is not left to the next look: what is due for it alone is
// cheap to find, and is asked for in the commit that writes down the outcomes of its last ones.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, jitter } from '../system/clock.ts';
import { Coalesced } from '../system/loops.ts';
import { hostOf } from '../domain/delivery.ts';
import { isLack } from '../domain/system-error.ts';
import { type Duration, elapsed, milliseconds, minutes, seconds } from '../domain/time.ts';
import { type Egress, type EgressAnswer, NoAnswer } from '../egress/egress.ts';
import type { ClaimedDelivery, DeliveryLedger, DeliveryResult, RunReader } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { Vault } from '../stores/vault/vault.ts';
import { Hosts, PLACES_MIN } from './hosts.ts';
import { type MessageParts, messageOf } from './message.ts';
import { outcomeOf } from './outcome.ts';

/** How long an attempt may take. Source: Standard Webhooks, which asks for 15 to 30 s. */
const ATTEMPT_MAX: Duration = seconds(20);
/** A claim is sent at once, so it need not last much longer than an attempt. */
const LEASE: Duration = seconds(60);
/** How much of an answer is read, in bytes; a few words of it are kept. */
const ANSWER_BYTES_MAX = 4_096;
/**
 * Deliveries on their way at once: a receiver that hangs holds its own places and nobody else's.
 */
const UNDERWAY_MAX = 256;
/**
 * Where more are, none is claimed but by a look, which gives a host few places and begins with who
 * has waited longest.
 */
const FREELY_UNDERWAY_MAX = 128;
/** What a look finds is taken up this many at a time, with a pause in between. */
const CLAIM_MAX = 32;
const CLAIM_PAUSE: Duration = milliseconds(50);
/**
 * How many times as long as the last claim the pause is at least. A claim walks past all that is
 * due for hosts which are busy (44 ms for 100,000 of them, measured when this was written), and the
 * ledger has other things to do.
 */
const PAUSE_PER_CLAIM = 9;
/**
 * Pause between two looks that nothing has asked for: how late a delivery may be that another
 * server left behind.
 */
const LOOK_PAUSE: Duration = seconds(5);
/** A retry that comes sooner than this is waited for by itself, and not left to the next look. */
const SOON: Duration = minutes(1);

/** What the deliverer works with. */
export interface DelivererDeps {
  readonly ledger: DeliveryLedger & RunReader;
  readonly vault: Vault;
  readonly egress: Egress;
  readonly describe: MessageParts['describe'];
  readonly clock: Clock;
  readonly log: Log;
  /** Called with the outcome of every attempt that was written down. */
  readonly onAttempt?: (kind: DeliveryResult['kind']) => void;
  /** How long an attempt may take; ATTEMPT_MAX unless told. */
  readonly attemptMax?: Duration;
}

/** Delivers until it is stopped. */
export class Deliverer {
  readonly #deps: DelivererDeps;
  readonly #underway = new Set<Promise<void>>();
  readonly #hosts = new Hosts();
  readonly #cut = new AbortController();
  readonly #stopping = new AbortController();
  readonly #looking = new Coalesced(() => this.#look());
  readonly #following = new Coalesced(() => this.#oneByOne(() => this.#claimNext()));
  #timer: NodeJS.Timeout | undefined;
  /** Claims come one after the other: each has to know what the last one has begun. */
  #claiming: Promise<void> = Promise.resolve();

  constructor(deps: DelivererDeps) {
    this.#deps = deps;
  }

  /** Takes up what an earlier server left behind, and begins. */
  start(): void {
    this.#timer = setInterval(() => this.wake(), LOOK_PAUSE);
    this.wake();
  }

  /** Something may be due: a run has ended, a delivery was asked for again. */
  wake(): void {
    this.#looking.wake();
  }

  /**
   * Begins nothing more, and resolves when nothing is on its way; what still is when `graceOver`
   * aborts is cut off, and sent anew once its claim has lapsed.
   */
  async stop(graceOver: AbortSignal): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#timer);
    const cut = (): void => this.#cut.abort();
    graceOver.addEventListener('abort', cut, { once: true });
    if (graceOver.aborted) cut();
    await Promise.all([this.#looking.stop(), this.#following.stop()]);
    await Promise.all(this.#underway);
    graceOver.removeEventListener('abort', cut);
  }

  /** Claims what can be begun; looks again until that is nothing. */
  async #look(): Promise<void> {
    const { signal } = this.#stopping;
    const { claimed, took } = await this.#oneByOne(() => this.#claimDue());
    if (claimed > 0) this.wake();
    this.#following.wake();
    const pause = Math.max(CLAIM_PAUSE, PAUSE_PER_CLAIM * took);
    await sleep(Math.min(pause, LOOK_PAUSE), null, { signal }).catch(() => {});
  }

  async #claimDue(): Promise<{ readonly claimed: number; readonly took: Duration }> {
    const { clock, ledger } = this.#deps;
    const askedAt = clock.steady();
    const limit = Math.min(CLAIM_MAX, UNDERWAY_MAX - this.#underway.size);
    const places = { perHost: PLACES_MIN, taken: this.#hosts.walkedPast() };
    const claimed = limit === 0 ? [] : await this.#claim(() => ledger.claimDeliveries(limit, LEASE, places));
    return { claimed: claimed.length, took: elapsed(askedAt, clock.steady()) };
  }

  /**
   * Hosts that have a free place may have more to be sent: claims for them until nothing more can
   * be begun.
   */
  async #claimNext(): Promise<void> {
    const free = this.#hosts.free(this.#stopping.signal.aborted ? 0 : FREELY_UNDERWAY_MAX - this.#underway.size);
    if (Object.keys(free).length === 0) return;
    this.#following.wake();
    const claimed = await this.#claim(() => this.#deps.ledger.claimDeliveriesTo(free, LEASE));
    this.#hosts.found(
      free,
      claimed.map(({ url }) => hostOf(url)),
    );
  }

  #oneByOne<Result>(claim: () => Promise<Result>): Promise<Result> {
    const mine = this.#claiming.then(claim);
    this.#claiming = mine.then(() => {});
    return mine;
  }

  /** Begins everything that is claimed; where the ledger could not be asked, that is nothing. */
  async #claim(ask: () => Promise<ClaimedDelivery[]>): Promise<ClaimedDelivery[]> {
    try {
      const claimed = await ask();
      for (const delivery of claimed) this.#begin(delivery);
      return claimed;
    } catch (error) {
      this.#deps.log.error({ err: error }, 'deliveries could not be claimed');
      return [];
    }
  }

  #begin(delivery: ClaimedDelivery): void {
    this.#hosts.take(hostOf(delivery.url));
    const underway = this.#deliver(delivery)
      // The delivery itself is safe: its claim lapses and it is due again.
      .catch((error: unknown) =>
        this.#deps.log.error(
          { err: error, delivery_id: delivery.claim.deliveryId },
          'a delivery could not be attempted',
        ),
      )
      .finally(() => {
        const wasFull = this.#underway.size === UNDERWAY_MAX;
        this.#underway.delete(underway);
        if (wasFull) this.wake();
      });
    this.#underway.add(underway);
  }

  async #deliver(delivery: ClaimedDelivery): Promise<void> {
    const { ledger, log } = this.#deps;
    const { claim, runId } = delivery;
    let result: DeliveryResult | null = null;
    try {
      result = await this.#attempt(delivery);
    } finally {
      this.#giveBack(hostOf(delivery.url), result);
    }
    if (result === null) return;
    await ledger.finishDeliveries([{ claim, result }]);
    this.#deps.onAttempt?.(result.kind);
    if (result.kind === 'abandoned')
      log.warn({ delivery_id: claim.deliveryId, run_id: runId, status: result.status }, 'a delivery was given up');
    this.#awaitRetry(result);
  }

  /**
   * The place is free once there is an answer: the receiver need not wait until that is written
   * down.
   */
  #giveBack(host: string, result: DeliveryResult | null): void {
    if (!this.#hosts.giveBack(host, result)) return;
    if (this.#underway.size < FREELY_UNDERWAY_MAX) this.#following.wake();
    else this.wake();
  }

  /** What the attempt came to; null where it was cut off, of which nothing is known. */
  async #attempt(delivery: ClaimedDelivery): Promise<DeliveryResult | null> {
    const { clock } = this.#deps;
    const startedAt = clock.steady();
    const answer = await this.#send(delivery);
    if (answer === null) return null;
    const latency = milliseconds(Math.round(elapsed(startedAt, clock.steady())));
    return outcomeOf({ answer, latency, tries: delivery.tries, now: clock.now(), jitter: jitter() });
  }

  /** The answer, or why there was none; null where it was cut off, of which nothing is known. */
  async #send(delivery: ClaimedDelivery): Promise<EgressAnswer | string | null> {
    const { ledger, vault, egress, describe, clock, attemptMax = ATTEMPT_MAX } = this.#deps;
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
      // Without a connection of ours nothing was attempted: it is due again once its claim has
      // lapsed.
      if (!(error instanceof NoAnswer) || isLack(error.cause)) throw error;
      return signal.aborted ? null : error.message;
    }
  }

  #awaitRetry(result: DeliveryResult): void {
    if (result.kind === 'retry' && result.delay <= SOON) setTimeout(() => this.wake(), result.delay).unref();
  }
}
