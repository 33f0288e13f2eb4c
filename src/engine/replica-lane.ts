// Executes calls and chunks on replicas.
//
// A run that has lost its worker runs alone from then on, so that the blame falls on no other when
// its worker is lost again. Where a replica takes several runs at once, the lane must make room for
// that, and does so only while such a solo run waits: it reserves the whole of an idle replica, and
// where none is idle it spares one until it is. What the ledger then hands out for the whole
// replica decides: a solo run keeps all of it until the replica has stopped working on it, any
// other run shares it again at once.
//
// The ledger is not asked for solo runs before every claim, but only after something that can have
// made one: a retry of this server that is due, and the sweep, which comes every second and so
// hears of what it took back itself, of another server's, and of an earlier one's. As long as there
// are any, the lane goes on asking. A solo run waits one sweep longer at the most than it would
// otherwise.

import type { Duration } from '../domain/time.ts';
import type { ClaimedRun } from '../stores/ledger/ledger.ts';
import type { RunLogs } from '../stores/run-logs/run-logs.ts';
import type { Callbacks } from '../replicas/callbacks.ts';
import type { ReservedSlot, Supervisor } from '../replicas/supervisor.ts';
import { attempt, type AttemptDeps, type Worked } from './attempt.ts';
import type { Lane } from './dispatcher.ts';
import { handedBack } from './finish.ts';
import type { HeldClaim } from './leases.ts';
import { ReplicaAttempt, type ReplicaAttemptDeps } from './replica-attempt.ts';
import { openReports } from './reports.ts';

/**
 * Slots reserved at a time: enough to fill a replica fleet, few enough that a claim stays a short
 * transaction.
 */
const RESERVE_MAX = 64;

/** What the lane works with. */
export interface ReplicaLaneDeps extends AttemptDeps, ReplicaAttemptDeps {
  readonly supervisor: Supervisor;
  readonly logs: RunLogs;
  readonly callbacks: Callbacks;
  /** Called with the delay after which a run is due again. */
  readonly onRetry: (delay: Duration) => void;
  /**
   * Called when another run may start and the supervisor does not know of it: a slot was given back
   * unused, or an outcome was written that counts towards the endpoint's limit.
   */
  readonly onFree: () => void;
}

/** A lane that gives a run a replica of its own where it must. */
export interface ReplicaLane extends Lane<ReservedSlot> {
  /** Runs that must run alone may wait: the ledger is asked with the next reservation. */
  lookForSoloRuns(): void;
}

/** The lane for calls and chunks of one endpoint. */
export function replicaLane(deps: ReplicaLaneDeps): ReplicaLane {
  const { deployed, supervisor, ledger } = deps;
  const { concurrency } = deployed.spec.replicas;
  let checksForSoloRuns = false;
  /**
   * Whether what waits is counted with the next reservation also where no replica can be added:
   * fewer may be needed.
   */
  let countsAnyway = true;

  return {
    name: 'replica',
    async reserve() {
      const soloRunWaits = await countBacklog();
      if (concurrency === 1) return { slots: supervisor.reserve(RESERVE_MAX), alone: true };
      const whole = soloRunWaits ? supervisor.reserveWhole() : null;
      if (whole === null) return { slots: supervisor.reserve(RESERVE_MAX, soloRunWaits), alone: false };
      // Enough until something new is heard: where another run is more urgent, or the solo run not
      // due yet, the others go on meanwhile.
      checksForSoloRuns = false;
      return { slots: [whole], alone: true };
    },
    execute(claimed, slot, held) {
      // There may be more of them.
      if (claimed.alone) lookForSoloRuns();
      else slot.share();
      return execute(deps, claimed, slot, held);
    },
    lookForSoloRuns,
  };

  function lookForSoloRuns(): void {
    checksForSoloRuns = concurrency > 1;
    countsAnyway = true;
  }

  /**
   * Starts replicas for what waits, and tells whether some of it must run alone; asks the ledger
   * only where the answer matters.
   */
  async function countBacklog(): Promise<boolean> {
    if (!supervisor.canGrow && !checksForSoloRuns && !countsAnyway) return false;
    const checked = checksForSoloRuns;
    checksForSoloRuns = false;
    countsAnyway = false;
    const { waiting, alone } = await ledger.backlog(deployed.spec.name, deployed.version);
    // A run that runs alone fills a replica.
    supervisor.demand(waiting + alone * (concurrency - 1));
    const soloRunWaits = checked && alone > 0;
    checksForSoloRuns ||= soloRunWaits;
    return soloRunWaits;
  }
}

async function execute(deps: ReplicaLaneDeps, claimed: ClaimedRun, slot: ReservedSlot, held: HeldClaim): Promise<void> {
  const { result, recorded } = await attempt(deps, claimed, held, async (traced): Promise<Worked> => {
    const reports = openReports(deps, claimed.claim);
    const onReplica = new ReplicaAttempt(deps, { claimed, slot, held, reports, traced });
    const worked = await onReplica
      .result()
      .catch((error: unknown) => handedBack(error, claimed, deps.log))
      .finally(() => reports.close());
    return { result: worked, progress: reports.lastProgress() };
  });
  // The replica was free before, but to the ledger this run still counted.
  if (deps.deployed.spec.concurrencyLimit !== null) deps.onFree();
  if (recorded === 'recorded' && 'delay' in result && result.delay !== undefined) deps.onRetry(result.delay);
}
