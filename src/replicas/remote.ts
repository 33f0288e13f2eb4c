// A model that somebody else runs: a server that answers GET /ping and POST /invocations, reached
// over the network and known by its answers alone.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'undici';
import { startTimer } from '../system/clock.ts';
import { type Duration, elapsed, inSeconds, milliseconds } from '../domain/time.ts';
import { OwnFault } from './answer-body.ts';
import {
  brokenAnswer,
  connectTo,
  CUT_SHORT,
  exchange,
  type Invocation,
  messageOf,
  ping,
  type Reply,
  untilReady,
} from './contract.ts';
import { type Replica, StartFailed, type StartDeps } from './replica.ts';

/**
 * Failures in a row after which nothing more is sent there: one may be an accident, and two an
 * unlucky restart.
 */
const FAILURES_MAX = 3;
/** Pause between pings to a server that has broken a connection. */
const PROBE_PAUSE = milliseconds(100);

/** A server that has answered a ping. Made by `startRemote`. */
class RemoteReplica implements Replica {
  readonly isRemote = true;
  /**
   * A closed connection is all that a server of somebody else can be told: nobody waits for it to
   * stop.
   */
  readonly retiring = false;
  readonly id: string;
  readonly startDuration: Duration;
  readonly exited: Promise<string>;
  readonly #url: string;
  readonly #connections: Pool;
  readonly #outputBytesMax: number;
  readonly #exit: (how: string) => void;
  #failures = 0;
  #gone = false;

  constructor(id: string, url: string, connections: Pool, startDuration: Duration, outputBytesMax: number) {
    this.id = id;
    this.startDuration = startDuration;
    this.#url = url;
    this.#connections = connections;
    this.#outputBytesMax = outputBytesMax;
    ({ promise: this.exited, resolve: this.#exit } = Promise.withResolvers<string>());
  }

  get isSuspect(): boolean {
    return this.#failures > 0;
  }

  async invoke(invocation: Invocation, signal: AbortSignal): Promise<Reply> {
    if (signal.aborted) return { kind: 'stopped' };
    try {
      const { status, isDeclaredFailure, isOpenEnded, reply } = await exchange(
        this.#connections,
        invocation,
        this.#outputBytesMax,
        signal,
      );
      if (status >= 500 && !isDeclaredFailure) this.#failed(`it answered with status ${status}`);
      else if (isOpenEnded && (await ping(this.#connections)) === null) return this.#cutShort();
      else this.#failures = 0;
      return reply;
    } catch (error) {
      if (signal.aborted) return { kind: 'stopped' };
      if (error instanceof OwnFault) return { kind: 'own-fault', of: error.of, cause: error.cause };
      const reason = messageOf(error);
      this.#failed(reason);
      const isThere = await this.#probe(reason);
      const broken = brokenAnswer(error);
      if (isThere && broken !== null) return { kind: 'invalid-output', detail: broken };
      return { kind: 'crashed', detail: `The connection to ${this.#url} broke in the middle of the run: ${reason}.` };
    }
  }

  /** An output that ended with the connection, from a server that is not there any more. */
  #cutShort(): Reply {
    const reason = 'it was gone when its answer had ended';
    this.#failed(reason);
    return { kind: 'crashed', detail: `${this.#url} failed in the middle of the run: ${reason}. ${CUT_SHORT}` };
  }

  /** Nobody here could replace it. */
  retire(): void {}

  async stop(): Promise<void> {
    this.#gone = true;
    this.#exit('it is not needed anymore.');
    await this.#connections.destroy();
  }

  /**
   * Asks a server that broke a connection whether it is still there, so that one run loses no more
   * than one attempt to a server that is gone.
   */
  async #probe(reason: string): Promise<boolean> {
    while (!this.#gone) {
      if ((await ping(this.#connections)) !== null) return true;
      this.#failed(reason);
      await sleep(PROBE_PAUSE);
    }
    return false;
  }

  #failed(reason: string): void {
    this.#failures += 1;
    if (this.#failures < FAILURES_MAX || this.#gone) return;
    this.#gone = true;
    this.#exit(`${this.#url} failed ${FAILURES_MAX} times in a row, at last because ${reason}.`);
    // What is still being answered there is waited for, and nothing more is sent.
    void this.#connections.close();
  }
}

/**
 * Connects to a server and waits until it answers a ping with 200, or until `signal` calls it off.
 *
 * @throws StartFailed when it does not in time; the message says what it answered last
 */
export async function startRemote(
  id: string,
  url: string,
  { policy: { startTimeout, outputBytes }, clock, signal, onRefusal }: StartDeps,
): Promise<Replica> {
  const startedAt = clock.steady();
  const connections = connectTo({ origin: url });
  // Held by its timer: a timeout that only a composed signal knows of may be collected before it
  // fires.
  const late = new AbortController();
  const stopTimer = startTimer(startTimeout, () => late.abort());
  let seen = '';
  const state = await untilReady(connections, clock, AbortSignal.any([signal, late.signal]), (refusal) => {
    seen = refusal.words;
    onRefusal(refusal);
  });
  stopTimer();
  if (state === 'ready')
    return new RemoteReplica(id, url, connections, elapsed(startedAt, clock.steady()), outputBytes);
  await connections.destroy();
  throw new StartFailed(`${url}: it was not ready within ${inSeconds(startTimeout)} s (${seen}).`);
}
