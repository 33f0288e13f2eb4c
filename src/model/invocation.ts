// One invocation inside a replica: bytes → rows or value → the model → bytes. Everything that goes
// wrong is an answer, so that one bad input never ends the replica.

import { isJson } from '../domain/payload.ts';
import { afterByteOrderMark, plainBytes, utf8 } from '../table/bytes.ts';
import { readHeader } from '../table/csv/header.ts';
import { CONTENT_TYPES, shownName, TableError, tableFormatOf, type TableFormat } from '../table/format.ts';
import { OPEN_BRACE } from '../table/json/scan.ts';
import { decodeRows, encodeRows } from '../table/rows.ts';
import { indexTable } from '../table/split.ts';
import { isTypedArray, lostAsJson } from '../table/value-text.ts';
import type { InvokeModel, Model, ModelContext, Row, RowModel } from './define-model.ts';
import { rowsWithDigits, valueWithDigits } from './kept-digits.ts';
import { takesRows } from './load-model.ts';
import { describeThrown } from './thrown.ts';
import { misfitSentence, type ModelChecks, type SchemaCheck } from './schema.ts';

/** What arrived, and what the model is handed beside it. */
export interface Invocation<Loaded, State> {
  readonly checks: ModelChecks;
  readonly body: Uint8Array;
  readonly contentType: string;
  /** Content type wanted for the output, or null for the input's. */
  readonly accept: string | null;
  readonly context: ModelContext<Loaded, State>;
}

/** What goes back. */
export type Answer =
  | { readonly kind: 'output'; readonly contentType: string; readonly bytes: Uint8Array }
  | { readonly kind: 'model-error' | 'invalid-output'; readonly detail: string };

/** A fault of the output and not of the model's work, found while it is encoded. */
class InvalidOutput extends Error {
  override readonly name = 'InvalidOutput';
}

/** Runs a model on one input. */
export async function answer<Loaded, State>(
  model: Model<Loaded, State>,
  invocation: Invocation<Loaded, State>,
): Promise<Answer> {
  try {
    return await (takesRows(model) ? answerRows(model, invocation) : answerAny(model, invocation));
  } catch (error) {
    const kind = error instanceof InvalidOutput ? 'invalid-output' : 'model-error';
    return { kind, detail: `${describeThrown(error)}${kind === 'model-error' ? typeHint(invocation) : ''}` };
  }
}

/** Longest input that is looked into for whether it is JSON, in bytes. */
const JSON_LOOKED_AT_MAX = 1_024 * 1_024;

/**
 * What may be wrong with a run that failed: its input is JSON by its looks, and did not come as
 * JSON.
 */
function typeHint({ body, contentType }: { readonly body: Uint8Array; readonly contentType: string }): string {
  if (isJson(contentType) || tableFormatOf(contentType) !== null || body.length > JSON_LOOKED_AT_MAX) return '';
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof value !== 'object' || value === null) return '';
  } catch {
    // It is no JSON, so that nothing speaks against its type.
    return '';
  }
  const type = contentType.split(';')[0]!.trim();
  return ` (The input looks like JSON but came as ${type}: send it with Content-Type: application/json.)`;
}

async function answerRows<Loaded, State>(
  model: RowModel<Loaded, State>,
  { checks, body, contentType, accept, context }: Invocation<Loaded, State>,
): Promise<Answer> {
  const format = tableFormatOf(contentType);
  if (format === null)
    throw new Error(`This model takes tables (CSV, JSON Lines, JSON records) and was sent ${contentType}.`);
  const single = format === 'json' ? singleRow(body) : null;
  const table = single === null ? plainBytes(body) : tableOfOne(body);
  const rows = await fittingInputs(checks.input, single === null ? decodeRows(body, format) : [single]);
  const returned = await model.predict(rows, context);
  if (!Array.isArray(returned)) throw new InvalidOutput('predict() must return an array of rows.');
  if (returned.length !== rows.length)
    throw new InvalidOutput(`predict() was given ${givenText(rows)} and returned ${returned.length}.`);
  const outputs = await fittingOutputs(checks.output, returned);
  refuseUndefined(outputs);
  const wanted = (accept === null ? null : tableFormatOf(accept)) ?? format;
  const kept = rowsWithDigits(outputs, table, format);
  if (single !== null && wanted === 'json') return json(kept[0]);
  const order = columnsInOrder(table, format, kept);
  return { kind: 'output', contentType: CONTENT_TYPES[wanted], bytes: encodeOutputs(kept, wanted, order) };
}

