// The engine as the rest of the server sees it: hand a run in, wait for it, look at it, cancel it. Transport is somebody else's business.

import { randomUUID } from 'node:crypto';
import { type BlobStore, inputKey } from '../blobs/blobs.ts';
import { type Clock, newRunId, startTimer } from '../clock.ts';
import { mayUse, type Principal, type Viewer } from '../domain/access.ts';
import { ServiceError } from '../domain/errors.ts';
import type { DeliveryId } from '../domain/delivery.ts';
import type { RunId } from '../domain/ids.ts';
import type { ByteRange } from '../domain/payload.ts';
import { isEnded } from '../domain/run.ts';
import { type Duration, seconds } from '../domain/time.ts';
import type { Cancelled, DeliveryRecord, Ledger, RunDetails, RunFilter, RunRecord } from '../ledger/ledger.ts';
import type { Egress } from '../egress/egress.ts';
import type { Log } from '../log.ts';
import type { RunLogs } from '../logs/run-logs.ts';
import type { Callbacks } from '../replicas/callbacks.ts';
import type { DiskRoom } from '../storage/disk-room.ts';
import type { Tracing } from '../tracing/tracing.ts';
import { ArrowConverter } from './batch/arrow-converter.ts';
import { BatchInputs } from './batch/inputs.ts';
import { Collector } from './collector.ts';
import { redeliver } from './deliveries.ts';
import type { Deployed } from './deployment.ts';
import { EndpointEngine, type SharedParts } from './endpoint-engine.ts';
import { type Exchange, readExchange } from './exchange.ts';
import { follow, type FollowOptions, type Told } from './following.ts';
import { type HistoryEvent, readHistory } from './history.ts';
import { accept, type Accepted, type Submission, type SubmittedInput } from './intake.ts';
import type { Launch } from '../replicas/runtimes/launch.ts';
import { Leases } from './leases.ts';
import { observeWith, type RunObserver } from './observer.ts';
import { followParts, type FollowPartsOptions, hasAllParts, type ToldPart } from './parts.ts';
import { Payloads } from './payloads.ts';
import { countPurgeable, purge, type PurgeRequest } from './purge.ts';
import { retrySubmission } from './retry.ts';
import { RunEvents } from './run-events.ts';
import { type OpenStored, openStored, readStored, type Stored } from './stored.ts';
import { Sweeper } from './sweeper.ts';
import { type EndpointSight, endpointSightOf, type RunSight, sightOf } from './sights.ts';
import { Versions } from './versions.ts';
import { Watch } from './watch.ts';

/** What a refused client is told to wait while the server stops. */
const DRAINING_RETRY = seconds(5);

/** Pause between two looks at versions whose runs may all have ended, or that nobody serves any more. */
const TIDY_PAUSE = seconds(5);

/** What the engine works with. */
export interface EngineParts {
  readonly ledger: Ledger;
  readonly blobs: BlobStore;
  readonly logs: RunLogs;
  /** Where replicas report; listening. */
  readonly callbacks: Callbacks;
  readonly room: DiskRoom;
  readonly clock: Clock;
  readonly log: Log;
  /** Who is told of what the engine does. */
  readonly observers: readonly RunObserver[];
  readonly tracing: Tracing;
  readonly endpoints: readonly Deployed[];
  /** How to start a replica of an endpoint. */
  readonly launch: (deployed: Deployed, replicaId: string) => Promise<Launch>;
  /** The way out to addresses that callers name. */
  readonly egress: Egress;
  /** Longest input that is fetched, in bytes. */
  readonly inputBytesMax: number;
  /** Called when there may be a delivery to be carried out. */
  readonly onDelivery: () => void;
}

