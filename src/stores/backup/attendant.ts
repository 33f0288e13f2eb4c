// What a server does for a backup of its data folder: it leaves the ledger's file as
// it is, and deletes no payload, until the command has ended or is seen no more.

import { Rounds } from '../../system/loops.ts';
import type { Duration } from '../../domain/time.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Log } from '../../system/log.ts';
import { isAsked, LAPSED_AFTER, LOOK_EVERY, readRequest, removeRequest, writeAnswer } from './request.ts';

/** What an attendant works with. */
export interface AttendantDeps {
  readonly data: string;
  readonly ledger: Pick<Ledger, 'holdFile'>;
  readonly log: Log;
  /** LAPSED_AFTER unless told. */
  readonly lapsedAfter?: Duration;
}

/** Looks for requests until it is closed. */
export class Attendant {
  readonly #deps: AttendantDeps;
  readonly #rounds = new Rounds(() => this.#look(), LOOK_EVERY);
  /**
   * The request that is attended to, and when its number went up last, by performance.now(): it
   * lapses by this process's time alone.
   */
  #request: { readonly id: string; readonly beat: number; readonly seenMs: number } | null = null;

  constructor(deps: AttendantDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#rounds.start();
  }

  /** Releases the ledger's file, which is about to be closed. */
  async close(): Promise<void> {
    await this.#rounds.stop();
    await this.#release();
  }

  /**
   * Whether nothing in the data folder may be deleted now: looked at anew, since what is deleted in
   * the meantime is missing in the backup.
   */
  isBusy(): boolean {
    return isAsked(this.#deps.data);
  }

  async #look(): Promise<void> {
    const { data, log, lapsedAfter = LAPSED_AFTER } = this.#deps;
    try {
      const request = readRequest(data);
      if (request === null) return await this.#release();
      const { id, beat } = request;
      if (this.#request?.id !== id) await this.#attend(id, beat);
      else if (this.#request.beat !== beat) this.#request = { id, beat, seenMs: performance.now() };
      else if (performance.now() - this.#request.seenMs > lapsedAfter) {
        log.warn({ backup: id }, 'a backup was cut off: what is not needed any more is deleted again');
        removeRequest(data);
        await this.#release();
      }
    } catch (error) {
      log.error({ err: error }, 'a backup cannot be attended to');
    }
  }

  async #attend(id: string, beat: number): Promise<void> {
    const { data, ledger, log } = this.#deps;
    await this.#release();
    this.#request = { id, beat, seenMs: performance.now() };
    log.info({ backup: id }, 'a backup is made: nothing is deleted meanwhile');
    if (ledger.holdFile === null) return;
    const trouble = await ledger.holdFile(true).then(
      () => null,
      (error: Error) => error.message,
    );
    writeAnswer(data, { id, trouble });
  }

  async #release(): Promise<void> {
    if (this.#request === null) return;
    this.#deps.log.info({ backup: this.#request.id }, 'the backup has ended');
    this.#request = null;
    await this.#deps.ledger.holdFile?.(false);
  }
}
