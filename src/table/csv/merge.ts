// Merging CSV tables. Where every part has the same header this is concatenation; the bytes of
// values are never rewritten.
import {
  assertRoom,
  COMMA,
  CR,
  finishBytes,
  LF,
  openWriter,
  utf8,
  writeAll,
  writeByte,
  writeBytes,
  writeText,
  type ByteWriter,
} from '../bytes.ts';
import { ERROR_COLUMN, type MergeFacts, type MergePart, type TableIndex, type TableMerge } from '../codec.ts';
import { csvField, csvHeaderLine } from './field.ts';
import { readHeader, type CsvHeader } from './header.ts';
import { indexCsvBody, writeCsvRows } from './index.ts';
import { openCursor, readRow, valueEnd, valueStart } from './scan.ts';
import { bytesOf, checkCount, errorReason, inPart, reservedColumn } from '../merge-part.ts';
import { endOf, startOf } from '../spans.ts';

interface CsvPart {
  readonly bytes: Uint8Array;
  readonly header: CsvHeader;
  readonly index: TableIndex;
  /** Why its rows failed, or null. */
  readonly error: string | null;
}

/** What the merged table looks like. */
interface CsvPlan {
  /** Without the error column. */
  readonly columns: readonly string[];
  readonly withErrors: boolean;
  readonly lineEnd: Uint8Array;
  /** For each header met: which of its values go where; made once, as parts may be single rows. */
  readonly sources: Map<readonly string[], readonly number[]>;
}

/** Parts' rows in order, as one CSV table; zero bytes where no part says what the columns are. */
export class CsvMerge implements TableMerge {
  readonly #facts: MergeFacts;
  // Parts nearly always have the header of the part before, and names are dear to read.
  readonly #known: Record<MergePart['kind'], CsvHeader | null> = { rows: null, failed: null };
  readonly #columns = { rows: new Set<string>(), failed: new Set<string>() };
  /** The header line of the first part, and how it ends. */
  #first: { readonly header: CsvHeader; readonly lineEnd: Uint8Array } | null = null;
  #plan: CsvPlan | null = null;
  #rows = 0;

  constructor(facts: MergeFacts) {
    this.#facts = facts;
  }

