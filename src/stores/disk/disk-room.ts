// Whether the disk has room, asked before it is full. Submits are refused first, while there is
// enough to end what was begun; the ballast is for the end of what runs, should something else have
// filled the disk.
//
//   ample   everything goes on
//   low     less than LOW_WATER is left: no new runs are taken in
//   spent   a write found no room and part of the ballast was given up for it: nothing that waits
//           is started either, so that the rest is for the outcomes of what runs. Ends when there
//           is room for the whole ballast again.

import { statfsSync } from 'node:fs';
import { startTimer } from '../../system/clock.ts';
import { Rounds } from '../../system/loops.ts';
import { StorageFull, StorageUnavailable } from '../../domain/errors.ts';
import { type Duration, seconds } from '../../domain/time.ts';
import type { Log } from '../../system/log.ts';
import { Ballast } from './ballast.ts';

const MIB = 1_024 * 1_024;
/**
 * Size of the ballast: 64 MiB, or an eighth of a small disk. It must hold the log between two
 * checkpoints (4 MiB and the largest group of commits), the pages it adds to the ledger, and an
 * output for every run that is at work. Source: the reliability page (promise P17).
 */
const BALLAST_BYTES_MAX = 64 * MIB;
/**
 * The ballast is given up in so many parts, since what fills the disk may take what is freed as
 * soon as we do.
 */
const PARTS = 8;
/**
 * Below twice the ballast nothing new is taken in. That is more than a second of submits, the time
 * between two looks, usually writes.
 */
const LOW_WATER_BALLASTS = 2;
/**
 * While this much is free there is no ballast: a disk that is far from full needs none, and a
 * laptop or a test machine keeps its room.
 */
const NO_BALLAST_ABOVE = 8 * 1_024 * MIB;
/** Pause between two looks. */
const PAUSE: Duration = seconds(1);

/**
 * A look for every so many bytes of new work that flow to the disk: an eighth of the water mark,
 * since several may flow at once.
 */
const LOOK_EVERY_BYTES = (LOW_WATER_BALLASTS * BALLAST_BYTES_MAX) / 8;

/** How much room there is; see the head of this file. */
export type RoomState = 'ample' | 'low' | 'spent';

/** What was seen of a disk. */
export interface DiskSeen {
  readonly totalBytes: number;
  /** What this user may still write. */
  readonly freeBytes: number;
}

/** Size of the ballast for a disk. */
export const ballastFor = ({ totalBytes }: DiskSeen): number => Math.min(BALLAST_BYTES_MAX, Math.floor(totalBytes / 8));

/**
 * How much room there is, from what was seen and what the ballast holds. A ballast that is missing
 * is room that is spoken for.
 */
export function roomState(seen: DiskSeen, heldBytes: number, isSpent: boolean): RoomState {
  const ballast = ballastFor(seen);
  if (seen.freeBytes - (ballast - heldBytes) >= LOW_WATER_BALLASTS * ballast) return 'ample';
  return isSpent ? 'spent' : 'low';
}

/** Watches the disk of a folder. */
export class DiskRoom {
  readonly #folder: string;
  readonly #ballast: Ballast;
  readonly #log: Log;
  #state: RoomState = 'ample';
  readonly #rounds = new Rounds(() => this.look(), PAUSE);
  #looking: Promise<void> | null = null;

  constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#ballast = new Ballast(folder);
    this.#log = log;
  }

  /** Looks, and goes on looking. */
  async start(): Promise<void> {
    await this.look();
    this.#rounds.start(PAUSE);
  }

  async close(): Promise<void> {
    await this.#rounds.stop();
    await this.#looking;
  }

  get state(): RoomState {
    return this.#state;
  }

  /**
   * Refuses what would bring new work.
   *
   * @throws StorageFull when there is too little room to promise that it is kept
   */
  assertRoom(): void {
    if (this.#state !== 'ample')
      throw new StorageFull('The server has too little disk left to promise that a run is kept; nothing was stored.');
  }

  /**
   * Passes bytes of new work on as they come. A disk can be filled between two looks, so there is
   * one more for every so many of them.
   *
   * @throws StorageFull as `assertRoom` does, in the middle of them
   */
  async *whileRoom(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    let unseen = 0;
    for await (const chunk of chunks) {
      this.assertRoom();
      yield chunk;
      unseen += chunk.length;
      if (unseen < LOOK_EVERY_BYTES) continue;
      await this.look();
      unseen = 0;
    }
  }

  /**
   * A write found no room. An urgent one is worth a part of the ballast; any other is a reason to
   * look at once.
   */
  full(urgent: boolean): void {
    if (urgent) this.#spend();
    else void this.look();
  }

  /**
   * Does what must not fail for want of room, nor because a store is away: gives parts of the
   * ballast up for room, and tries again after every look, until it is done or called off. Where
   * nobody knows whether it was done it is done again, so it must be harmless twice.
   */
  async untilRoom<Result>(work: () => Promise<Result>, calledOff: AbortSignal): Promise<Result> {
    for (let tries = 1; ; tries += 1) {
      let isFull = false;
      try {
        return await work();
      } catch (error) {
        isFull = error instanceof StorageFull;
        const mayBeDone = isFull || error instanceof StorageUnavailable;
        if (!mayBeDone || calledOff.aborted || this.#rounds.stopped) throw error;
        if (!isFull && tries === 1)
          this.#log.warn({ err: error }, 'a store is away: what must be written waits for it');
      }
      if (!(isFull && this.#spend())) await this.#pause(calledOff);
    }
  }

  /** One look; several at once are one. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#log.error({ err: error, folder: this.#folder }, 'the disk cannot be looked at'))
      .finally(() => (this.#looking = null));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const seen = this.#see();
    const held = this.#ballast.held();
    this.#enter(roomState(seen, held, this.#state === 'spent'), seen.freeBytes);
    const ballast = ballastFor(seen);
    if (this.#state === 'ample' && held < ballast && seen.freeBytes < NO_BALLAST_ABOVE)
      await this.#ballast.make(ballast);
  }

  /** Gives a part of the ballast up; answers whether that made any room. */
  #spend(): boolean {
    const freed = this.#ballast.giveUp(Math.ceil(ballastFor(this.#see()) / PARTS));
    this.#enter('spent', freed);
    return freed > 0;
  }

  #see(): DiskSeen {
    const { bsize, blocks, bavail } = statfsSync(this.#folder);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  }

  #enter(state: RoomState, freeBytes: number): void {
    if (state === this.#state) return;
    this.#state = state;
    const about = { folder: this.#folder, free_bytes: freeBytes };
    if (state === 'ample') this.#log.info(about, 'the disk has room again: runs are taken in');
    else if (state === 'low')
      this.#log.warn(about, 'the disk is nearly full: no new runs are taken in until there is room');
    else this.#log.error(about, 'the disk is full: no runs are taken in or started until there is room');
  }

  /** Until the next look, or until it is called off. */
  async #pause(calledOff: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stopTimer = startTimer(PAUSE, resolve);
    calledOff.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    stopTimer();
  }
}
