// What a batch without an output has done so far: the rows that are done, in the format of its
// output, and the others marked as failed rows are.

import type { RowRange } from '../../domain/batch.ts';
import { ServiceError } from '../../domain/errors.ts';
import type { RunRecord } from '../../stores/ledger/ledger.ts';
import { BORDER_TYPES, borderFormatOf, TableError } from '../../table/format.ts';
import type { Deployed } from '../deployment.ts';
import { ChunkPlan, type Settled } from './chunk-plan.ts';
import { type OutputDeps, outputOf } from './output.ts';
import { openTable } from './table.ts';

/** Said of rows that nobody has come to, where those of failed rows have why they failed. */
const NOT_DONE = 'not-done: The batch has not come to this row.';

/** A table as far as it is there. */
export interface PartialOutput {
  readonly contentType: string;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * What there is of a batch by now; null once its table is no longer kept.
 *
 * @param deployed the version that its rows were submitted to, where it is known still
 * @throws ServiceError `invalid-output` where its rows do not fit together
 */
export async function openPartialOutput(
  deps: Pick<OutputDeps, 'ledger' | 'payloads' | 'arrow' | 'signal'>,
  { runId, batch, accept }: RunRecord,
  deployed: Deployed | null,
): Promise<PartialOutput | null> {
  const input = await deps.ledger.payload(runId, 'input');
  const format = input === null ? null : borderFormatOf(input.contentType);
  if (batch === null || input === null || format === null) return null;
  const table = await openTable(deps, input, format);
  const plan = new ChunkPlan(batch.rows, batch.size, await deps.ledger.chunks(runId));
  const settled = withGaps(plan.settledInOrder(), batch.rows, batch.size);
  const output = outputOf(
    {
      ...deps,
      table,
      accept,
      row: deployed?.takes === 'rows' ? deployed.outputSchema : null,
      outputBytes: deployed?.spec.replicas.outputBytes ?? 0,
    },
    batch.onRowError === 'drop' ? settled.filter((range) => 'chunk' in range) : settled,
  );
  return { contentType: accept ?? BORDER_TYPES[table.given], content: await begun(output, runId) };
}

/**
 * The ranges in order, with those that have neither an answer nor a failure; never more rows in one
 * than in a chunk.
 */
function withGaps(settled: readonly Settled[], total: number, size: number): Settled[] {
  const all: Settled[] = [];
  const gap = (range: RowRange): void => {
    for (let { from } = range; from < range.to; from += size)
      all.push({ rows: { from, to: Math.min(range.to, from + size) }, error: NOT_DONE });
  };
  let next = 0;
  for (const range of settled) {
    gap({ from: next, to: range.rows.from });
    all.push(range);
    next = range.rows.to;
  }
  gap({ from: next, to: total });
  return all;
}

/**
 * The same bytes, once the first of them are there: what does not fit together shows before that,
 * and can be told.
 */
async function begun(
  bytes: AsyncGenerator<Uint8Array, void>,
  runId: RunRecord['runId'],
): Promise<AsyncIterable<Uint8Array>> {
  const first = await bytes.next().catch((cause: unknown) => {
    if (!(cause instanceof TableError)) throw cause;
    throw new ServiceError('invalid-output', `The rows that are done do not fit together: ${cause.message}`, {
      runId,
      cause,
    });
  });
  async function* all(): AsyncGenerator<Uint8Array, void> {
    if (first.done !== true) yield first.value;
    yield* bytes;
  }
  return all();
}
