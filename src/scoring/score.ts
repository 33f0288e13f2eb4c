// Holds the output of a run against the targets in its input. Pure: two tables in, numbers out.

import type { RowRange } from '../domain/batch.ts';
import { ServiceError } from '../domain/errors.ts';
import type { Metrics, Score, ScoringChoice, Task } from '../domain/scoring.ts';
import { ERROR_COLUMN } from '../table/codec.ts';
import { CLASSES_MAX, classificationMetrics, labelsOf, type ScoresOf } from './classification.ts';
import { type ColumnTable, openColumns, type TableBytes } from '../table/columns.ts';
import { columnNamed } from '../table/column-names.ts';
import { predictionColumn } from './prediction-column.ts';
import { regressionMetrics } from './regression.ts';
import { isCode, isEmpty, isTruth, labelOf, numberLabelOf, numberOf } from './values.ts';

/** What is to be scored. */
export interface ScoreRequest {
  readonly input: TableBytes;
  readonly output: TableBytes;
  /** Rows of the input that were left out of the output, because they failed. */
  readonly dropped: readonly RowRange[];
  readonly choice: ScoringChoice;
  /** The column that tells rows apart, or null. */
  readonly idColumn: string | null;
}

/** A score, and whose it is. */
export interface ScoredTable extends Score {
  /** Ids of the rows of the output, in their order; null where no column has them. */
  readonly ids: { readonly column: string; readonly values: readonly unknown[] } | null;
}

/**
 * What the column of a class's scores is called: as scikit-learn's models have it that write their
 * probabilities beside the class.
 */
export const scoreColumn = (label: string): string => `${label}_proba`;

/**
 * Scores a run.
 *
 * @throws TableError for a table that cannot be read; ServiceError `invalid-request` where the rows
 *   of the output are not those of the input, or the prediction cannot be told from other columns
 */
export function scoreTable({ input: given, output: answered, dropped, choice, idColumn }: ScoreRequest): ScoredTable {
  const [input, output] = [openColumns(given), openColumns(answered)];
  const places = placesOf(input.rows, output.rows, dropped);
  const target = choice.target === null ? null : columnNamed(input.columns, choice.target);
  const idsIn = idColumn === null ? null : columnNamed(input.columns, idColumn);
  // In one pass, since a pass decodes the whole table.
  const wanted = [target, idsIn].filter((name) => name !== null);
  const inputs = new Map(input.read(wanted).map((values, at) => [wanted[at]!, values]));
  const ids =
    idsIn === null ? null : { column: idsIn, values: Array.from(places, (at) => inputs.get(idsIn)![at] ?? null) };
  const errors = output.columns.includes(ERROR_COLUMN) ? output.read([ERROR_COLUMN])[0]! : [];
  const failed = input.rows - output.rows + errors.filter((error) => !isEmpty(error)).length;
  const without = (reason: string): ScoredTable => ({
    rows: { total: input.rows, failed, withoutTarget: input.rows - failed, withoutPrediction: 0, comparable: 0 },
    target,
    prediction: null,
    metrics: null,
    reason,
    ids,
  });
  if (choice.target === null) return without('No target column is named, by the request or the endpoint.');
  if (target === null) return without(`The input has no column ${JSON.stringify(choice.target)}.`);
  if (failed === input.rows) return without(failed === 0 ? 'There are no rows.' : 'Every row has failed.');
  const prediction = predictionColumn({
    columns: output.columns,
    given: input.columns,
    named: choice.prediction,
    target,
  });
  const pairs = pairsOf({
    places,
    targets: inputs.get(target)!,
    predictions: output.read([prediction])[0]!,
    errors,
  });
  const { withoutTarget, withoutPrediction } = pairs;
  const rows = { total: input.rows, failed, withoutTarget, withoutPrediction, comparable: pairs.rows.length };
  return { rows, target, prediction, ids, ...metricsOf(pairs, output, choice.task) };
}

/** For each row of the output, the row of the input that it answers. */
function placesOf(inputRows: number, outputRows: number, dropped: readonly RowRange[]): Uint32Array {
  const isDropped = new Uint8Array(inputRows);
  for (const { from, to } of dropped) isDropped.fill(1, from, to);
  const places = Uint32Array.from(isDropped.keys()).filter((row) => isDropped[row] === 0);
  if (places.length === outputRows) return places;
  throw new ServiceError(
    'invalid-request',
    `The input has ${inputRows} rows and the output ${outputRows}, and which belong together is not known, so they cannot be captured.`,
  );
}

/** Rows that can be scored. */
interface Pairs {
  readonly targets: readonly unknown[];
  readonly predictions: readonly unknown[];
  /** Where in the output they stand, counted from 0. */
  readonly rows: readonly number[];
  readonly withoutTarget: number;
  readonly withoutPrediction: number;
}

