// The engine as the rest of the server sees it: hand a run in, cancel it, purge, retry; `runs`
// reads them, `endpoints` says what is deployed. Transport is somebody else's business.

import { randomUUID } from 'node:crypto';
import { type BlobStore, inputKey } from '../stores/blobs/blobs.ts';
import { cautious, type Clock, newRunId } from '../system/clock.ts';
import { Rounds } from '../system/loops.ts';
import type { Principal, Viewer } from '../domain/access.ts';
import { ServiceError } from '../domain/errors.ts';
import type { DeliveryId } from '../domain/delivery.ts';
import type { RunId } from '../domain/ids.ts';
import { type Duration, seconds } from '../domain/time.ts';
import type { DeliveryRecord, Ledger } from '../stores/ledger/ledger.ts';
import type { Egress } from '../egress/egress.ts';
import type { Log } from '../system/log.ts';
import type { RunLogs } from '../stores/run-logs/run-logs.ts';
import type { Callbacks } from '../replicas/callbacks.ts';
import type { DiskRoom } from '../stores/disk/disk-room.ts';
import type { Tracing } from '../system/tracing.ts';
import { ArrowConverter } from './batch/arrow-converter.ts';
import { BatchInputs } from './batch/inputs.ts';
import { Suspects } from './batch/suspects.ts';
import { cancelAll, cancelRun, type CancelResult } from './cancel.ts';
import { Collector } from './collector.ts';
import type { FolderRights } from '../stores/disk/folder-rights.ts';
import { redeliver } from './deliveries.ts';
import type { Deployed } from './deployment.ts';
import { EndpointEngine, type SharedDeps } from './endpoint-engine.ts';
import { Endpoints } from './endpoints.ts';
import { accept, type Accepted, type Submission, type SubmittedInput } from './intake.ts';
import type { Launch } from '../replicas/runtimes/launch.ts';
import { Heartbeat } from './heartbeat.ts';
import { Leases } from './leases.ts';
import { observeWith, type RunObserver } from './observer.ts';
import { Payloads } from './payloads.ts';
import { countPurgeable, purge, type PurgeRequest } from './purge.ts';
import { retrySubmission } from './retry.ts';
import { RunEnds } from './run-ends.ts';
import { RunEvents } from './run-events.ts';
import { Runs } from './runs.ts';
import { Sweeper } from './sweeper.ts';
import { Watch } from './watch.ts';

/** What a refused client is told to wait while the server stops. */
const DRAINING_RETRY = seconds(5);

/**
 * Pause between two looks at versions whose runs may all have ended, or that nobody serves any
 * more.
 */
const TIDY_PAUSE = seconds(5);

/** What the engine works with. */
export interface EngineDeps {
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
  /** What may be deleted in the data folder. */
  readonly folder: FolderRights;
  /** The way out to addresses that callers name. */
  readonly egress: Egress;
  /** Longest input that is fetched, in bytes. */
  readonly inputBytesMax: number;
  /** Called when there may be a delivery to be carried out. */
  readonly onDelivery: () => void;
}

/** Runs everything between the transport and the stores. */
export class Engine {
  /** What is deployed here. */
  readonly endpoints: Endpoints;
  /** The runs, as they are read. */
  readonly runs: Runs;
  /** Whether the store of the runs is there. */
  readonly store: Heartbeat;
  readonly #deps: EngineDeps;
  readonly #shared: SharedDeps;
  readonly #sweeper: Sweeper;
  readonly #collector: Collector;
  readonly #tidying = new Rounds(() => this.endpoints.tidy(), TIDY_PAUSE);
  #draining = false;

