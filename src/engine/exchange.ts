// What a run was given and what it answered, side by side, to be compared.

import type { RowRange } from '../domain/batch.ts';
import type { RunRecord } from '../stores/ledger/ledger.ts';
import { ChunkPlan } from './batch/chunk-plan.ts';
import { readStored, type Stored, type StoredDeps } from './stored.ts';

/** The input and the output of a run that has succeeded. */
export interface Exchange {
  readonly input: Stored;
  readonly output: Stored;
  /**
   * Rows of the input that were left out of the output, because they failed (`onRowError: 'drop'`).
   */
  readonly dropped: readonly RowRange[];
}

/**
 * Reads both; null once they are no longer kept.
 *
 * @throws ServiceError `payload-damaged` when the store does not have the bytes that were put there
 */
export async function readExchange(deps: StoredDeps, run: RunRecord): Promise<Exchange | null> {
  const [input, output] = await Promise.all([
    readStored(deps, run.runId, 'input'),
    readStored(deps, run.runId, 'output'),
  ]);
  return input === null || output === null ? null : { input, output, dropped: await droppedRows(deps, run) };
}

/**
 * What its chunks came to says which rows they were: the plan of a batch that is done has every row
 * settled.
 */
async function droppedRows({ ledger }: StoredDeps, { runId, batch }: RunRecord): Promise<readonly RowRange[]> {
  if (batch?.onRowError !== 'drop') return [];
  const plan = new ChunkPlan(batch.rows, batch.size, await ledger.chunks(runId));
  return plan.settledInOrder().flatMap((settled) => ('error' in settled ? [settled.rows] : []));
}
