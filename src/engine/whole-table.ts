// A table that goes to its model whole, and not as a batch. It is not read through here; what can
// be seen of it is looked at all the same, since a model may take it for another one without a
// word.

import { ServiceError } from '../domain/errors.ts';
import type { Payload } from '../domain/payload.ts';
import { BEGINNING_BYTES, checkBeginning, unreadParameter } from '../table/csv/look.ts';
import { TableError, tableFormatOf } from '../table/format.ts';
import { columnsOrNull } from '../table/rename.ts';
import { checkFeatures } from './batch/columns.ts';
import { type BatchQuestion, inRequest } from './batch/plan.ts';
import type { Deployed } from './deployment.ts';
import type { Payloads } from './payloads.ts';

/**
 * Whether an input can only be looked at in one piece: any of its rows may have a column that is
 * required.
 */
export const needsAllRows = ({ spec }: Deployed, contentType: string): boolean =>
  spec.features.length > 0 && tableFormatOf(contentType) !== null;

/**
 * Checks an input that goes to its model whole. What is no table is left to the model, which says
 * so.
 *
 * @param bytes all of it where `needsAllRows`, else at least its beginning
 * @throws TableError for a CSV that does not look like one, ServiceError `invalid-request` for its
 *   columns
 */
function checkWhole({ spec, takes }: Deployed, contentType: string, bytes: Uint8Array): void {
  const format = tableFormatOf(contentType);
  if (takes !== 'rows' || format === null) return;
  if (format === 'csv') checkBeginning(bytes);
  const columns = spec.features.length === 0 ? null : columnsOrNull(bytes, format);
  if (columns !== null) checkFeatures(columns, spec.features);
}

/**
 * As `checkWhole`, of the input of a request.
 *
 * @throws ServiceError `malformed-body`, `invalid-request`
 */
export function checkSubmitted(question: BatchQuestion, bytes: Uint8Array): void {
  try {
    checkWhole(question.deployed, question.input.contentType, bytes);
  } catch (error) {
    throw inRequest(error, question);
  }
}

/** As `checkSubmitted`, of one that was stored while it came. */
export async function checkStored(question: BatchQuestion, payloads: Payloads, payload: Payload): Promise<void> {
  const { deployed, input } = question;
  if (deployed.takes === 'rows')
    checkSubmitted(question, await readFor(deployed, input.contentType, payloads, payload));
}

/** What was fetched is no table that the model could be given; the message says why. */
export class InputUnfit extends Error {
  override readonly name = 'InputUnfit';
}

/**
 * As `checkWhole`, of an input that was fetched: its bytes, or where they are stored.
 *
 * @throws InputUnfit
 */
export async function checkFetched(
  deployed: Deployed,
  payloads: Payloads,
  contentType: string,
  content: Uint8Array | Payload,
): Promise<void> {
  if (deployed.takes !== 'rows') return;
  const unread = tableFormatOf(contentType) === 'csv' ? unreadParameter(contentType) : null;
  if (unread !== null) throw new InputUnfit(`The Content-Type of the fetched input says ${unread}.`);
  const bytes = content instanceof Uint8Array ? content : await readFor(deployed, contentType, payloads, content);
  try {
    checkWhole(deployed, contentType, bytes);
  } catch (error) {
    if (!(error instanceof TableError || error instanceof ServiceError)) throw error;
    throw new InputUnfit(error.message, { cause: error });
  }
}

function readFor(deployed: Deployed, contentType: string, payloads: Payloads, payload: Payload): Promise<Uint8Array> {
  const beginning = { from: 0, to: Math.min(BEGINNING_BYTES, payload.bytes) };
  return needsAllRows(deployed, contentType) ? payloads.read(payload) : payloads.read(payload, beginning);
}
