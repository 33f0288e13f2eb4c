// What readers are shown of runs and endpoints: what the ledger has, with what only the engine
// knows.

import type { Clock } from '../system/clock.ts';
import { isEnded } from '../domain/run.ts';
import { between, type Duration, type Instant, milliseconds } from '../domain/time.ts';
import type { AttemptRecord, EndpointDepth, RunDetails, RunRecord } from '../stores/ledger/ledger.ts';
import type { ReplicaCounts, ReplicaHealth } from '../replicas/supervisor.ts';
import type { Deployed } from './deployment.ts';
import type { Rollout, Versions } from './versions.ts';

/** Why a run does not move; null when it does, or has ended. */
type WaitingOn = 'capacity' | 'cold_start' | 'retry_delay' | 'children' | 'draining';

/** A run with what only the engine knows about it. */
export interface RunView {
  readonly run: RunRecord;
  readonly attempts: readonly AttemptRecord[];
  /** Where it stands in the queue; null once it has started. */
  readonly queue: { readonly ahead: number; readonly estimatedStart: Duration | null } | null;
  readonly waitingOn: WaitingOn | null;
  /**
   * The output's bytes where they were read with the run; null where there is none, or it must be
   * asked for.
   */
  readonly output: Uint8Array | null;
}

/** An endpoint with what is going on there. */
export interface EndpointView {
  readonly deployed: Deployed;
  readonly replicas: ReplicaCounts;
  readonly depth: EndpointDepth;
  /** How long the run has waited that waits longest, or null where none waits. */
  readonly oldestAge: Duration | null;
  /** Calls and batches that ended per second lately, or null before that is known. */
  readonly drainRate: number | null;
  readonly health: ReplicaHealth;
  /**
   * The version that is tried now, or was tried last and failed; null where the last one succeeded.
   */
  readonly rollout: Rollout | null;
}

/** A run as it is shown; `versions` is its endpoint, where that is still deployed. */
export function runViewOf(
  { run, attempts, ahead, output }: RunDetails,
  versions: Versions | undefined,
  isDraining: boolean,
  clock: Clock,
): RunView {
  return {
    run,
    attempts,
    queue: ahead === null ? null : { ahead, estimatedStart: estimatedStart(run, ahead, versions, clock) },
    waitingOn: isDraining && run.status === 'queued' ? 'draining' : waitingOn(run, versions, clock.now()),
    output,
  };
}

/** An endpoint as it is shown. */
export function endpointViewOf(versions: Versions, depth: EndpointDepth, clock: Clock): EndpointView {
  const { deployed, supervisor, drainRates } = versions.active;
  const current = versions.all.reduce((sum, one) => sum + one.supervisor.counts().current, 0);
  const since = depth.oldestQueuedAt;
  return {
    deployed,
    replicas: { ...supervisor.counts(), current },
    depth,
    oldestAge: since === null ? null : milliseconds(Math.max(0, between(since, clock.now()))),
    drainRate: drainRates.topLevel.perSecond(clock.steady()),
    health: supervisor.health(),
    rollout: versions.rollout,
  };
}

function waitingOn(run: RunRecord, versions: Versions | undefined, now: Instant): WaitingOn | null {
  if (isEnded(run.status)) return null;
  if (run.status === 'running') return run.kind === 'batch' ? 'children' : null;
  if (run.dueAt > now) return 'retry_delay';
  const current = (versions?.of(run.version) ?? versions?.active)?.supervisor.counts().current;
  return current === 0 ? 'cold_start' : 'capacity';
}

/** When those ahead will have ended, at the rate at which their line has been moving. */
function estimatedStart(run: RunRecord, ahead: number, versions: Versions | undefined, clock: Clock): Duration | null {
  const rate = versions?.active.drainRates.laneOf(run.kind).perSecond(clock.steady()) ?? null;
  return rate === null ? null : milliseconds(Math.round((ahead / rate) * 1_000));
}