/**
 * A lookup that found nothing would become null, or an empty value, without a word: as hidden as a
 * NaN.
 */
function refuseUndefined(outputs: readonly Row[]): void {
  for (const [at, row] of outputs.entries()) {
    if (typeof row !== 'object' || row === null) continue;
    for (const column of Object.keys(row))
      if (row[column] === undefined)
        throw new InvalidOutput(
          `${isAlone(outputs) ? 'The output row' : `Row ${at + 1}`}, column ${shownName(column)}: the value is undefined, which would hide an error; return null if you mean none, or leave the column out.`,
        );
  }
}

const WHOLE_NUMBER = /^(?:0|[1-9]\d*)$/;

/**
 * The columns of an output in the order of the input's, those that are new behind them, where an
 * object cannot keep it: names that are whole numbers come before all others there. Undefined where
 * there is none, and the objects' own order is the model's.
 */
function columnsInOrder(
  table: Uint8Array,
  format: TableFormat,
  outputs: readonly Row[],
): readonly string[] | undefined {
  if (!outputs.some(startsWithNumber)) return undefined;
  const given = (format === 'csv' ? readHeader(table).columns : indexTable(table, format).columns) ?? [];
  const answered = new Set(outputs.flatMap((row) => Object.keys(row ?? {})));
  const kept = given.filter((name) => answered.has(name));
  return [...new Set([...kept, ...answered])];
}

function startsWithNumber(row: Row | null): boolean {
  for (const name in row) return WHOLE_NUMBER.test(name);
  return false;
}

/**
 * A row alone may be any of its table, so that its number here would be taken for its place there:
 * messages leave it out.
 */
const isAlone = (rows: readonly unknown[]): boolean => rows.length === 1;

const givenText = (rows: readonly unknown[]): string => (isAlone(rows) ? 'a row' : `${rows.length} rows`);

/** A JSON object alone is one row, so that a model that takes rows can be tried with one. */
function singleRow(body: Uint8Array): Row | null {
  const first = body.subarray(afterByteOrderMark(body)).find((byte) => byte > 0x20);
  if (first !== OPEN_BRACE) return null;
  const value = JSON.parse(new TextDecoder().decode(body)) as Row;
  return Array.isArray(value['instances']) ? null : value;
}

/** A row alone as a table of one. */
const tableOfOne = (body: Uint8Array): Uint8Array => utf8(`[${new TextDecoder().decode(body)}]`);

function encodeOutputs(outputs: readonly Row[], format: TableFormat, order: readonly string[] | undefined): Uint8Array {
  try {
    return encodeRows(outputs, format, order, 'where-they-are');
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    throw new InvalidOutput(isAlone(outputs) ? error.message.replace(/^Row 1\b/, 'The output row') : error.message);
  }
}

async function answerAny<Loaded, State>(
  model: InvokeModel<Loaded, State>,
  { checks, body, contentType, accept, context }: Invocation<Loaded, State>,
): Promise<Answer> {
  const input: unknown = isJson(contentType)
    ? await fitting(checks.input, JSON.parse(new TextDecoder().decode(body)), 'The input', Error)
    : body;
  const output = await model.invoke(input, context);
  if (output instanceof Uint8Array)
    return { kind: 'output', contentType: accept ?? 'application/octet-stream', bytes: output };
  const fit = await fitting(checks.output, output ?? null, 'The output', InvalidOutput);
  return json(isJson(contentType) ? valueWithDigits(fit, body) : fit);
}

