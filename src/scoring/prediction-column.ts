// Which column of an output has the prediction.

import { ServiceError } from '../domain/errors.ts';
import { columnNamed, listed } from '../table/column-names.ts';

/** Names that a prediction goes by where nobody has said it. */
const predictionNames = (target: string): readonly string[] => [
  'prediction',
  `predicted_${target}`,
  `${target}_predicted`,
  `${target}_prediction`,
  `${target}_pred`,
  `pred_${target}`,
];

/** Where the prediction is looked for. */
export interface PredictionSearch {
  /** Columns of the output. */
  readonly columns: readonly string[];
  /** Columns of the input: models often give them back, and then they are no answer of theirs. */
  readonly given: readonly string[];
  /** As the request or the configuration has it, or null. */
  readonly named: string | null;
  readonly target: string;
}

/**
 * The column that has the prediction: the one that is named, else the only one of the names above
 * that the input does not have.
 *
 * @throws ServiceError `invalid-request` that lists the columns, where it cannot be told
 */
export function predictionColumn({ columns, given, named, target }: PredictionSearch): string {
  if (named !== null) {
    const column = columnNamed(columns, named);
    if (column !== null) return column;
    throw refused(`The output has no column ${JSON.stringify(named)}`, 'is no column of the output', columns);
  }
  const names = predictionNames(target);
  const found = names
    .map((name) => columnNamed(columns, name))
    .filter((column) => column !== null && !given.includes(column)) as string[];
  const [first, second] = [...new Set(found)];
  if (first !== undefined && second === undefined) return first;
  const why =
    first === undefined
      ? `The output has no column of its own that is known to hold the prediction of ${JSON.stringify(target)} (${listed(names)})`
      : `Several columns of the output may hold the prediction of ${JSON.stringify(target)}: ${listed(found)}`;
  throw refused(why, 'must be named', columns);
}

function refused(what: string, detail: string, columns: readonly string[]): ServiceError {
  const errors = [{ pointer: '/prediction', detail }];
  return new ServiceError(
    'invalid-request',
    `${what}; it has ${listed(columns)}. Name one with "prediction", here or in the endpoint's configuration.`,
    { errors },
  );
}
