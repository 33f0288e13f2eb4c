// The engine as the rest of the server sees it: hand a run in, wait for it, look at it, cancel it. Transport is somebody else's business.

import { randomUUID } from 'node:crypto';
import { BlobDamaged, type BlobStore } from '../blobs/blobs.ts';
import { type Clock, startTimer } from '../clock.ts';
import { ServiceError } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import type { PayloadFacts } from '../domain/payload.ts';
import { isEnded } from '../domain/run.ts';
import { type Duration, milliseconds, seconds } from '../domain/time.ts';
import type { AttemptRecord, Cancelled, EndpointDepth, Ledger, RunFilter, RunRecord } from '../ledger/ledger.ts';
import type { Log } from '../log.ts';
import type { ReplicaCounts } from '../replicas/supervisor.ts';
import { BatchInputs } from './batch-inputs.ts';
import type { Deployed } from './deployment.ts';
import { EndpointEngine, type SharedParts } from './endpoint-engine.ts';
import { accept, type Accepted, type Submission } from './intake.ts';
import type { Launch } from '../replicas/runtimes/launch.ts';
import { Leases } from './leases.ts';
import { Payloads } from './payloads.ts';
import { RunEvents } from './run-events.ts';
import { Sweeper } from './sweeper.ts';

/** What a refused client is told to wait while the server stops. */
const DRAINING_RETRY = seconds(5);

/** What the engine works with. */
export interface EngineParts {
  readonly ledger: Ledger;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly endpoints: readonly Deployed[];
  /** How to start a replica of an endpoint. */
  readonly launch: (deployed: Deployed, replicaId: string) => Promise<Launch>;
}

/** Why a run does not move; null when it does, or has ended. */
export type WaitingOn = 'capacity' | 'cold_start' | 'retry_delay' | 'children' | 'draining';

/** A run with what only the engine knows about it. */
export interface RunSight {
  readonly run: RunRecord;
  readonly attempts: readonly AttemptRecord[];
  /** Where it stands in the queue; null once it has started. */
  readonly queue: { readonly ahead: number; readonly estimatedStart: Duration | null } | null;
  readonly waitingOn: WaitingOn | null;
}

/** An endpoint with what is going on there. */
export interface EndpointSight {
  readonly deployed: Deployed;
  readonly replicas: ReplicaCounts;
  readonly depth: EndpointDepth;
  /** Runs that ended per second lately, or null before that is known. */
  readonly drainRate: number | null;
  /** Why no replica becomes ready, or null. */
  readonly trouble: string | null;
}