function pairsOf(from: {
  readonly places: Uint32Array;
  readonly targets: readonly unknown[];
  readonly predictions: readonly unknown[];
  readonly errors: readonly unknown[];
}): Pairs {
  const [targets, predictions, rows]: [unknown[], unknown[], number[]] = [[], [], []];
  let [withoutTarget, withoutPrediction] = [0, 0];
  for (const [row, place] of from.places.entries()) {
    if (!isEmpty(from.errors[row])) continue;
    const [target, prediction] = [from.targets[place], from.predictions[row]];
    if (isEmpty(target)) withoutTarget += 1;
    else if (isEmpty(prediction)) withoutPrediction += 1;
    else {
      targets.push(target);
      predictions.push(prediction);
      rows.push(row);
    }
  }
  return { targets, predictions, rows, withoutTarget, withoutPrediction };
}

type Judgement = Pick<Score, 'metrics' | 'reason'>;

const without = (reason: string): Judgement => ({ metrics: null, reason });
const judged = (metrics: Metrics): Judgement => ({ metrics, reason: null });

function metricsOf({ targets, predictions, rows }: Pairs, output: ColumnTable, task: Task | null): Judgement {
  if (rows.length === 0) return without('No row has both a target and a prediction.');
  const [targetNumbers, predictedNumbers] = [targets.map(numberOf), predictions.map(numberOf)];
  const odd = oddOne('target', targetNumbers, rows) ?? oddOne('prediction', predictedNumbers, rows);
  if (task === 'regression' && odd !== null) return without(`This is no regression: ${odd}.`);
  const code =
    task === null ? (codeAmong('target', targets, rows) ?? codeAmong('prediction', predictions, rows)) : null;
  if (task !== 'classification' && odd === null && code === null)
    return judged(regressionMetrics(targetNumbers as number[], predictedNumbers as number[]));
  const label = odd === null ? numberLabelOf : [...targets, ...predictions].every(isTruth) ? truthLabel : labelOf;
  const [wanted, got] = [targets.map(label), predictions.map(label)];
  const labels = labelsOf(wanted, got);
  if (labels.length <= CLASSES_MAX) return judged(classificationMetrics(wanted, got, scoresIn(output, labels, rows)));
  const taken = task === null ? `This was taken for a classification, since ${odd ?? code!}; it` : 'The classification';
  return without(`${taken} has ${labels.length} classes, and at most ${CLASSES_MAX} are scored.`);
}

// The same class may be written as True in a CSV and as true in JSON.
const truthLabel = (value: unknown): string => labelOf(value).toLowerCase();

/** The first value that is no number, as a part of a sentence; null where all are. */
function oddOne(what: string, numbers: readonly (number | null)[], rows: readonly number[]): string | null {
  const at = numbers.indexOf(null);
  return at < 0 ? null : `the ${what} in row ${rows[at]! + 1} of the output is no number`;
}

/**
 * The first value that is a code and no amount, as 02134 is, as a part of a sentence; null where
 * there is none.
 */
function codeAmong(what: string, values: readonly unknown[], rows: readonly number[]): string | null {
  const at = values.findIndex(isCode);
  return at < 0 ? null : `the ${what} in row ${rows[at]! + 1} of the output has a zero in front, as codes have`;
}

/**
 * Scores in columns of the output, of the rows that are compared; null where no class has a column.
 */
function scoresIn(output: ColumnTable, labels: readonly string[], rows: readonly number[]): ScoresOf | null {
  const columns = new Map(labels.map((label) => [label, scoreColumnIn(output.columns, label, labels)]));
  if (labels.every((label) => columns.get(label) === null)) return null;
  return (label) => {
    const column = columns.get(label) ?? null;
    if (column === null) return { missing: `the output has no column ${JSON.stringify(scoreColumn(label))}` };
    const values = output.read([column])[0]!;
    const scores = rows.map((row) => numberOf(values[row]));
    const odd = oddOne(`score ${JSON.stringify(column)}`, scores, rows);
    return odd === null ? { scores: scores as number[] } : { missing: odd };
  };
}

/**
 * The column of a class's scores, spelled just so where other classes differ from it in case alone:
 * it could be theirs.
 */
function scoreColumnIn(columns: readonly string[], label: string, labels: readonly string[]): string | null {
  const name = scoreColumn(label);
  const alike = labels.filter((other) => scoreColumn(other).toLowerCase() === name.toLowerCase());
  if (alike.length === 1) return columnNamed(columns, name);
  return columns.includes(name) ? name : null;
}
