// One running copy of a model: its process, its health until it is ready, and the invocations it is
// given.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'undici';
import { type Clock, startTimer } from '../system/clock.ts';
import type { ReplicaPolicy } from '../domain/endpoint.ts';
import { type Duration, elapsed, inSeconds, milliseconds, seconds } from '../domain/time.ts';
import {
  brokenAnswer,
  connectTo,
  CUT_SHORT,
  type Destination,
  exchange,
  type Invocation,
  messageOf,
  ping,
  type Refusal,
  type Reply,
  untilReady,
} from './contract.ts';
import { OwnFault } from './answer-body.ts';
import { type Peer, Stranger } from './peers/peer.ts';
import { PortPeer } from './peers/port.ts';
import { SocketPeer } from './peers/socket.ts';
import { afterLastWords, LAST_WORDS } from './last-words.ts';
import { type Ear, ReplicaOutput } from './replica-output.ts';
import type { Address, ProcessLaunch } from './runtimes/launch.ts';

/** Pause between questions whether a replica still works on what was stopped. */
const BUSY_PAUSE = milliseconds(20);
/**
 * How long a replica may go on with an invocation that was cancelled, or live on after SIGTERM,
 * before it is killed.
 */
const STOP_GRACE = seconds(5);

/** Why a replica did not become ready. */
export class StartFailed extends Error {
  override readonly name = 'StartFailed';
}

/** A replica that is ready. */
export interface Replica {
  readonly id: string;
  /** From its start to its first good ping. */
  readonly startDuration: Duration;
  /**
   * Whether it is a server that somebody else runs: then its state is found out by asking it again.
   */
  readonly isRemote: boolean;
  /**
   * Whether its last answer speaks against itself rather than its model: then it is none that has
   * finished an invocation.
   */
  readonly isSuspect: boolean;
  /** Resolves, once it takes nothing more, to how that came. */
  readonly exited: Promise<string>;
  /**
   * Whether it goes on with an invocation that was stopped: it gets no new ones, and is ended once
   * its others are done.
   */
  readonly retiring: boolean;
  /** Makes it a replica that is retiring; the supervisor that gives out its slots ends it. */
  retire(): void;
  /**
   * Hands an invocation to the model. Never rejects for anything that the model or its process did.
   */
  invoke(invocation: Invocation, signal: AbortSignal): Promise<Reply>;
  /** Ends it: it is given nothing more, and resolves once nothing of it is left here. */
  stop(): Promise<void>;
}

/** A replica with a process of ours. Made by `startReplica`. */
class ProcessReplica implements Replica {
  readonly isRemote = false;
  readonly isSuspect = false;
  readonly id: string;
  readonly startDuration: Duration;
  readonly exited: Promise<string>;
  readonly #process: Spawned;
  readonly #ended: Promise<Ending>;
  readonly #output: ReplicaOutput;
  readonly #connections: Pool;
  readonly #outputBytesMax: number;
  /** Invocations that nobody has stopped. */
  #active = 0;
  /** How many were lost together with the process. */
  #lostTogether = 0;
  #ranOutOfMemory = false;
  #retiring = false;
  #gone = false;

  constructor(id: string, started: Started, connections: Pool, startDuration: Duration, outputBytesMax: number) {
    this.id = id;
    this.startDuration = startDuration;
    this.#process = started.process;
    this.#output = started.output;
    this.#connections = connections;
    this.#outputBytesMax = outputBytesMax;
    this.exited = started.exited.then(({ how, ranOutOfMemory }) => {
      this.#gone = true;
      this.#ranOutOfMemory = ranOutOfMemory;
      started.output.ended(how);
      return `${how}${started.output.quote()}`;
    });
    this.#ended = started.exited;
  }

  get retiring(): boolean {
    return this.#retiring;
  }

  retire(): void {
    this.#retiring = true;
  }

  async invoke(invocation: Invocation, signal: AbortSignal): Promise<Reply> {
    const ear = this.#output.hear(invocation);
    const reply = await this.#invoke(invocation, signal, ear);
    // What was written before the answer has come by the same turn of the event loop at the latest.
    if (ear.isCertain) await turn();
    ear.stop();
    return reply;
  }

