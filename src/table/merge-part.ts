// What merging means in every format: counts that must be right, a reserved column, reasons that
// are never empty.
import { ERROR_COLUMN, type MergePart } from './codec.ts';
import { TableError } from './format.ts';

/** Runs `read`; an error about the part's table says which part it was, where there are several. */
export function inPart<Result>(position: number, parts: number, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TableError) || parts === 1) throw error;
    const { row, line, column, pointer } = error;
    throw new TableError(`Part ${position + 1} of ${parts}: ${error.message}`, {
      row,
      line,
      column,
      pointer,
      cause: error,
    });
  }
}

/** The table of a part: what was answered, or the rows that failed. */
export const bytesOf = (part: MergePart): Uint8Array => (part.kind === 'rows' ? part.bytes : part.input);

/** N rows in, N rows out: another count is an error. */
export function checkCount(part: MergePart, found: number): void {
  if (found === part.rows) return;
  throw new TableError(
    `The table has ${counted(found)} where ${part.rows} ${part.rows === 1 ? 'was' : 'were'} wanted; ` +
      (part.kind === 'rows'
        ? 'return one row for every row given, in the same order.'
        : 'the input that failed must have the rows it stands for.'),
  );
}

function counted(rows: number): string {
  return rows === 1 ? '1 row' : `${rows} rows`;
}

/** The error for an output with a column of the name that says why rows failed. */
export function reservedColumn(): TableError {
  return new TableError(
    `The output has a column ${JSON.stringify(ERROR_COLUMN)}, a name reserved for the reasons of failed rows; give the model's column another name.`,
    { column: ERROR_COLUMN },
  );
}

/** A reason fit for any format. It is never empty, since an empty one means the row is good. */
export function errorReason(error: string): string {
  const text = error.toWellFormed().replaceAll('\0', '\uFFFD');
  return text === '' ? 'The row failed and no reason was given.' : text;
}