/** Runs everything between the transport and the stores. */
export class Engine {
  readonly #parts: EngineParts;
  readonly #shared: SharedParts;
  readonly #endpoints = new Map<string, Versions>();
  /** Endpoints that are being taken away: they work on what they have, and take nothing more. */
  readonly #leaving = new Set<string>();
  readonly #sweeper: Sweeper;
  readonly #collector: Collector;
  readonly #troubleListeners = new Set<() => void>();
  #tidying: NodeJS.Timeout | undefined;
  #draining = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    const { ledger, blobs, logs, callbacks, room, tracing, clock, log, egress, inputBytesMax } = parts;
    const payloads = new Payloads(blobs);
    const arrow = new ArrowConverter();
    const owner = randomUUID();
    const events = new RunEvents(parts.onDelivery);
    const observer = observeWith(parts.observers);
    const leases = new Leases(ledger, log);
    const onQueued = (endpoint: string): void =>
      this.#endpoints.get(endpoint)?.all.forEach((version) => version.wake());
    this.#shared = {
      owner,
      ledger,
      payloads,
      arrow,
      inputs: new BatchInputs(ledger, { payloads, arrow }),
      events,
      watch: new Watch({ ledger, events, leases, log, onQueued }),
      leases,
      room,
      logs,
      callbacks,
      observer,
      tracing,
      clock,
      log,
      egress,
      inputBytesMax,
    };
    for (const deployed of parts.endpoints) this.#add(deployed);
    this.#sweeper = new Sweeper({ ledger, owner, events, observer, log, onSwept: () => this.#wakeAll() });
    this.#collector = new Collector({ ledger, blobs, logs, clock, log });
  }

  /** Takes up what an earlier server left behind, and begins. */
  async start(): Promise<void> {
    await this.#sweeper.sweep();
    await this.#tidyVersions();
    this.#sweeper.start();
    this.#tidying = setInterval(() => void this.#tidyVersions(), TIDY_PAUSE);
    this.#collector.start();
  }

  /** Whether the server is stopping and takes no new work. */
  get draining(): boolean {
    return this.#draining;
  }

  /**
   * Refuses what a server that is stopping does not begin any more; `refusal` says what that is.
   *
   * @throws ServiceError `draining`
   */
  assertNotDraining(refusal: string): void {
    if (this.#draining) throw draining(refusal);
  }

  /** Refuses new work from now on. */
  drain(): void {
    this.#draining = true;
  }

  /** Lets running work go on until `graceOver`, queues the rest again without counting the attempt, and stops the replicas. */
  async stop(graceOver: AbortSignal): Promise<void> {
    this.drain();
    clearInterval(this.#tidying);
    const endpoints = [...this.#endpoints.values()];
    await Promise.all([this.#sweeper.stop(), this.#collector.stop(), ...endpoints.map((versions) => versions.stop())]);
    const atWork = endpoints.flatMap(({ all }) => all);
    const handBack = (): void => this.#shared.leases.stopAll('draining');
    if (graceOver.aborted) handBack();
    graceOver.addEventListener('abort', handBack, { once: true });
    await Promise.all(atWork.map((version) => version.stopDispatching()));
    graceOver.removeEventListener('abort', handBack);
    this.#shared.leases.close();
    await Promise.all(atWork.map(({ supervisor }) => supervisor.close()));
  }

  /**
   * The endpoint of a name, or the default one of those that somebody may use.
   *
   * @throws ServiceError `endpoint-not-found`, which names those
   */
  endpoint(name: string | null, viewer: Viewer): Deployed {
    if (name !== null && mayUse(viewer, name)) {
      const named = this.find(name);
      if (named !== null) return named;
    }
    const all = this.deployed(viewer);
    const preset = all.find(({ spec }) => spec.isDefault) ?? (all.length === 1 ? all[0] : undefined);
    if (name === null && preset !== undefined) return preset;
    const names = all.map(({ spec }) => spec.name).join(', ') || 'none';
    throw new ServiceError(
      'endpoint-not-found',
      name === null
        ? `No endpoint is marked as the default; name one of: ${names}.`
        : `There is no endpoint "${name}". Deployed are: ${names}.`,
    );
  }

  /** The active version of an endpoint, or null where there is no such endpoint. */
  find(name: string): Deployed | null {
    return this.#leaving.has(name) ? null : (this.#endpoints.get(name)?.active.deployed ?? null);
  }

  /** The active version of every endpoint that somebody may use. */
  deployed(viewer: Viewer): readonly Deployed[] {
    return [...this.#endpoints.values()]
      .map(({ active }) => active.deployed)
      .filter(({ spec }) => !this.#leaving.has(spec.name) && mayUse(viewer, spec.name));
  }

  /** The name of the endpoint that is marked as the default, or null. */
  default(): string | null {
    const marked = [...this.#endpoints.values()].find(({ active }) => active.deployed.spec.isDefault);
    return marked?.active.deployed.spec.name ?? null;
  }

  /** The endpoints that somebody may use. What waits and works there is counted over all tenants: it is what a new run waits for. */
  async endpoints(viewer: Viewer): Promise<EndpointSight[]> {
    const depths = new Map((await this.#parts.ledger.depths()).map((depth) => [depth.endpoint, depth]));
    const visible = [...this.#endpoints.entries()].filter(([name]) => mayUse(viewer, name));
    return visible.map(([name, versions]) => endpointSightOf(versions, depths.get(name)!, this.#parts.clock.now()));
  }

  /**
   * Stores an input that is too large to be held, while it comes, to be submitted next. Where it is not, whoever has it discards it.
   *
   * @throws PayloadTooLong once there are more than `bytesMax`, StorageFull, ServiceError `draining`, and whatever the chunks throw
   */
  async storeInput(chunks: AsyncIterable<Uint8Array>, contentType: string, bytesMax: number): Promise<SubmittedInput> {
    this.#assertOpen();
    const { payloads, room } = this.#shared;
    const runId = newRunId();
    const stored = await payloads.storeStream(room.whileRoom(chunks), contentType, inputKey(runId), bytesMax);
    return { contentType, stored, runId };
  }

  /**
   * Writes a run down; durable when this resolves.
   *
   * @throws ServiceError as `accept` of intake.ts says, and `draining`
   */
  async submit(submission: Submission): Promise<Accepted> {
    const { ledger, payloads, arrow } = this.#shared;
    const { name } = submission.deployed.spec;
    this.endpoint(name, submission.principal);
    const versions = this.#endpoints.get(name)!;
    const endpoint = versions.of(submission.deployed.version) ?? versions.active;
    const retryAfter = (): Duration => endpoint.drainRates.topLevel.retryAfter(this.#parts.clock.now());
    const { egress } = this.#parts;
    const assertOpen = (): void => this.#assertOpen();
    const accepted = await accept({ ledger, payloads, arrow, egress, assertOpen, retryAfter }, submission);
    if (accepted.kind === 'new') {
      endpoint.queued(accepted.run.kind);
      this.#shared.observer.queued(accepted.run);
    }
    return accepted;
  }

  /**
   * Has replicas of an endpoint ready without any work; answers at once, and does nothing where they are there.
   *
   * @param replicas how many, `max` at most; null for as many as it keeps anyway, and at least one
   * @throws ServiceError `draining`
   */
  warm({ spec }: Deployed, replicas: number | null): void {
    this.assertNotDraining('starts no replicas');
    this.#endpoints.get(spec.name)!.active.supervisor.warm(replicas ?? Math.max(1, spec.replicas.min));
  }

  /** Why the replicas of an endpoint do not become ready, or null. */
  trouble(endpoint: string): string | null {
    return this.#endpoints.get(endpoint)?.active.supervisor.trouble() ?? null;
  }

  /**
   * The run once it has ended; or as it stands when the time is over, the signal aborts, or its endpoint turns out not to start.
   *
   * @throws ServiceError `run-not-found`
   */
  async waitForEnd(runId: RunId, viewer: Viewer, atMost: Duration, signal: AbortSignal): Promise<RunSight> {
    const { promise: woken, resolve: wake } = Promise.withResolvers<RunDetails | undefined>();
    const wakeEmpty = (): void => wake(undefined);
    const stopListening = this.#shared.watch.onEnd(runId, ({ details }) => wake(details));
    try {
      const found = await this.#details(runId, viewer);
      const { run } = found;
      if (isEnded(run.status)) return this.#sightOf(found);
      const troubled = (): void => (this.trouble(run.endpoint) === null ? undefined : wakeEmpty());
      this.#troubleListeners.add(troubled);
      signal.addEventListener('abort', wakeEmpty, { once: true });
      const stopTimer = startTimer(atMost, wakeEmpty);
      if (signal.aborted) wakeEmpty();
      troubled();
      const told = await woken;
      stopTimer();
      this.#troubleListeners.delete(troubled);
      // What was read with the end may be from just before it, where several connections read and write.
      const isTold = told !== undefined && isEnded(told.run.status);
      return this.#sightOf(isTold ? told : await this.#details(runId, viewer));
    } finally {
      stopListening();
    }
  }

  /**
   * A run and all there is to say about it.
   *
   * @throws ServiceError `run-not-found`
   */
  async run(runId: RunId, viewer: Viewer): Promise<RunSight> {
    return this.#sightOf(await this.#details(runId, viewer));
  }

  /** A run that has just been written down. */
  newRun(run: RunRecord, ahead: number): RunSight {
    return this.#sightOf({ run, attempts: [], ahead, output: null });
  }

  runs(filter: RunFilter & { readonly viewer: Viewer }): Promise<RunRecord[]> {
    return this.#parts.ledger.runs(filter);
  }

  /**
   * The output of a succeeded run; null for any other, and once its retention is over. By its record and not its id, which only
   * whoever sees the run has.
   *
   * @throws ServiceError `internal` when the store does not have the bytes that were put there
   */
  output({ runId }: RunRecord): Promise<Stored | null> {
    return readStored(this.#shared, runId, 'output');
  }

  /** As `output`, of all its bytes or a range of them, without holding what is large: a stream is read to its end, or destroyed. */
  openOutput(runId: RunId, range?: ByteRange): Promise<OpenStored | null> {
    return openStored(this.#shared, runId, 'output', range);
  }

  /**
   * The input and the output of a succeeded run; null once its retention is over. By its record, as `output` is.
   *
   * @throws ServiceError `internal` when the store does not have the bytes that were put there
   */
  exchange(run: RunRecord): Promise<Exchange | null> {
    return readExchange(this.#shared, run);
  }

  /**
   * What a run's model wrote while it worked on it, each line as the JSON text of a `LogLine`; null once its retention is over.
   * A batch has none itself: its chunks do.
   *
   * @throws ServiceError `run-not-found`
   */
  async logs(
    runId: RunId,
    viewer: Viewer,
  ): Promise<{ readonly run: RunRecord; readonly lines: readonly string[] | null }> {
    const run = await this.#visible(runId, viewer);
    const lines = run.payloadsKept ? await this.#parts.logs.read(runId, run.attempt) : null;
    return { run, lines };
  }

  /**
   * What has happened to a run, in order; only what came after the event of a number, where one is given.
   *
   * @throws ServiceError `run-not-found`
   */
  async history(runId: RunId, viewer: Viewer, after = 0): Promise<HistoryEvent[]> {
    const events = await readHistory(this.#parts.ledger, runId, viewer);
    if (events === null) throw runNotFound(runId);
    return events.filter(({ number }) => number > after);
  }

  /** What has happened to a run and what its model wrote, from a place on and as it comes; see following.ts. For whoever has been shown the run; nothing for an id that names none. */
  follow(runId: RunId, options: FollowOptions): AsyncGenerator<Told, void> {
    return follow(this.#shared, runId, options);
  }

  /** The parts of a batch, those of before first and then as they end; see parts.ts. For whoever has been shown the run. */
  followParts({ runId }: RunRecord, options: FollowPartsOptions): AsyncGenerator<ToldPart, void> {
    return followParts(this.#shared, runId, options);
  }

  /** Whether every part of a batch is still kept; one that ended first is let go of first. */
  hasAllParts(run: RunRecord): Promise<boolean> {
    return hasAllParts(this.#parts.ledger, run);
  }

  /**
   * Hands the input of a run that has ended in again, as a new run; durable when this resolves.
   *
   * @throws ServiceError `run-not-found`, `run-not-ended`, `output-expired`, `invalid-request` for a chunk, and as `submit` does
   */
  async retry(
    runId: RunId,
    principal: Principal,
    asked: Pick<Submission, 'idempotencyKey' | 'trace'>,
  ): Promise<Accepted> {
    const run = await this.#visible(runId, principal);
    const deployed = this.endpoint(run.endpoint, principal);
    const storeInput: Engine['storeInput'] = (...input) => this.storeInput(...input);
    return this.submit(await retrySubmission({ ...this.#shared, storeInput }, run, { deployed, principal, ...asked }));
  }

  /**
   * What was, or is to be, told of a run to whoever asked; empty as long as it has not ended.
   *
   * @throws ServiceError `run-not-found`
   */
  async deliveries(runId: RunId, viewer: Viewer): Promise<readonly DeliveryRecord[]> {
    await this.#visible(runId, viewer);
    return this.#parts.ledger.deliveries(runId);
  }

  /**
   * Has a delivery carried out once more, whatever became of it; answers it as it then stands.
   *
   * @throws ServiceError `run-not-found`, `run-not-ended`, `delivery-not-found`
   */
  async redeliver(runId: RunId, viewer: Viewer, deliveryId: DeliveryId): Promise<DeliveryRecord> {
    const { ledger, onDelivery } = this.#parts;
    const delivery = await redeliver(ledger, await this.#visible(runId, viewer), deliveryId);
    onDelivery();
    return delivery;
  }

  /** Cancels the queued runs of an endpoint that somebody sees, and answers how many it has cancelled. Runs that arrive meanwhile stay. */
  purge(request: PurgeRequest): Promise<number> {
    return purge(this.#shared, request);
  }

  /** How many runs a purge would cancel now. */
  countPurgeable(request: PurgeRequest): Promise<number> {
    return countPurgeable(this.#shared, request);
  }

  /**
   * Cancels a run and its chunks. The ledger decides at once; the replicas are told, and stopped when they do not listen.
   *
   * @throws ServiceError `run-not-found`
   */
  async cancel(runId: RunId, viewer: Viewer): Promise<Exclude<Cancelled['result'], 'unknown'>> {
    return this.#cancelRun(await this.#visible(runId, viewer));
  }

  async #cancelRun(run: RunRecord): Promise<Exclude<Cancelled['result'], 'unknown'>> {
    const { runId, parentId, rows } = run;
    const cancelled = await this.#parts.ledger.cancel(runId);
    if (cancelled.result === 'unknown') throw runNotFound(runId);
    if (cancelled.result !== 'cancelled') return cancelled.result;
    for (const claim of cancelled.stopped) this.#shared.leases.stop(claim, 'cancelled');
    const hasCallback = run.callback !== null;
    this.#shared.events.ended({ runId, parentId, rows, status: 'cancelled', error: null, hasCallback });
    this.#shared.observer.ended(run, 'cancelled', null);
    return 'cancelled';
  }

  #assertOpen(): void {
    this.assertNotDraining('takes no new work; nothing was stored');
    this.assertRoom();
  }

  /**
   * Refuses what would take room that runs need.
   *
   * @throws StorageFull
   */
  assertRoom(): void {
    this.#shared.room.assertRoom();
  }

  /** Takes an endpoint up that the ledger has just been told of; or, where there is one of that name, tries its new version out. */
  async deploy(deployed: Deployed): Promise<void> {
    const versions = this.#endpoints.get(deployed.spec.name);
    if (versions === undefined) this.#add(deployed);
    else await versions.tryOut(deployed);
  }

  /**
   * Takes an endpoint away once nothing of it is open; its runs and their outputs stay. What is submitted meanwhile finds no such endpoint.
   *
   * @param name of an endpoint that there is
   * @param force cancels what is open, whosever it is
   * @throws ServiceError `endpoint-in-use` where something is open
   */
  async remove(name: string, force: boolean): Promise<void> {
    const versions = this.#endpoints.get(name)!;
    this.#leaving.add(name);
    try {
      if (force) await this.#cancelAll(name);
      if ((await this.#parts.ledger.retire(name)) === 'in-use') throw inUse(name);
      this.#endpoints.delete(name);
    } finally {
      this.#leaving.delete(name);
    }
    await versions.close();
  }

  /** Cancels everything that is queued or running at an endpoint. */
  async #cancelAll(endpoint: string): Promise<void> {
    const { ledger } = this.#parts;
    await this.purge({ viewer: null, endpoint, olderThan: null, runName: null });
    for (;;) {
      const running = await ledger.runs({ endpoint, status: 'running', limit: 100 });
      if (running.length === 0) return;
      await Promise.all(running.map((run) => this.#cancelRun(run)));
    }
  }

  #add(deployed: Deployed): void {
    const { ledger, log, launch } = this.#parts;
    const open = (version: Deployed, onChange: () => void): EndpointEngine => {
      const engine: EndpointEngine = new EndpointEngine(
        this.#shared,
        version,
        (replicaId) => launch(version, replicaId),
        () => {
          if (engine.supervisor.trouble() !== null) this.#troubleListeners.forEach((listener) => listener());
          onChange();
        },
      );
      return engine;
    };
    this.#endpoints.set(deployed.spec.name, new Versions({ ledger, log, open }, deployed));
  }

  async #tidyVersions(): Promise<void> {
    await Promise.all([...this.#endpoints.values()].map((versions) => versions.tidy()));
  }

  async #details(runId: RunId, viewer: Viewer): Promise<RunDetails> {
    const details = await this.#parts.ledger.details(runId, viewer);
    if (details === null) throw runNotFound(runId);
    return details;
  }

  async #visible(runId: RunId, viewer: Viewer): Promise<RunRecord> {
    const run = await this.#parts.ledger.run(runId, viewer);
    if (run === null) throw runNotFound(runId);
    return run;
  }

  /** Adds what only the engine knows. */
  #sightOf(details: RunDetails): RunSight {
    return sightOf(details, this.#endpoints.get(details.run.endpoint), this.#draining, this.#parts.clock.now());
  }

  #wakeAll(): void {
    for (const { all } of this.#endpoints.values()) all.forEach((version) => version.wake());
  }
}

/** The answer to an id that names no run, or somebody else's. */
export function runNotFound(runId: string): ServiceError {
  return new ServiceError('run-not-found', `There is no run ${runId}, or it is no longer kept.`);
}

const inUse = (name: string): ServiceError =>
  new ServiceError(
    'endpoint-in-use',
    `Runs of ${name} are queued or running. Wait for them, cancel them, or say force=true, which cancels them all.`,
  );

function draining(refusal: string): ServiceError {
  return new ServiceError(
    'draining',
    `The server is stopping and ${refusal}. Try again after the time in Retry-After.`,
    {
      headers: { 'retry-after': String(DRAINING_RETRY / 1_000) },
    },
  );
}
