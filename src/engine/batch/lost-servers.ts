// A batch whose servers stop one after the other in the middle of it. Most often they stop for
// reasons of their own; but a table may be more than a server can hold, and would then take down
// every server that takes it up again, with everything else that runs there.

import type { RunError } from '../../domain/errors.ts';
import type { ClaimedRun, RunReader, RunRecord } from '../../stores/ledger/ledger.ts';
import { SUSPECT_AFTER } from './suspects.ts';

/**
 * After how many servers that were lost in a row, without any chunk being done meanwhile, a batch
 * is held to be the cause and fails. More than the three that a call has: a batch is at work for
 * hours, and one that is innocent is lost with every server that another takes down.
 */
export const LOST_SERVERS_MAX = 10;

/**
 * Chunks among which the one that was done last is looked for, newest first: more than are in
 * flight at once, unless somebody asks for that.
 */
const CHUNKS_LOOKED_AT = 200;

/**
 * How many servers a batch that has just been claimed has lost one after the other, without any
 * chunk of it being done meanwhile.
 */
export async function lostInARow(ledger: RunReader, { claim, countedAttempts }: ClaimedRun): Promise<number> {
  if (countedAttempts <= SUSPECT_AFTER) return 0;
  const attempts = (await ledger.details(claim.runId))?.attempts ?? [];
  const chunks = await ledger.runs({ parentId: claim.runId, limit: CHUNKS_LOOKED_AT });
  const lastDone = Math.max(...chunks.filter(isDone).map(({ finishedAt }) => finishedAt!));
  return attempts.filter(({ outcome, startedAt }) => outcome === 'lost' && startedAt > lastDone).length;
}

/** Why a batch is given up before its table is opened; null for one that goes on. */
export function whyGivenUp(lost: number): RunError | null {
  if (lost < LOST_SERVERS_MAX) return null;
  return {
    type: 'replica-crashed',
    detail: `Its server stopped in the middle ${lost} times in a row, and nothing of it was done meanwhile; the table may be more than a server can hold.`,
  };
}

/**
 * Whether a model has answered for a chunk. One that was lost with its servers says nothing against
 * the table.
 */
export const isDone = ({ status, error }: Pick<RunRecord, 'status' | 'error'>): boolean =>
  status === 'succeeded' || (status === 'failed' && error?.type !== 'replica-crashed');
