// Executes batches in the engine itself. They hold no replica; what bounds them is that each
// keeps some of its table, or all of a short one, in memory.

import { BlobDamaged } from '../../stores/blobs/blobs.ts';
import type { AttemptResult, ClaimedRun } from '../../stores/ledger/ledger.ts';
import type { Log } from '../../system/log.ts';
import { TableError } from '../../table/format.ts';
import { attempt, type AttemptDeps, type Worked } from '../attempt.ts';
import { type BatchEnd, type BatchDeps, runBatch } from './batch.ts';
import type { Lane, LaneSlot } from '../dispatcher.ts';
import { handedBack, isTroubleOfServer } from '../finish.ts';
import type { HeldClaim, Leases } from '../leases.ts';
import type { Suspects, Turn } from './suspects.ts';

/**
 * Batches at work for every run that the endpoint's replicas can take at once: with two, the next
 * is cut while the last one's end is awaited.
 */
const BATCHES_PER_SLOT = 2;

/** What the lane works with. */
export interface BatchLaneDeps extends AttemptDeps, Omit<BatchDeps, 'trace' | 'turn'> {
  readonly suspects: Suspects;
  readonly leases: Leases;
  /** Called when another batch can be taken. */
  readonly onFree: () => void;
}

/** The lane for batches of one endpoint. */
export function batchLane(deps: BatchLaneDeps): Lane<LaneSlot> {
  const { max, concurrency } = deps.deployed.spec.replicas;
  const limit = max * concurrency * BATCHES_PER_SLOT;
  let active = 0;

  const slot = (): LaneSlot => {
    active += 1;
    return { replica: null, coldStart: null, release: () => void (active -= 1) };
  };
  return {
    name: 'engine',
    reserve: async () => ({ slots: Array.from({ length: limit - active }, slot), alone: false }),
    async execute(claimed, taken, held) {
      const turn = deps.suspects.arrive();
      try {
        await execute(deps, claimed, held, turn);
      } finally {
        turn.over();
        taken.release();
        deps.onFree();
      }
    },
  };
}

async function execute(deps: BatchLaneDeps, claimed: ClaimedRun, held: HeldClaim, turn: Turn): Promise<void> {
  const { result, recorded } = await attempt(deps, claimed, held, async ({ text }): Promise<Worked> => {
    const end = await runBatch({ ...deps, trace: text, turn }, claimed, held).catch((error: unknown): BatchEnd => ({
      result: resultOfError(deps.log, claimed, error),
      plan: null,
    }));
    return { result: end.result, progress: end.plan?.progress ?? null };
  });
  // Its chunks ended with it: those that still work on one are told now, and not with the next
  // renewal.
  if (recorded === 'recorded' && result.kind === 'failed') deps.leases.check(claimed.claim.runId);
}

/**
 * What the table or the model did ends a batch, and so does a fault of ours that it would meet
 * again; what a store says does not.
 */
function resultOfError(log: Log, claimed: ClaimedRun, error: unknown): AttemptResult {
  if (isTroubleOfServer(error)) return handedBack(error, claimed, log);
  log.error({ err: error, run_id: claimed.claim.runId }, 'a batch could not be put together');
  return { kind: 'failed', error: whyItCannotGoOn(error) };
}

function whyItCannotGoOn(error: unknown) {
  if (error instanceof TableError)
    return { type: 'invalid-output', detail: `The chunks' outputs do not fit together: ${error.message}` } as const;
  if (error instanceof BlobDamaged)
    return { type: 'payload-damaged', detail: 'A payload of this run is damaged in the store.' } as const;
  return {
    type: 'internal',
    detail: 'The outputs of the chunks could not be put together; the server log has the cause.',
  } as const;
}