  look(part: MergePart, position: number): (writer: ByteWriter) => void {
    const opened = inPart(position, this.#facts.parts, () => this.#open(part));
    return opened === null ? () => {} : (writer) => writePart(writer, this.#plan!, opened);
  }

  begin(writer: ByteWriter): void {
    if (this.#first === null) return;
    const { header, lineEnd } = this.#first;
    const columns = this.#columns.rows.size > 0 ? this.#columns.rows : this.#columns.failed;
    // Only failed inputs can have one: then the new reason takes the place of the old.
    columns.delete(ERROR_COLUMN);
    const plan = { columns: [...columns], withErrors: this.#facts.someFailed, lineEnd, sources: new Map() };
    this.#plan = plan;
    const names = plan.withErrors ? [...plan.columns, ERROR_COLUMN] : plan.columns;
    if (sameNames(header.columns, names)) writeAll(writer, header.line);
    else writeText(writer, csvHeaderLine(names));
    writeAll(writer, lineEnd);
    // A row has a comma or a line end for every column, also for empty ones.
    assertRoom(writer, this.#rows * names.length);
  }

  end(): void {}

  #open(part: MergePart): CsvPart | null {
    const bytes = bytesOf(part);
    // A model that was given no rows may answer with nothing at all.
    if (bytes.length === 0 && part.rows === 0) return null;
    const before = this.#known[part.kind];
    const header = readHeader(bytes, before);
    if (part.kind === 'rows' && header.columns.includes(ERROR_COLUMN)) throw reservedColumn();
    const index = indexCsvBody(bytes, header);
    checkCount(part, index.rows);
    // Not once more for a part that is looked at again.
    if (this.#plan === null) this.#rows += index.rows;
    if (header.columns !== before?.columns) this.#meet(part.kind, bytes, header);
    return { bytes, header, index, error: part.kind === 'rows' ? null : errorReason(part.error) };
  }

  /** Takes note of a header that the part before has not. */
  #meet(kind: MergePart['kind'], bytes: Uint8Array, header: CsvHeader): void {
    // A copy: the part is released.
    const kept = { ...header, line: header.line.slice() };
    this.#known[kind] = kept;
    this.#first ??= { header: kept, lineEnd: lineEndOf(bytes, header) };
    for (const name of header.columns) this.#columns[kind].add(name);
  }
}

/** The line end of a header, LF where it has none. */
function lineEndOf(bytes: Uint8Array, header: CsvHeader): Uint8Array {
  const lineEnd = bytes.slice(header.start + header.line.length, header.bodyStart);
  return lineEnd.length === 0 ? utf8('\n') : lineEnd;
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((name, k) => name === b[k]));
}

function writePart(writer: ByteWriter, plan: CsvPlan, part: CsvPart): void {
  const { bytes, index } = part;
  const straight = sameNames(part.header.columns, plan.columns);
  if (straight && !plan.withErrors) {
    writeCsvRows(writer, { bytes, spans: index.spans, from: 0, to: index.rows }, plan.columns.length);
    if (index.rows > 0 && writer.bytes[writer.length - 1] !== LF) writeAll(writer, plan.lineEnd);
    return;
  }
  const suffix = rowSuffix(plan, part.error);
  if (straight) writeExtended(writer, part, suffix);
  else writeMapped(writer, plan, part, suffix);
}

/**
 * What comes after the columns of every row of a part: the error column, where there is one, and
 * the line end.
 */
function rowSuffix(plan: CsvPlan, error: string | null): Uint8Array {
  const writer = openWriter(64);
  if (plan.withErrors && plan.columns.length > 0) writeByte(writer, COMMA);
  if (error !== null) writeText(writer, csvField(error));
  writeAll(writer, plan.lineEnd);
  return finishBytes(writer);
}

/** Rows that have the merged table's columns already: each as it is, and the suffix. */
function writeExtended(writer: ByteWriter, part: CsvPart, suffix: Uint8Array): void {
  const { bytes, index } = part;
  for (let row = 0; row < index.rows; row += 1) {
    const start = startOf(index.spans, row);
    let end = endOf(index.spans, row);
    if (bytes[end - 1] === LF) end -= bytes[end - 2] === CR && end - 2 >= start ? 2 : 1;
    writeBytes(writer, bytes, start, end);
    writeAll(writer, suffix);
  }
}

/**
 * Rows that have other columns, or the same in another order: the bytes of each value go where its
 * column is.
 */
function writeMapped(writer: ByteWriter, plan: CsvPlan, part: CsvPart, suffix: Uint8Array): void {
  const sources = sourcesOf(plan, part.header.columns);
  const cursor = openCursor(part.bytes, 0, part.header.columns.length);
  for (let row = 0; row < part.index.rows; row += 1) {
    cursor.pos = startOf(part.index.spans, row);
    readRow(cursor);
    for (const [k, source] of sources.entries()) {
      if (k > 0) writeByte(writer, COMMA);
      if (source >= 0) writeBytes(writer, part.bytes, valueStart(cursor, source), valueEnd(cursor, source));
    }
    writeAll(writer, suffix);
  }
}

/** For each column of the merged table the place of its value in a part's rows, or -1. */
function sourcesOf(plan: CsvPlan, columns: readonly string[]): readonly number[] {
  const known = plan.sources.get(columns);
  if (known !== undefined) return known;
  const places = new Map(columns.map((name, k) => [name, k]));
  const sources = plan.columns.map((name) => places.get(name) ?? -1);
  plan.sources.set(columns, sources);
  return sources;
}
