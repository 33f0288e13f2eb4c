// Reads a table of lines (CSV, JSON Lines) through once without holding it: as strict as
// `indexTable`, and what is kept of it is where every so many bytes a row starts. With that, any of
// its rows are cut from a few bytes that are read again.
import { finishBytes, LF, lineFeedsBefore, openWriter, writeAll, writtenBytes } from './bytes.ts';
import type { FoundRows, PiecePlace } from './codec.ts';
import { readFirstHeader } from './csv/header.ts';
import { findCsvRows, writeCsvRows } from './csv/index.ts';
import { type BorderFormat, TableError } from './format.ts';
import { columnsOf, gatherNames } from './json/names.ts';
import { findLines } from './json/jsonl.ts';
import { sizeOf, type SomeRows, startOf, writeSpans } from './spans.ts';

/** The formats in which a row is a line or a few, so that a table can be read by the piece. */
export type LinesFormat = 'csv' | 'jsonl';

/** Whether tables of a format can be read by the piece. */
export const isByLines = (format: BorderFormat): format is LinesFormat => format === 'csv' || format === 'jsonl';

/** A place in a table at which a row starts. */
interface RowMark {
  /** Rows before it. */
  readonly row: number;
  /** Bytes before it. */
  readonly offset: number;
}

/** What is known of a table that was read through. */
export interface TableSurvey {
  readonly format: LinesFormat;
  readonly rows: number;
  /**
   * The names in the header of a CSV table; of JSON Lines the names in its rows, null where there
   * are none.
   */
  readonly columns: readonly string[] | null;
  /** The header line of a CSV table with its line end; empty for JSON Lines. */
  readonly header: Uint8Array;
  /**
   * Some rows' places in order: the first row's, if there is one, and the end of the last, as the
   * mark of a row after it.
   */
  readonly marks: readonly RowMark[];
}

/** How finely a table is read through; for tests, since the answer is the same. */
export interface SurveyGrain {
  /**
   * Bytes that are looked through at a time: so many that nothing else waits for longer than a
   * millisecond or two.
   */
  readonly pieceBytes: number;
  /** Bytes between two marks: about what has to be read again to cut a few rows. */
  readonly markBytes: number;
}

const GRAIN: SurveyGrain = { pieceBytes: 256 * 1_024, markBytes: 64 * 1_024 };
/** Longest row, in bytes: one must be held as a whole. */
const ROW_BYTES_MAX = 64 * 1_024 * 1_024;

/**
 * Reads a table to its end.
 *
 * @throws TableError where `indexTable` would, with the same message, and for a row of more than 64
 *   MiB; and what the chunks throw
 */
export async function surveyTable(
  chunks: AsyncIterable<Uint8Array>,
  format: LinesFormat,
  { pieceBytes, markBytes }: SurveyGrain = GRAIN,
): Promise<TableSurvey> {
  const survey = new Survey(format, markBytes);
  // One buffer for all pieces: the survey keeps nothing of them.
  const held = openWriter(2 * pieceBytes);
  let wanted = pieceBytes;
  for await (const chunk of chunks) {
    writeAll(held, chunk);
    if (held.length < wanted) continue;
    const piece = writtenBytes(held);
    const read = survey.read(piece.subarray(0, piece.lastIndexOf(LF) + 1), true);
    held.bytes.copyWithin(0, read, held.length);
    held.length -= read;
    if (held.length > ROW_BYTES_MAX) throw survey.tooLong();
    // Twice as much as is left, so that a row of many pieces is not looked through once for every
    // piece.
    wanted = Math.max(pieceBytes, 2 * held.length);
  }
  survey.read(writtenBytes(held), false);
  return survey.end();
}

class Survey {
  readonly #format: LinesFormat;
  readonly #markBytes: number;
  readonly #marks: RowMark[] = [];
  /** Of a CSV table. */
  #columns: readonly string[] | null = null;
  /** Of JSON Lines. */
  readonly #names = new Set<string>();
  #header: Uint8Array = new Uint8Array();
  #rows = 0;
  #lines = 0;
  #offset = 0;

  constructor(format: LinesFormat, markBytes: number) {
    this.#format = format;
    this.#markBytes = markBytes;
  }