/** Runs everything between the transport and the stores. */
export class Engine {
  readonly #parts: EngineParts;
  readonly #shared: SharedParts;
  readonly #endpoints: ReadonlyMap<string, EndpointEngine>;
  readonly #sweeper: Sweeper;
  readonly #troubleListeners = new Set<() => void>();
  #draining = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    const { ledger, blobs, clock, log } = parts;
    const payloads = new Payloads(blobs);
    const owner = randomUUID();
    const events = new RunEvents();
    this.#shared = {
      owner,
      ledger,
      payloads,
      inputs: new BatchInputs(ledger, payloads),
      events,
      leases: new Leases(ledger, log),
      clock,
      log,
    };
    const troubled = (): void => this.#troubleListeners.forEach((listener) => listener());
    this.#endpoints = new Map(
      parts.endpoints.map((deployed) => [
        deployed.spec.name,
        new EndpointEngine(this.#shared, deployed, (replicaId) => parts.launch(deployed, replicaId), troubled),
      ]),
    );
    this.#sweeper = new Sweeper({ ledger, owner, events, log, onSwept: () => this.#wakeAll() });
  }

  /** Takes up what an earlier server left behind, and begins. */
  async start(): Promise<void> {
    await this.#sweeper.sweep();
    this.#sweeper.start();
  }

  /** Whether the server is stopping and takes no new work. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Refuses new work from now on. */
  drain(): void {
    this.#draining = true;
  }

  /** Lets running work go on until `graceOver`, queues the rest again without counting the attempt, and stops the replicas. */
  async stop(graceOver: AbortSignal): Promise<void> {
    this.drain();
    await this.#sweeper.stop();
    const handBack = (): void => this.#shared.leases.stopAll('draining');
    if (graceOver.aborted) handBack();
    graceOver.addEventListener('abort', handBack, { once: true });
    await Promise.all([...this.#endpoints.values()].map((endpoint) => endpoint.stopDispatching()));
    graceOver.removeEventListener('abort', handBack);
    this.#shared.leases.close();
    await Promise.all([...this.#endpoints.values()].map(({ supervisor }) => supervisor.close()));
  }

  /**
   * The endpoint of a name, or the default one.
   *
   * @throws ServiceError `endpoint-not-found`
   */
  endpoint(name: string | null): Deployed {
    const all = [...this.#endpoints.values()].map(({ deployed }) => deployed);
    const found =
      name === null
        ? (all.find(({ spec }) => spec.isDefault) ?? (all.length === 1 ? all[0] : undefined))
        : this.#endpoints.get(name)?.deployed;
    if (found !== undefined) return found;
    const names = all.map(({ spec }) => spec.name).join(', ');
    throw new ServiceError(
      'endpoint-not-found',
      name === null
        ? `No endpoint is marked as the default; name one of: ${names}.`
        : `There is no endpoint "${name}". Deployed are: ${names}.`,
    );
  }

  async endpoints(): Promise<EndpointSight[]> {
    const depths = new Map((await this.#parts.ledger.depths()).map((depth) => [depth.endpoint, depth]));
    return [...this.#endpoints.entries()].map(([name, { deployed, supervisor, drainRate }]) => ({
      deployed,
      replicas: supervisor.counts(),
      depth: depths.get(name)!,
      drainRate: drainRate.perSecond(this.#parts.clock.now()),
      trouble: supervisor.trouble(),
    }));
  }

  /**
   * Writes a run down; durable when this resolves.
   *
   * @throws ServiceError as `accept` of intake.ts says, and `draining`
   */
  async submit(submission: Submission): Promise<Accepted> {
    if (this.#draining) {
      throw new ServiceError(
        'draining',
        'The server is stopping and takes no new work; nothing was stored. Try again after the time in Retry-After.',
        {
          headers: { 'retry-after': String(DRAINING_RETRY / 1_000) },
        },
      );
    }
    const { ledger, payloads } = this.#shared;
    const endpoint = this.#endpoints.get(submission.deployed.spec.name)!;
    const retryAfter = (): Duration => endpoint.drainRate.retryAfter(this.#parts.clock.now());
    const accepted = await accept({ ledger, payloads, retryAfter }, submission);
    if (accepted.kind === 'new') endpoint.queued(accepted.run.kind);
    return accepted;
  }

  /** Why the replicas of an endpoint do not become ready, or null. */
  trouble(endpoint: string): string | null {
    return this.#endpoints.get(endpoint)?.supervisor.trouble() ?? null;
  }

  /** Resolves when the run has ended, the time is over, the signal aborts, or its endpoint turns out not to start; whatever is first. */
  async waitForEnd(runId: RunId, atMost: Duration, signal: AbortSignal): Promise<void> {
    const { promise: woken, resolve: wake } = Promise.withResolvers<void>();
    const stopListening = this.#shared.events.onEnd(runId, () => wake());
    try {
      const run = await this.#parts.ledger.run(runId);
      if (run === null || isEnded(run.status)) return;
      const troubled = (): void => (this.trouble(run.endpoint) === null ? undefined : wake());
      this.#troubleListeners.add(troubled);
      signal.addEventListener('abort', () => wake(), { once: true });
      const stopTimer = startTimer(atMost, wake);
      if (signal.aborted) wake();
      troubled();
      await woken;
      stopTimer();
      this.#troubleListeners.delete(troubled);
    } finally {
      stopListening();
    }
  }

  /**
   * A run and all there is to say about it.
   *
   * @throws ServiceError `run-not-found`
   */
  async run(runId: RunId): Promise<RunSight> {
    const { ledger } = this.#parts;
    const [run, attempts] = await Promise.all([ledger.run(runId), ledger.attempts(runId)]);
    if (run === null) throw runNotFound(runId);
    const ahead = run.status === 'queued' ? await ledger.ahead(runId) : null;
    return this.sightOf(run, attempts, ahead);
  }

  /** Adds what only the engine knows to a run that is at hand. */
  sightOf(run: RunRecord, attempts: readonly AttemptRecord[], ahead: number | null): RunSight {
    return {
      run,
      attempts,
      queue: ahead === null ? null : { ahead, estimatedStart: this.#estimatedStart(run, ahead) },
      waitingOn: this.#waitingOn(run),
    };
  }

  runs(filter: RunFilter): Promise<RunRecord[]> {
    return this.#parts.ledger.runs(filter);
  }

  /**
   * The output of a succeeded run, or null for any other.
   *
   * @throws ServiceError `internal` when the store does not have the bytes that were put there
   */
  async output(runId: RunId): Promise<(PayloadFacts & { readonly content: Uint8Array }) | null> {
    const payload = await this.#parts.ledger.payload(runId, 'output');
    if (payload === null) return null;
    const content = await this.#shared.payloads.read(payload).catch((cause: unknown) => {
      if (!(cause instanceof BlobDamaged)) throw cause;
      this.#parts.log.error({ err: cause, run_id: runId }, 'the output of a run is damaged in the store');
      throw new ServiceError('internal', 'The output of this run is damaged in the store.', { runId, cause });
    });
    return { ...payload, content };
  }

  /** Cancels a run and its chunks. The ledger decides at once; the replicas are told, and stopped when they do not listen. */
  async cancel(runId: RunId): Promise<Cancelled['result']> {
    const cancelled = await this.#parts.ledger.cancel(runId);
    if (cancelled.result !== 'cancelled') return cancelled.result;
    for (const claim of cancelled.stopped) this.#shared.leases.stop(claim, 'cancelled');
    const run = await this.#parts.ledger.run(runId);
    this.#shared.events.ended({ runId, parentId: run!.parentId, rows: run!.rows, status: 'cancelled', error: null });
    return 'cancelled';
  }

  #wakeAll(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.wake();
  }

  #waitingOn(run: RunRecord): WaitingOn | null {
    if (run.status === 'running') return run.kind === 'batch' ? 'children' : null;
    if (run.status !== 'queued') return null;
    if (this.#draining) return 'draining';
    if (run.dueAt > this.#parts.clock.now()) return 'retry_delay';
    return this.#endpoints.get(run.endpoint)?.supervisor.counts().current === 0 ? 'cold_start' : 'capacity';
  }

  #estimatedStart(run: RunRecord, ahead: number): Duration | null {
    const rate = this.#endpoints.get(run.endpoint)?.drainRate.perSecond(this.#parts.clock.now()) ?? null;
    return rate === null ? null : milliseconds(Math.round((ahead / rate) * 1_000));
  }
}

/** The answer to an id that names no run, or somebody else's. */
export function runNotFound(runId: string): ServiceError {
  return new ServiceError('run-not-found', `There is no run ${runId}, or it is no longer kept.`);
}