const fittingInputs = (check: SchemaCheck | null, rows: readonly unknown[]): Promise<Row[]> =>
  fittingRows(check, rows, 'input', Error);
const fittingOutputs = (check: SchemaCheck | null, rows: readonly unknown[]): Promise<Row[]> =>
  fittingRows(check, rows, 'output', InvalidOutput);

/** One after the other: the first row that does not fit is the one that is named. */
async function fittingRows(
  check: SchemaCheck | null,
  rows: readonly unknown[],
  side: 'input' | 'output',
  Misfit: new (message: string) => Error,
): Promise<Row[]> {
  if (check === null) return rows as Row[];
  const fit: unknown[] = [];
  for (const [index, row] of rows.entries()) {
    const subject = isAlone(rows) ? `The ${side} row` : `Row ${index + 1} of the ${side}`;
    fit.push(await fitting(check, row, subject, Misfit));
  }
  return fit as Row[];
}

/** The value as the schema gives it back. */
async function fitting(
  check: SchemaCheck | null,
  value: unknown,
  subject: string,
  Misfit: new (message: string) => Error,
): Promise<unknown> {
  const checked = check === null ? { value } : await check(value);
  if ('misfits' in checked) throw new Misfit(misfitSentence(subject, checked.misfits));
  return checked.value;
}

function json(value: unknown): Answer {
  const text = jsonText(value);
  if (text === undefined) throw new InvalidOutput(`The output is a ${typeof value}, which is no JSON value.`);
  return { kind: 'output', contentType: 'application/json', bytes: new TextEncoder().encode(text) };
}

/** Undefined for what is no JSON value at all, a function for one. */
function jsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, function (this: unknown, key: string, member: unknown) {
      if (member === undefined && Array.isArray(this))
        throw new InvalidOutput(
          `The output has undefined at place ${key} of an array, which JSON would write as null.`,
        );
      return checkMember(key, member, (this as Record<string, unknown>)[key]);
    });
  } catch (error) {
    if (error instanceof InvalidOutput) throw error;
    // The message of a value that contains itself names where.
    throw new InvalidOutput(isCircular(error) ? `The output has no end: ${error.message}` : unwritable(error));
  }
}

const isCircular = (error: unknown): error is TypeError =>
  error instanceof TypeError && /circular structure/.test(error.message);

/** A getter, a Proxy or a toJSON that throws, or more nesting than there is room for. */
const unwritable = (error: unknown): string => `The output cannot be written as JSON: ${describeThrown(error)}`;

/**
 * What JSON.stringify would turn into null or {}, or leave out, without a word is refused. `before`
 * is the member before its toJSON.
 */
function checkMember(key: string, member: unknown, before: unknown): unknown {
  if (typeof member === 'bigint') {
    throw new InvalidOutput(
      `The output has a BigInt at "${key}", which JSON cannot hold; return it as a number or a string.`,
    );
  }
  if (typeof member === 'number' && !Number.isFinite(member)) {
    throw new InvalidOutput(
      `The output has ${member} at "${key}": JSON has no such number, and null would hide it. Return null with a reason beside it, or throw.`,
    );
  }
  if (key !== '' && (typeof member === 'function' || typeof member === 'symbol'))
    throw new InvalidOutput(`The output has a ${typeof member} at "${key}", which JSON would leave out.`);
  if (member === null && before !== null)
    throw new InvalidOutput(`The output has a date at "${key}" that is not valid; return a valid one or null.`);
  if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
  if (isTypedArray(member)) return Array.from(member);
  const lost = lostAsJson(member);
  if (lost !== null) {
    throw new InvalidOutput(
      `The output has a ${lost.kind} at "${key}", which JSON would write ${lost.written}; await it, or turn it into an array or a plain object.`,
    );
  }
  return member;
}