  /**
   * Looks through the next piece, and answers how many of its bytes were whole rows: the others
   * come again.
   */
  read(piece: Uint8Array, goesOn: boolean): number {
    const from = this.#format === 'csv' && this.#columns === null ? this.#readHeader(piece, goesOn) : 0;
    if (from === null) return 0;
    const { spans, end } = this.#find(piece, from, goesOn);
    this.#mark(spans);
    this.#rows += spans.length / 2;
    this.#lines += lineFeedsBefore(piece, end);
    this.#offset += end;
    return end;
  }

  end(): TableSurvey {
    const last = { row: this.#rows, offset: this.#offset };
    return {
      format: this.#format,
      rows: this.#rows,
      columns: this.#columns ?? columnsOf(this.#names),
      header: this.#header,
      marks: [...this.#marks, last],
    };
  }

  tooLong(): TableError {
    const [row, line] = [this.#rows + 1, this.#lines + 1];
    return new TableError(
      `Row ${row} (line ${line}) has not ended after ${ROW_BYTES_MAX / 2 ** 20} MiB; close the quote that is open in it, or send smaller values.`,
      { row, line },
    );
  }

  /** Where the rows of the first piece start; null while the header is not whole. */
  #readHeader(piece: Uint8Array, goesOn: boolean): number | null {
    const header = readFirstHeader(piece, goesOn);
    if (header === null) return null;
    this.#columns = header.columns;
    // A copy: the piece is released.
    const line = piece.slice(header.start, header.bodyStart);
    this.#header = line.at(-1) === LF ? line : withLineEnd(line);
    return header.bodyStart;
  }

  #find(piece: Uint8Array, from: number, goesOn: boolean): FoundRows {
    const place: PiecePlace = { rowsBefore: this.#rows, linesBefore: this.#lines, goesOn, rows: null };
    if (this.#format === 'csv') return findCsvRows(piece, from, this.#columns!.length, place);
    return findLines(piece, gatherNames(piece, this.#names), place);
  }

  /** Marks the first row of the piece, and one every `markBytes` after it. */
  #mark(spans: Uint32Array): void {
    let next = 0;
    for (let row = 0; row < spans.length / 2; row += 1) {
      const start = startOf(spans, row);
      if (start < next) continue;
      this.#marks.push({ row: this.#rows + row, offset: this.#offset + start });
      next = start + this.#markBytes;
    }
  }
}

/** Bytes of a table from the start of one row to the start of another, and where they stand. */
export interface TablePiece {
  readonly first: RowMark;
  readonly last: RowMark;
  /** Whether there is no mark between them. */
  readonly isSmallest: boolean;
}

/** The smallest piece between two marks that has the rows [from, to), which are at least one. */
export function pieceWith({ marks }: TableSurvey, from: number, to: number): TablePiece {
  const [first, last] = [firstAfter(marks, from) - 1, firstAfter(marks, to - 1)];
  return { first: marks[first]!, last: marks[last]!, isSmallest: last === first + 1 };
}

/** The place of the first mark that stands after a row. */
function firstAfter(marks: readonly RowMark[], row: number): number {
  let [low, high] = [0, marks.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (marks[middle]!.row > row) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Where the rows of a piece stand in its bytes, for `slicePiece`. */
export function indexPiece(
  { format, columns }: TableSurvey,
  bytes: Uint8Array,
  { first, last }: TablePiece,
): Uint32Array {
  const place: PiecePlace = { rowsBefore: first.row, linesBefore: 1, goesOn: false, rows: last.row - first.row };
  const found = format === 'csv' ? findCsvRows(bytes, 0, columns!.length, place) : findLines(bytes, null, place);
  return found.spans;
}

/**
 * The rows [from, to) of the table, which are all in the piece, as a table of their own, as
 * `sliceTable` gives them.
 */
export function slicePiece(
  { format, columns, header }: TableSurvey,
  { bytes, spans, firstRow }: { readonly bytes: Uint8Array; readonly spans: Uint32Array; readonly firstRow: number },
  from: number,
  to: number,
): Uint8Array<ArrayBuffer> {
  const rows: SomeRows = { bytes, spans, from: from - firstRow, to: to - firstRow };
  const writer = openWriter(header.length + sizeOf(rows));
  writeAll(writer, header);
  if (format === 'csv') writeCsvRows(writer, rows, columns!.length);
  else writeSpans(writer, rows);
  return finishBytes(writer);
}

function withLineEnd(line: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const ended = new Uint8Array(line.length + 1);
  ended.set(line);
  ended[line.length] = LF;
  return ended;
}
