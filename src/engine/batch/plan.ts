// Whether an input runs as a batch, and how: the table is read through once, so that a broken one
// is refused now and not after a thousand rows.

import type { BatchOptions, BatchPlan } from '../../domain/batch.ts';
import { DEFAULT_BATCH_SIZE } from '../../domain/endpoint.ts';
import { ServiceError } from '../../domain/errors.ts';
import type { Payload } from '../../domain/payload.ts';
import { checkLook, LOOKED_AT_ROWS } from '../../table/csv/look.ts';
import { BORDER_TYPES, type BorderFormat, borderFormatOf, TableError } from '../../table/format.ts';
import { isJsonTable } from '../../table/json/json.ts';
import { isByLines } from '../../table/survey.ts';
import { type BatchTable, holdTable, openTable, type TableDeps } from './table.ts';
import { checkColumns } from './columns.ts';
import type { Deployed } from '../deployment.ts';

/** What of a submission says whether and how it runs as a batch. */
export interface BatchQuestion {
  readonly deployed: Deployed;
  readonly input: { readonly contentType: string };
  /**
   * Where the input stands in the request, for messages: `/input`, or the empty string for a raw
   * body.
   */
  readonly inputPointer: string;
  /** Content type wanted for the output, or null for the input's. */
  readonly accept: string | null;
  /** Whether a table runs as a batch, and how; `auto` leaves it to the endpoint. */
  readonly batch: 'auto' | 'off' | Partial<BatchOptions>;
}

/**
 * The format in which an input runs as a batch, if it is a table; null when it goes to the model
 * whole.
 *
 * @throws ServiceError `invalid-request` where a batch was asked for and the input is no table by
 *   its type
 */
export function batchFormat({
  deployed,
  input,
  batch,
  inputPointer,
}: Omit<BatchQuestion, 'accept'>): BorderFormat | null {
  if (batch === 'off') return null;
  const format = borderFormatOf(input.contentType);
  if (batch === 'auto') return deployed.spec.batchSize !== null || deployed.takes === 'rows' ? format : null;
  if (format === null) throw notATable(inputPointer);
  return format;
}

/** Whether bytes are a table of a format by their look: JSON may be anything else. */
export const looksLikeTable = (bytes: Uint8Array, format: BorderFormat): boolean =>
  format !== 'json' || isJsonTable(bytes);

/**
 * The plan of a table in hand; null for JSON that is no table, where nobody said that it is one.
 *
 * @throws ServiceError `malformed-body`, `invalid-request` for its columns, `not-acceptable`
 */
export async function planHeld(
  question: BatchQuestion,
  { arrow }: Pick<TableDeps, 'arrow'>,
  bytes: Uint8Array,
  format: BorderFormat,
): Promise<BatchPlan | null> {
  if (!looksLikeTable(bytes, format)) {
    if (question.batch === 'auto') return null;
    throw notATable(question.inputPointer);
  }
  try {
    if (format === 'arrow') return planOf(question, await arrow.look(bytes));
    return planOf(question, await withLook(await holdTable(bytes, format, arrow)));
  } catch (error) {
    throw inRequest(error, question);
  }
}

/** As `planHeld`, of a table that was stored while it came, and that need not be held. */
export async function planStored(
  question: BatchQuestion,
  deps: TableDeps,
  payload: Payload,
  format: BorderFormat,
): Promise<BatchPlan | null> {
  if (!isByLines(format)) return planHeld(question, deps, await deps.payloads.read(payload), format);
  try {
    return planOf(question, await withLook(await openTable(deps, payload, format)));
  } catch (error) {
    throw inRequest(error, question);
  }
}

/** A table that came, if it looks like what it says that it is. */
async function withLook(table: BatchTable): Promise<BatchTable> {
  if (table.format === 'csv')
    checkLook(await table.slice({ from: 0, to: Math.min(LOOKED_AT_ROWS, table.rows) }), table.columns ?? []);
  return table;
}

function planOf(
  { deployed: { spec }, accept: wanted, batch }: BatchQuestion,
  table: Pick<BatchTable, 'rows' | 'columns'>,
): BatchPlan {
  if (wanted !== null && borderFormatOf(wanted) === null) {
    throw new ServiceError(
      'not-acceptable',
      `A table can be answered as ${Object.values(BORDER_TYPES).join(', ')}, not as ${wanted}.`,
    );
  }
  checkColumns(table, spec.features);
  const asked = typeof batch === 'object' ? batch : {};
  return {
    rows: table.rows,
    size: asked.size ?? spec.batchSize ?? DEFAULT_BATCH_SIZE,
    maxInFlight: asked.maxInFlight ?? spec.maxInFlight,
    onRowError: asked.onRowError ?? spec.onRowError,
  };
}

/** What is wrong with a table, said of its place in the request. */
export function inRequest(error: unknown, { inputPointer }: Pick<BatchQuestion, 'inputPointer'>): unknown {
  if (!(error instanceof TableError)) return error;
  return new ServiceError('malformed-body', error.message, {
    errors: [{ pointer: `${inputPointer}${error.pointer}`, detail: error.message }],
    cause: error,
  });
}

function notATable(pointer: string): ServiceError {
  return new ServiceError(
    'invalid-request',
    'A batch needs a table for input: text/csv, application/jsonlines, application/vnd.apache.arrow.stream, a JSON array of objects, or {"instances": […]}.',
    { errors: [{ pointer, detail: 'is not a table' }] },
  );
}
