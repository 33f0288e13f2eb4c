// What keeps the servers of a data folder still while a command copies it: a request that goes on
// being renewed until it is ended.

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../system/clock.ts';
import { type Duration, seconds, toRfc3339 } from '../../domain/time.ts';
import { BEAT, LOOK_EVERY, placeRequest, readAnswer, readRequest, removeRequest, writeRequest } from './request.ts';

/** How long a server may take to answer: a look, and the writing of its log. */
const ANSWER_WITHIN = seconds(60);
/**
 * A request that was not renewed for so long is given to the next that asks. Its command may go on
 * later, and finds that it lost it.
 */
const GIVEN_AWAY_AFTER = seconds(5);

/** See the head of this file. */
export class Hold {
  readonly #data: string;
  readonly #id = randomUUID();
  #timer: NodeJS.Timeout | undefined;
  #beat = 1;

  private constructor(data: string) {
    this.#data = data;
  }

  /**
   * Asks the servers to keep still.
   *
   * @param givenAwayAfter GIVEN_AWAY_AFTER unless told
   * @throws Error when another backup is being made
   */
  static async of(data: string, givenAwayAfter: Duration = GIVEN_AWAY_AFTER): Promise<Hold> {
    const hold = new Hold(data);
    const request = { id: hold.#id, beat: 1 };
    if (!placeRequest(data, request)) {
      await assertStandsStill(data, givenAwayAfter);
      removeRequest(data);
      if (!placeRequest(data, request)) throw busy(data);
    }
    hold.#timer = setInterval(() => hold.#renew(), BEAT);
    return hold;
  }

  /**
   * Waits until the server of a ledger in a file keeps it as it is.
   *
   * @throws Error when it cannot, or nobody answers
   */
  async answered(): Promise<void> {
    const since = systemClock.now();
    for (const startedMs = performance.now(); performance.now() - startedMs < ANSWER_WITHIN;) {
      const answer = readAnswer(this.#data);
      if (answer?.id === this.#id) {
        if (answer.trouble === null) return;
        throw new Error(`The server cannot keep its ledger still: ${answer.trouble}`);
      }
      await pause(LOOK_EVERY);
    }
    throw new Error(
      `Another process has the ledger in ${this.#data}, and has not answered since ${toRfc3339(since)}: it is no server of this version. Stop it and try again.`,
    );
  }

  /**
   * To be asked when all is copied.
   *
   * @throws Error when the servers did not keep still for all of the time
   */
  assert(): void {
    if (this.#isHeld()) return;
    throw new Error(
      `This command stood still for so long that it was taken for dead, and payloads of ${this.#data} may have been deleted since: what was copied is no backup. Try again.`,
    );
  }

  end(): void {
    clearInterval(this.#timer);
    if (this.#isHeld()) removeRequest(this.#data);
  }

  #isHeld(): boolean {
    return readRequest(this.#data)?.id === this.#id;
  }

  /**
   * A request that was lost stays lost, even if something is written now. Without room for it the
   * next one may find some; a server waits for many.
   */
  #renew(): void {
    this.#beat += 1;
    try {
      if (this.#isHeld()) writeRequest(this.#data, { id: this.#id, beat: this.#beat });
    } catch {
      // Whether it was enough is asked at the end.
    }
  }
}

/** @throws Error when the request that is there is renewed, or another one takes its place */
async function assertStandsStill(data: string, givenAwayAfter: Duration): Promise<void> {
  const first = readRequest(data);
  for (const startedMs = performance.now(); performance.now() - startedMs < givenAwayAfter;) {
    await pause(Math.min(LOOK_EVERY, givenAwayAfter));
    const now = readRequest(data);
    if (now === null) return;
    if (first === null || now.id !== first.id || now.beat !== first.beat) throw busy(data);
  }
}

const busy = (data: string): Error =>
  new Error(`Another backup of ${data} is being made. Try again when it has ended.`);
