// A score, or why there can be none, in a form that crosses from one thread to another.

import { type FieldError, ServiceError } from '../../domain/errors.ts';
import type { TableBytes } from '../../table/columns.ts';
import { type ScoredTable, type ScoreRequest, scoreTable } from '../../scoring/score.ts';
import { textTable } from '../../table/border.ts';
import { type BorderFormat, TableError } from '../../table/format.ts';

/** A table as it is stored, Arrow too. */
export interface StoredTable {
  readonly bytes: Uint8Array;
  readonly format: BorderFormat;
}

/** What is to be scored, as it is stored. */
export interface StoredRequest extends Omit<ScoreRequest, 'input' | 'output'> {
  readonly input: StoredTable;
  readonly output: StoredTable;
}

/** See the head of this file. */
export type Answered =
  | { readonly scored: ScoredTable }
  | { readonly refusal: string; readonly errors: readonly FieldError[] };

/** Scores a run. */
export function answer({ input, output, ...request }: StoredRequest): Answered {
  try {
    return { scored: scoreTable({ ...request, input: textOf(input), output: textOf(output) }) };
  } catch (error) {
    if (error instanceof ServiceError) return { refusal: error.message, errors: error.extras.errors ?? [] };
    if (!(error instanceof TableError)) throw error;
    return { refusal: `The run cannot be captured, since its output is no table: ${error.message}`, errors: [] };
  }
}

const textOf = ({ bytes, format }: StoredTable): TableBytes => textTable(bytes, format);
