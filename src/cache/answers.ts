// From the rows that an endpoint answered to what is kept of them, and back.
//
// A column that the model made or changed is the model's. One that came back as it went in may be
// the caller's own, as an id is, or a prediction that was in the table already: its value is kept
// apart, and whose it is (columns.ts) is asked when somebody is answered.
//
// Each value is a string with the JSON that the model wrote, which no reader of JSON rounds.

import { ERROR_COLUMN } from '../table/codec.ts';
import { TableError } from '../table/format.ts';
import type { Answered, CacheKey } from './port.ts';
import type { Answer, Columns, Owner } from './columns.ts';
import { type TextRow, textRowsIn } from '../table/text-rows.ts';

/** The outcome of a row: its answer, or why it failed. */
export type Outcome = { readonly answer: Answer } | { readonly reason: string };

/**
 * A column of the output that must have the key as it was sent, where the model writes the key
 * column anew.
 */
export interface KeyCheck {
  readonly keyColumn: string;
  readonly outputKeyColumn: string;
}

/** What is known of an endpoint beside the rows. */
export interface AnswerRules {
  /** Where the rows that were sent stand in the caller's table. */
  readonly places: readonly number[];
  readonly keyColumns: readonly string[];
  readonly check: KeyCheck | null;
  /** Learns from every answer. */
  readonly columns: Columns;
}

/**
 * The outcome of every row that was sent.
 *
 * @param output the table that came back, as JSON Lines with failed rows marked
 * @throws TableError where the rows that came back are not those that were sent
 */
export function outcomesOf(sent: readonly TextRow[], output: Uint8Array, rules: AnswerRules): Outcome[] {
  const { places, keyColumns, check, columns } = rules;
  const rows = textRowsIn(output);
  if (rows.length !== sent.length)
    throw new TableError(`${sent.length} rows were sent, and ${rows.length} came back; nothing of them is kept.`);
  const reasons = rows.map(reasonOf);
  if (check !== null)
    for (const [at, row] of rows.entries()) if (reasons[at] === null) checkKey(sent[at]!, row, places[at]!, check);
  const outcomes = rows.map((row, at): Outcome => {
    const reason = reasons[at]!;
    return reason === null ? { answer: answerOf(sent[at]!, row, keyColumns) } : { reason };
  });
  // All rows are learned from before the first is settled.
  for (const outcome of outcomes) if ('answer' in outcome) columns.learn(outcome.answer);
  return outcomes.map((outcome) => ('answer' in outcome ? { answer: settled(outcome.answer, columns) } : outcome));
}

/** What is to be kept of outcomes, each under its key. Rows that failed have nothing. */
export function entriesOf(keys: readonly CacheKey[], outcomes: readonly Outcome[]): Answered[] {
  return outcomes.flatMap((outcome, at) =>
    'answer' in outcome ? [{ key: keys[at]!, answer: JSON.stringify(outcome.answer) }] : [],
  );
}

const reasonOf = (row: TextRow): string | null => JSON.parse(row.get(ERROR_COLUMN) ?? 'null') as string | null;

function checkKey(sent: TextRow, row: TextRow, at: number, { keyColumn, outputKeyColumn }: KeyCheck): void {
  const [key, text] = [sent.get(keyColumn)!, row.get(outputKeyColumn)];
  if (text !== undefined && isSame(key, text)) return;
  const is = text === undefined ? 'is not there' : `is ${text.slice(0, 80)}`;
  throw new TableError(
    `The row with ${JSON.stringify(keyColumn)} ${key.slice(0, 80)} came back with another key: ${JSON.stringify(outputKeyColumn)} ${is}. Nothing was kept. The column must have the key as it was sent.`,
    { row: at + 1, column: outputKeyColumn },
  );
}

/** Whether two texts are one value, as a model whose numbers are doubles may hand it on. */
function isSame(before: string, text: string): boolean {
  return before === text || JSON.stringify(JSON.parse(before)) === JSON.stringify(JSON.parse(text));
}

function answerOf(sent: TextRow, row: TextRow, keyColumns: readonly string[]): Answer {
  const [made, alike, filled]: [[string, string][], [string, string][], string[]] = [[], [], []];
  for (const [column, text] of row) {
    if (column === ERROR_COLUMN) continue;
    const before = sent.get(column);
    if (before === undefined && text === 'null') filled.push(column);
    if (before === undefined || !isSame(before, text)) made.push([column, text]);
    // Every row with the key has the same value there; a number may have been rounded on its way.
    else if (!keyColumns.includes(column)) alike.push([column, text]);
    else if (before !== text) made.push([column, text]);
  }
  const columns = [...sent.keys()];
  const handedOn = columns.every((column) => row.has(column)) ? true : columns.filter((column) => row.has(column));
  return { handedOn, made: Object.fromEntries(made), alike: Object.fromEntries(alike), filled };
}

/**
 * An answer in which as little as possible is unclear: what is known to be the caller's is not kept
 * at all.
 */
function settled(answer: Answer, columns: Columns): Answer {
  const alike = Object.entries(answer.alike);
  const of = (owner: Owner) => Object.fromEntries(alike.filter(([column]) => columns.ownerOf(column) === owner));
  return { ...answer, made: { ...answer.made, ...of('model') }, alike: of('unclear') };
}

/**
 * Whether a row is without a column of the answer that may be the model's or the caller's: what the
 * model says to it has to be asked.
 */
export function isUnclear(row: TextRow, { alike }: Answer, columns: Columns): boolean {
  return Object.keys(alike).some((column) => !row.has(column) && columns.ownerOf(column) === 'unclear');
}

/**
 * The row that an endpoint would answer to this one, from the answer to a row with the same key.
 */
export function answeredRow(row: TextRow, { handedOn, made, alike, filled }: Answer, columns: Columns): TextRow {
  const isModels = (column: string): boolean => columns.ownerOf(column) === 'model';
  const answered = new Map<string, string>();
  for (const [column, text] of row) if (handedOn === true || handedOn.includes(column)) answered.set(column, text);
  for (const column of Object.keys(made))
    if (!filled.includes(column) || !row.has(column) || isModels(column)) answered.set(column, made[column]!);
  for (const column of Object.keys(alike)) if (isModels(column)) answered.set(column, alike[column]!);
  return answered;
}

/**
 * A table in which rows have failed, as an endpoint answers it: a failed row has the columns of the
 * others, with its own values where it has them and null elsewhere, and all rows say in a last
 * column why they failed, or null.
 */
export function withReasons(
  rows: readonly TextRow[],
  sent: readonly TextRow[],
  reasons: ReadonlyMap<number, string>,
): TextRow[] {
  const shown = reasons.size === rows.length ? sent : rows.filter((_, at) => !reasons.has(at));
  const columns = new Set(shown.flatMap((row) => [...row.keys()]));
  return rows.map((row, at) => {
    const reason = reasons.get(at);
    if (reason === undefined) return new Map([...row, [ERROR_COLUMN, 'null']]);
    const own = [...columns].map((column): [string, string] => [column, sent[at]!.get(column) ?? 'null']);
    return new Map([...own, [ERROR_COLUMN, JSON.stringify(reason)]]);
  });
}
