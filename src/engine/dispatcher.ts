// Moves queued runs to where they can be executed. It claims only what a free slot can start now,
// so nothing waits in a server that might die.

import type { Clock } from '../system/clock.ts';
import { Coalesced } from '../system/loops.ts';
import { between, milliseconds } from '../domain/time.ts';
import type { ClaimedRun, QueueLedger, Slot } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { DiskRoom } from '../stores/disk/disk-room.ts';
import { type HeldClaim, LEASE, type Leases } from './leases.ts';
import type { RunObserver } from './observer.ts';

/** A slot that is held for one claim, or given back. */
export interface LaneSlot extends Slot {
  release(): void;
}

/** What a lane has free for the next claim. */
export interface Reservation<S extends LaneSlot> {
  /** None where nothing can start now. */
  readonly slots: readonly S[];
  /**
   * Whether nothing runs, or will, beside a run on any of these slots: the promise that
   * `ClaimRequest.alone` makes to the ledger.
   */
  readonly alone: boolean;
}

/** A way of executing runs: on replicas, or (batches) in the engine itself. */
export interface Lane<S extends LaneSlot> {
  readonly name: 'replica' | 'engine';
  /** What is free now. May start replicas for the work that waits. */
  reserve(): Promise<Reservation<S>>;
  /** Executes a claim on its slot and writes its outcome; gives the slot back itself. */
  execute(claimed: ClaimedRun, slot: S, held: HeldClaim): Promise<void>;
}

/** What a dispatcher works with. */
export interface DispatcherDeps {
  readonly endpoint: string;
  readonly version: number;
  readonly owner: string;
  readonly ledger: QueueLedger;
  readonly leases: Leases;
  readonly room: DiskRoom;
  readonly observer: RunObserver;
  readonly clock: Clock;
  readonly log: Log;
}

/** Feeds one lane of one endpoint. */
export class Dispatcher<S extends LaneSlot> {
  readonly #deps: DispatcherDeps;
  readonly #lane: Lane<S>;
  readonly #executing = new Map<HeldClaim, Promise<void>>();
  /** Runs that are queued in one turn of the event loop are claimed together. */
  readonly #dispatching = new Coalesced(() => this.#dispatch(), 'at-turn-end');

  constructor(deps: DispatcherDeps, lane: Lane<S>) {
    this.#deps = deps;
    this.#lane = lane;
  }

  /** Something may have become possible: a run was queued, a slot became free. */
  wake(): void {
    this.#dispatching.wake();
  }

  /**
   * Claims nothing more, and resolves when nothing is being executed: its work is awaited, or
   * handed back at once.
   */
  async stop(work: 'await' | 'hand-back'): Promise<void> {
    await this.#dispatching.stop();
    if (work === 'hand-back') for (const held of this.#executing.keys()) held.stop('draining');
    await Promise.all(this.#executing.values());
  }

  async #dispatch(): Promise<void> {
    const { log, endpoint } = this.#deps;
    try {
      while (await this.#dispatchOnce());
    } catch (error) {
      log.error({ err: error, endpoint }, 'runs could not be claimed');
    }
  }

  /** Whether there may be more to claim. */
  async #dispatchOnce(): Promise<boolean> {
    // What was begun needs the room that is left; the next sweep after there is more wakes the
    // dispatchers.
    if (this.#deps.room.state === 'spent') return false;
    const reservation = await this.#lane.reserve();
    const { slots } = reservation;
    if (slots.length === 0) return false;
    const claimed = await this.#claim(reservation);
    slots.slice(claimed.length).forEach((slot) => slot.release());
    claimed.forEach((run, place) => this.#execute(run, slots[place]!));
    return claimed.length === slots.length && !this.#dispatching.stopped;
  }

  async #claim({ slots, alone }: Reservation<S>): Promise<ClaimedRun[]> {
    if (this.#dispatching.stopped) return [];
    const { ledger, endpoint, version, owner } = this.#deps;
    const lane = this.#lane.name;
    try {
      return await ledger.claim({
        endpoint,
        version,
        lane,
        slots: slots.map(({ replica, coldStart }) => ({ replica, coldStart })),
        alone,
        owner,
        lease: LEASE,
      });
    } catch (error) {
      slots.forEach((slot) => slot.release());
      throw error;
    }
  }

  #warnOfDamage({ claim, damaged = [] }: ClaimedRun): void {
    if (damaged.length === 0) return;
    const isUntold = damaged.includes('callback_events') ? ', so that nobody is told of its end' : '';
    this.#deps.log.error(
      { run_id: claim.runId, damaged },
      `what the ledger says beside a run cannot be read${isUntold}; claimcheck doctor names every such run`,
    );
  }

  #execute(claimed: ClaimedRun, slot: S): void {
    const { leases, observer, clock } = this.#deps;
    const held = leases.hold(claimed.claim, claimed.run.parentId);
    this.#warnOfDamage(claimed);
    // Never less than nothing: the run may have been written down, or put back, by a server whose
    // clock is ahead of this one's.
    observer.started(claimed, milliseconds(Math.max(0, between(claimed.run.dueAt, clock.now()))));
    const execution = this.#lane
      .execute(claimed, slot, held)
      // The run itself is safe: its lease lapses and it is queued again.
      .catch((error: unknown) =>
        this.#deps.log.error({ err: error, run_id: claimed.claim.runId }, 'an outcome could not be written'),
      )
      .finally(() => {
        held.release();
        this.#executing.delete(held);
      });
    this.#executing.set(held, execution);
  }
}