  constructor(deps: EngineDeps) {
    this.#deps = deps;
    const { ledger, blobs, logs, callbacks, room, tracing, clock, log, egress, inputBytesMax, launch } = deps;
    const payloads = new Payloads(blobs);
    const arrow = new ArrowConverter();
    const owner = randomUUID();
    const events = new RunEvents(deps.onDelivery);
    const observer = observeWith(deps.observers);
    const ends = new RunEnds(events, observer);
    const leases = new Leases(ledger, log, clock);
    const onQueued = (endpoint: string): void => this.endpoints.wake(endpoint);
    const shared: SharedDeps = {
      owner,
      ledger,
      payloads,
      arrow,
      inputs: new BatchInputs(ledger, { payloads, arrow }),
      suspects: new Suspects(),
      events,
      ends,
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
    this.#shared = shared;
    this.endpoints = new Endpoints({
      ledger,
      clock,
      log,
      open: (deployed, onChange) =>
        new EndpointEngine(shared, deployed, (replicaId) => launch(deployed, replicaId), onChange),
    });
    for (const deployed of deps.endpoints) this.endpoints.add(deployed);
    this.runs = new Runs({ ...shared, endpoints: this.endpoints, isDraining: () => this.#draining });
    const onSwept = (): void => this.endpoints.atWork.forEach((version) => version.wake());
    this.#sweeper = new Sweeper({ ledger, leases, owner, ends, observer, log, onSwept });
    this.store = new Heartbeat({ ledger, clock, log });
    this.#collector = new Collector({ ledger, blobs, logs, clock: cautious(clock), log, folder: deps.folder });
  }

  /** Takes up what an earlier server left behind, and begins. */
  async start(): Promise<void> {
    await this.#sweeper.sweep();
    await this.endpoints.tidy();
    this.#sweeper.start();
    this.store.start();
    this.#tidying.start(TIDY_PAUSE);
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

  /**
   * Lets running work go on until `graceOver`, queues the rest again without counting the attempt,
   * and stops the replicas.
   */
  async stop(graceOver: AbortSignal): Promise<void> {
    this.drain();
    await Promise.all([
      this.#sweeper.stop(),
      this.store.stop(),
      this.#collector.stop(),
      this.#tidying.stop(),
      this.endpoints.stop(),
    ]);
    const { atWork } = this.endpoints;
    const handBack = (): void => this.#shared.leases.stopAll('draining');
    if (graceOver.aborted) handBack();
    graceOver.addEventListener('abort', handBack, { once: true });
    await Promise.all(atWork.map((version) => version.stopDispatching()));
    graceOver.removeEventListener('abort', handBack);
    this.#shared.leases.close();
    await Promise.all(atWork.map(({ supervisor }) => supervisor.close()));
  }

  /**
   * Stores an input that is too large to be held, while it comes, to be submitted next. Where it
   * is not submitted, the caller discards it.
   *
   * @throws PayloadTooLong once there are more than `bytesMax`, StorageFull, ServiceError
   *   `draining`, and what the chunks throw
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
    this.endpoints.resolve(name, submission.principal);
    const versions = this.endpoints.versionsOf(name)!;
    const endpoint = versions.of(submission.deployed.version) ?? versions.active;
    const retryAfter = (): Duration => endpoint.drainRates.topLevel.retryAfter(this.#deps.clock.steady());
    const { egress } = this.#deps;
    const assertOpen = (): void => this.#assertOpen();
    const accepted = await accept({ ledger, payloads, arrow, egress, assertOpen, retryAfter }, submission);
    if (accepted.kind === 'new') {
      endpoint.queued(accepted.run.kind);
      this.#shared.observer.queued(accepted.run);
    }
    return accepted;
  }

  /**
   * Has replicas of an endpoint ready without any work; answers at once, and does nothing where
   * they are there.
   *
   * @param replicas how many, `max` at most; null for as many as it keeps anyway, and at least one
   * @throws ServiceError `draining`
   */
  warm({ spec }: Deployed, replicas: number | null): void {
    this.assertNotDraining('starts no replicas');
    this.endpoints.versionsOf(spec.name)!.active.supervisor.warm(replicas ?? Math.max(1, spec.replicas.min));
  }

  /**
   * Hands the input of a run that has ended in again, as a new run; durable when this resolves.
   *
   * @throws ServiceError `run-not-found`, `run-not-ended`, `output-expired`, `invalid-request` for
   *   a chunk, and as `submit` does
   */
  async retry(
    runId: RunId,
    principal: Principal,
    asked: Pick<Submission, 'idempotencyKey' | 'trace'>,
  ): Promise<Accepted> {
    const run = await this.runs.record(runId, principal);
    const deployed = this.endpoints.resolve(run.endpoint, principal);
    const storeInput: Engine['storeInput'] = (...input) => this.storeInput(...input);
    return this.submit(await retrySubmission({ ...this.#shared, storeInput }, run, { deployed, principal, ...asked }));
  }

  /**
   * Has a delivery carried out once more, regardless of its outcome so far; answers it as it then
   * stands.
   *
   * @throws ServiceError `run-not-found`, `run-not-ended`, `delivery-not-found`
   */
  async redeliver(runId: RunId, viewer: Viewer, deliveryId: DeliveryId): Promise<DeliveryRecord> {
    const { ledger, onDelivery } = this.#deps;
    const delivery = await redeliver(ledger, await this.runs.record(runId, viewer), deliveryId);
    onDelivery();
    return delivery;
  }

  /**
   * Cancels the queued runs of an endpoint that somebody sees, and answers how many it has
   * cancelled. Runs that arrive meanwhile stay.
   */
  purge(request: PurgeRequest): Promise<number> {
    return purge(this.#shared, request);
  }

  /** How many runs a purge would cancel now. */
  countPurgeable(request: PurgeRequest): Promise<number> {
    return countPurgeable(this.#shared, request);
  }

  /**
   * Cancels a run and its chunks; see cancel.ts.
   *
   * @throws ServiceError `run-not-found`
   */
  async cancel(runId: RunId, viewer: Viewer): Promise<CancelResult> {
    return cancelRun(this.#shared, await this.runs.record(runId, viewer));
  }

  /**
   * Refuses what would take room that runs need.
   *
   * @throws StorageFull
   */
  assertRoom(): void {
    this.#shared.room.assertRoom();
  }

  /**
   * Refuses a request while the store of the runs is known to be away.
   *
   * @throws StoreAway
   */
  assertStore(): void {
    this.store.assertThere();
  }

  /**
   * Takes an endpoint away once nothing of it is open; its runs and their outputs stay. What is
   * submitted meanwhile finds no such endpoint.
   *
   * @param name of an endpoint that there is
   * @param force cancels what is open, whosever it is
   * @throws ServiceError `endpoint-in-use` where something is open
   */
  async remove(name: string, force: boolean): Promise<void> {
    await this.endpoints.remove(name, async () => (force ? cancelAll(this.#shared, name) : undefined));
  }

  #assertOpen(): void {
    this.assertNotDraining('takes no new work; nothing was stored');
    this.assertRoom();
  }
}

function draining(refusal: string): ServiceError {
  return new ServiceError(
    'draining',
    `The server is stopping and ${refusal}. Try again after the time in Retry-After.`,
    {
      headers: { 'retry-after': String(DRAINING_RETRY / 1_000) },
    },
  );
}
