// Everything that one endpoint has at work: its replicas, and the two lanes that feed them.

import type { Clock } from '../system/clock.ts';
import type { RunKind } from '../domain/run.ts';
import type { Duration } from '../domain/time.ts';
import type { Ledger } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { RunLogs } from '../stores/run-logs/run-logs.ts';
import type { Callbacks } from '../replicas/callbacks.ts';
import type { Launch } from '../replicas/runtimes/launch.ts';
import { type ReservedSlot, Supervisor } from '../replicas/supervisor.ts';
import type { DiskRoom } from '../stores/disk/disk-room.ts';
import type { Tracing } from '../system/tracing.ts';
import type { ArrowConverter } from './batch/arrow-converter.ts';
import type { BatchInputs } from './batch/inputs.ts';
import { batchLane } from './batch/lane.ts';
import type { Suspects } from './batch/suspects.ts';
import type { Deployed } from './deployment.ts';
import { Dispatcher, type DispatcherDeps, type LaneSlot } from './dispatcher.ts';
import { DrainRates } from './drain-rate.ts';
import type { Leases } from './leases.ts';
import type { RunObserver } from './observer.ts';
import type { FetchDeps } from './located-input.ts';
import type { Payloads } from './payloads.ts';
import { type ReplicaLane, replicaLane } from './replica-lane.ts';
import type { RunEnds } from './run-ends.ts';
import type { RunEvents } from './run-events.ts';
import type { Watch } from './watch.ts';

/** What every endpoint of a server shares. */
export interface SharedDeps extends FetchDeps {
  readonly owner: string;
  readonly ledger: Ledger;
  readonly payloads: Payloads;
  readonly arrow: ArrowConverter;
  readonly inputs: BatchInputs;
  readonly suspects: Suspects;
  readonly events: RunEvents;
  readonly ends: RunEnds;
  readonly watch: Watch;
  readonly leases: Leases;
  readonly room: DiskRoom;
  readonly logs: RunLogs;
  readonly callbacks: Callbacks;
  readonly observer: RunObserver;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly log: Log;
}

/** One endpoint at work. */
export class EndpointEngine {
  readonly deployed: Deployed;
  readonly supervisor: Supervisor;
  readonly drainRates = new DrainRates();
  readonly #replicaLane: ReplicaLane;
  readonly #calls: Dispatcher<ReservedSlot>;
  readonly #batches: Dispatcher<LaneSlot>;

  constructor(
    shared: SharedDeps,
    deployed: Deployed,
    launch: (replicaId: string) => Promise<Launch>,
    onReplicas: () => void,
  ) {
    const { clock, observer } = shared;
    const { name } = deployed.spec;
    this.deployed = deployed;
    const onChange = (): void => {
      this.#calls.wake();
      onReplicas();
    };
    const onStart = (startedIn: Duration | null): void =>
      startedIn === null ? observer.replicaFailed(name) : observer.replicaReady(name, startedIn);
    this.supervisor = new Supervisor({ policy: deployed.spec.replicas, launch, clock, onChange, onStart });
    const deps: DispatcherDeps = { endpoint: name, version: deployed.version, ...shared };
    const onQueued = (): void => this.#calls.wake();
    // Not waited for when the server stops: the next one finds the run in the ledger.
    const onRetry = (delay: Duration): void => void setTimeout(() => this.#wakeCalls(), delay).unref();
    const { supervisor, drainRates } = this;
    this.#replicaLane = replicaLane({ ...shared, deployed, supervisor, drainRates, onRetry, onFree: onQueued });
    this.#calls = new Dispatcher(deps, this.#replicaLane);
    const onFree = (): void => this.#batches.wake();
    this.#batches = new Dispatcher(deps, batchLane({ ...shared, deployed, drainRates, onQueued, onFree }));
  }

  /**
   * Something may have become possible for either lane: the ledger was swept, or a retry is due.
   */
  wake(): void {
    this.#wakeCalls();
    this.#batches.wake();
  }

  /** A run was queued. */
  queued(kind: RunKind): void {
    if (kind === 'batch') this.#batches.wake();
    else this.#calls.wake();
  }

  /**
   * Claims nothing more, and resolves when nothing is being executed. Batches are handed back: what
   * their chunks did is kept.
   */
  async stopDispatching(): Promise<void> {
    await Promise.all([this.#batches.stop('hand-back'), this.#calls.stop('await')]);
  }

  /**
   * Calls or chunks may have become due that nobody here has queued, such as one that has lost its
   * worker.
   */
  #wakeCalls(): void {
    this.#replicaLane.lookForSoloRuns();
    this.#calls.wake();
  }
}