  async #invoke(invocation: Invocation, signal: AbortSignal, ear: Ear): Promise<Reply> {
    if (signal.aborted) return { kind: 'stopped' };
    this.#active += 1;
    let fault: OwnFault | null = null;
    try {
      const { reply, isOpenEnded } = await exchange(this.#connections, invocation, this.#outputBytesMax, signal);
      return isOpenEnded ? await this.#unlessCut(reply, ear) : reply;
    } catch (error) {
      if (error instanceof OwnFault) fault = error;
      else if (!signal.aborted) return await this.#lost(error, ear);
    } finally {
      this.#active -= 1;
    }
    await this.#stopWorking();
    return fault === null || signal.aborted
      ? { kind: 'stopped' }
      : { kind: 'own-fault', of: fault.of, cause: fault.cause };
  }

  /** Ends the process: SIGTERM to its whole group, SIGKILL after the grace. */
  async stop(): Promise<void> {
    await stopGroup(this.#process, this.exited);
    await this.#connections.destroy();
  }

  /**
   * The connection is closed, which tells the model. A replica that does not say within the grace
   * that it works on nothing but what was not stopped is ended: at once where it has no others, and
   * by the supervisor once those are done. For them nobody waits here: they may take
   * an hour, and what was stopped is over.
   */
  async #stopWorking(): Promise<void> {
    const graceOver = AbortSignal.timeout(STOP_GRACE);
    while (!this.#gone && !graceOver.aborted && !(this.#retiring && this.#active === 0)) {
      const busy = (await ping(this.#connections))?.busy ?? null;
      if (busy !== null && busy <= this.#active) return;
      await sleep(BUSY_PAUSE);
    }
    this.#retiring = true;
    if (this.#active === 0) await this.stop();
  }

  async #lost(error: unknown, ear: Ear): Promise<Reply> {
    // Memory that several have taken together is no one's fault yet: they are crashes, after which
    // each is tried alone.
    this.#lostTogether = Math.max(this.#lostTogether, this.#active);
    // Where another process answers, it has given up its port: it will answer nothing more.
    const state = await this.#stateWithin(error instanceof Stranger ? LAST_WORDS : STOP_GRACE);
    if (state === 'there') {
      const broken = brokenAnswer(error);
      if (broken !== null) return { kind: 'invalid-output', detail: broken };
    } else if (state !== 'silent') {
      const kind = this.#ranOutOfMemory && this.#lostTogether === 1 ? 'out-of-memory' : 'crashed';
      return { kind, detail: `The replica's process ended in the middle of the run: ${state.how}${ear.quote()}` };
    } else await this.stop();
    return {
      kind: 'crashed',
      detail: `The replica closed the connection in the middle of the run (${messageOf(error)}).`,
    };
  }

  /**
   * An output that ended with the connection; or how the process ended, which then may have ended
   * the output too.
   */
  async #unlessCut(reply: Reply, ear: Ear): Promise<Reply> {
    const state = await this.#stateWithin(STOP_GRACE);
    return state === 'there' || state === 'silent'
      ? reply
      : {
          kind: 'crashed',
          detail: `The replica's process ended with its answer: ${state.how} ${CUT_SHORT}${ear.quote()}`,
        };
  }

  /** How the process has ended, or whether it answers its pings. */
  async #stateWithin(grace: Duration): Promise<Ending | 'there' | 'silent'> {
    const settled = new AbortController();
    const giveUp = AbortSignal.any([settled.signal, AbortSignal.timeout(grace)]);
    const state = await Promise.race([this.#ended, this.#whetherThere(giveUp)]);
    settled.abort();
    return state;
  }

  /**
   * Whether it answers its pings after all: what broke then was one connection, or one of several
   * processes that the program has.
   */
  async #whetherThere(settled: AbortSignal): Promise<'there' | 'silent'> {
    while (!settled.aborted) {
      if ((await ping(this.#connections))?.status === 200) return 'there';
      await sleep(BUSY_PAUSE);
    }
    return 'silent';
  }
}

interface Ending {
  /** The end of a sentence. */
  readonly how: string;
  readonly ranOutOfMemory: boolean;
}

/** A process that is there, with its streams. */
type Spawned = ChildProcessWithoutNullStreams & { readonly pid: number };

interface Started {
  readonly process: Spawned;
  readonly exited: Promise<Ending>;
  readonly output: ReplicaOutput;
}

/** How a replica is started. */
export interface StartDeps {
  readonly policy: Pick<ReplicaPolicy, 'startTimeout' | 'outputBytes'>;
  readonly clock: Clock;
  /** Calls the start off. */
  readonly signal: AbortSignal;
  /** Called with every ping that is not answered with 200. */
  readonly onRefusal: (refusal: Refusal) => void;
}

/**
 * Starts a replica and waits until it answers a ping with 200.
 *
 * @throws StartFailed when its process ends first, cannot be started, or is not ready in time; the
 *   message has its last lines
 */
export async function startReplica(id: string, launch: ProcessLaunch, deps: StartDeps): Promise<Replica> {
  const { policy, clock, signal } = deps;
  const startedAt = clock.steady();
  const started = await startProcess(launch, clock);
  const ended = new AbortController();
  let isStrange = false;
  const peer = peerOf(id, launch, started, () => {
    isStrange = true;
    ended.abort();
  });
  const connections = connectTo(destinationOf(launch.address), peer);
  void started.exited.then(() => ended.abort());
  const stopTimer = startTimer(policy.startTimeout, () => ended.abort());
  let seen = '';
  const heard = (refusal: Refusal): void => {
    seen = refusal.words;
    deps.onRefusal(refusal);
  };
  const state = await Promise.race([
    started.exited,
    untilReady(connections, clock, AbortSignal.any([signal, ended.signal]), heard),
  ]);
  stopTimer();
  if (state === 'ready')
    return new ProcessReplica(id, started, connections, elapsed(startedAt, clock.steady()), policy.outputBytes);
  await stopGroup(started.process, started.exited);
  await connections.destroy();
  const late = isStrange ? `${seen}.` : `it was not ready within ${inSeconds(policy.startTimeout)} s (${seen}).`;
  const reason = state === 'late' ? late : state.how;
  started.output.ended(reason);
  throw new StartFailed(`${launch.argv.at(-1)}: ${reason}${started.output.quote()}`);
}

async function startProcess(launch: ProcessLaunch, clock: Clock): Promise<Started> {
  const { confinement, release } = launch;
  const clear = async (): Promise<void> => {
    await confinement?.end();
    release();
  };
  const child = await spawned(launch).catch(async (error: Error) => {
    await clear();
    throw new StartFailed(`${launch.argv.at(-1)}: it could not be started (${error.message}).`, { cause: error });
  });
  const output = new ReplicaOutput(child, launch, clock);
  // A program may close its standard input, and what can no longer be read was said by nobody: how
  // it ends is heard of all the same.
  for (const stream of child.stdio) stream?.on('error', () => {});
  const exited = new Promise<Ending>((resolve) => {
    // What the process started is ended with it: it would hold the output open, and perhaps a GPU.
    child.on('exit', () => {
      signalGroup(child.pid, 'SIGKILL');
      // A process that left the group keeps the output open: nobody waits for it.
      afterLastWords(() => child.stdio.slice(1).forEach((stream) => stream?.destroy()));
    });
    child.on('close', (code, signal) => {
      // The kernel's way to end what has no memory left is SIGKILL.
      const outOfMemory = signal === 'SIGKILL' ? (confinement?.outOfMemory() ?? null) : null;
      const how = signal === null ? `exit code ${code}.` : `killed by ${signal}.`;
      void clear().then(() => resolve({ how: outOfMemory ?? how, ranOutOfMemory: outOfMemory !== null }));
    });
  });
  return { process: child, exited, output };
}

/**
 * Spawns a process in a group and a session of its own. Rejects where it cannot be; then it has no
 * streams, and nothing is left of it.
 */
async function spawned({ argv, env, cwd, reports }: ProcessLaunch): Promise<Spawned> {
  const [command, ...rest] = argv;
  const stdio: 'pipe'[] = ['pipe', 'pipe', 'pipe', ...(reports === true ? (['pipe'] as const) : [])];
  // A group of its own, so that what the model starts can be stopped with it.
  const child = spawn(command, rest, { env, cwd, detached: true, stdio });
  await once(child, 'spawn');
  return child as Spawned;
}

const destinationOf = (address: Address): Destination =>
  'port' in address
    ? { origin: `http://127.0.0.1:${address.port}` }
    : { origin: 'http://replica', socketPath: address.socketPath };

function peerOf(
  replicaId: string,
  { address, confinement }: ProcessLaunch,
  { process: { pid }, process: child }: Started,
  onStranger: () => void,
): Peer {
  if (!('port' in address)) return new SocketPeer(address, onStranger);
  const isAlive = (): boolean => child.exitCode === null && child.signalCode === null;
  const processes = (): readonly number[] => confinement?.processes() ?? [];
  return new PortPeer({ replicaId, pid, port: address.port, isAlive, processes }, onStranger);
}

async function stopGroup({ pid }: Spawned, exited: Promise<unknown>): Promise<void> {
  signalGroup(pid, 'SIGTERM');
  const kill = setTimeout(() => signalGroup(pid, 'SIGKILL'), STOP_GRACE);
  await exited;
  clearTimeout(kill);
}

/** Signals a process and all that it started; a group that is already gone is what was wanted. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
