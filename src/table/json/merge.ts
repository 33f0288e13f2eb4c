// Merging JSON Lines and JSON records: rows keep their bytes; a reason is spliced in before the
// closing brace where rows failed.
import {
  COMMA,
  CR,
  LF,
  SPACE,
  TAB,
  utf8,
  writeAll,
  writeByte,
  writeBytes,
  writeText,
  type ByteWriter,
} from '../bytes.ts';
import { ERROR_COLUMN, type MergeFacts, type MergePart, type TableIndex, type TableMerge } from '../codec.ts';
import { nameOf, openNames, type NameMemory } from './names.ts';
import { writeJsonRows, type JsonFrame } from './rows.ts';
import { OPEN_BRACE, openScan, scanObject, type VisitMember } from './scan.ts';
import { bytesOf, checkCount, errorReason, inPart, reservedColumn } from '../merge-part.ts';
import { endOf, startOf } from '../spans.ts';

/** What tells one JSON format from the other. */
export interface JsonFormat {
  readonly frame: JsonFrame;
  index(bytes: Uint8Array, visit: VisitMember | null): TableIndex;
}

interface JsonPart {
  readonly bytes: Uint8Array;
  readonly index: TableIndex;
  /** Why its rows failed, or null. */
  readonly error: string | null;
}

/** Parts' rows in order, as one table of JSON Lines or JSON records. */
export class JsonMerge implements TableMerge {
  readonly #facts: MergeFacts;
  readonly #format: JsonFormat;
  readonly #names = openNames();
  readonly #columns = { rows: new Set<string>(), failed: new Set<string>() };
  #hasGoodRows = false;
  #hasRows = false;
  #failed: FailedPlan | null = null;

  constructor(facts: MergeFacts, format: JsonFormat) {
    this.#facts = facts;
    this.#format = format;
  }

  look(part: MergePart, position: number): (writer: ByteWriter) => void {
    const opened = inPart(position, this.#facts.parts, () => this.#open(part));
    return opened === null || opened.index.rows === 0 ? () => {} : (writer) => this.#write(writer, opened);
  }

  begin(writer: ByteWriter): void {
    const columns = this.#hasGoodRows ? this.#columns.rows : this.#columns.failed;
    // Only failed inputs can have one: then the new reason takes the place of the old.
    columns.delete(ERROR_COLUMN);
    this.#failed = planFailed([...columns]);
    writeText(writer, this.#format.frame.open);
  }

  end(writer: ByteWriter): void {
    const { afterLast, close } = this.#format.frame;
    writeText(writer, `${this.#hasRows ? afterLast : ''}${close}`);
  }

  #open(part: MergePart): JsonPart | null {
    const bytes = bytesOf(part);
    // A model that was given no rows may answer with nothing at all.
    if (bytes.length === 0 && part.rows === 0) return null;
    // Where no row failed the columns are not needed, and a set of them would only grow.
    const columns = this.#facts.someFailed ? this.#columns[part.kind] : null;
    const index = this.#format.index(bytes, (member) => {
      const name = nameOf(this.#names, bytes, member);
      if (part.kind === 'rows' && name === ERROR_COLUMN) throw reservedColumn();
      columns?.add(name);
    });
    checkCount(part, index.rows);
    this.#hasGoodRows ||= part.kind === 'rows' && index.rows > 0;
    return { bytes, index, error: part.kind === 'rows' ? null : errorReason(part.error) };
  }

  #write(writer: ByteWriter, part: JsonPart): void {
    const { frame } = this.#format;
    const rows: RowWriter = { writer, frame, start: () => this.#startRow(writer) };
    if (part.error !== null) writeFailed(rows, part, this.#failed!);
    else if (this.#facts.someFailed) writeMarked(rows, part);
    else writeStraight(rows, part);
  }

  #startRow(writer: ByteWriter): void {
    if (this.#hasRows) writeByte(writer, this.#format.frame.between.charCodeAt(0));
    this.#hasRows = true;
  }
}

interface RowWriter {
  readonly writer: ByteWriter;
  readonly frame: JsonFrame;
  /** Called before a row, or rows that are written in one go. */
  readonly start: () => void;
}

/**
 * What a failed row is written with, and where the row being read has its values; made once, as
 * parts may be single rows.
 */
interface FailedPlan {
  readonly places: ReadonlyMap<string, number>;
  readonly labels: readonly Uint8Array[];
  readonly names: NameMemory;
  readonly starts: Float64Array;
  /** 0 where the row has no value. */
  readonly ends: Float64Array;
}

function planFailed(columns: readonly string[]): FailedPlan {
  return {
    places: new Map(columns.map((name, k) => [name, k])),
    labels: columns.map((name) => utf8(`${JSON.stringify(name)}:`)),
    names: openNames(),
    starts: new Float64Array(columns.length),
    ends: new Float64Array(columns.length),
  };
}

/** Rows as they are. */
function writeStraight({ writer, frame, start }: RowWriter, { bytes, index }: JsonPart): void {
  start();
  writeJsonRows(writer, { bytes, spans: index.spans, from: 0, to: index.rows }, frame);
}

const NO_ERROR = utf8(`${JSON.stringify(ERROR_COLUMN)}:null}`);

/** Good rows among failed ones: as they are, with a null reason before the closing brace. */
function writeMarked({ writer, start }: RowWriter, { bytes, index }: JsonPart): void {
  for (let row = 0; row < index.rows; row += 1) {
    start();
    const brace = lastInk(bytes, endOf(index.spans, row) - 1);
    const lastMember = lastInk(bytes, brace - 1);
    writeBytes(writer, bytes, startOf(index.spans, row), lastMember + 1);
    if (bytes[lastMember] !== OPEN_BRACE) writeByte(writer, COMMA);
    writeAll(writer, NO_ERROR);
  }
}

/** The last byte at or before `from` that is not white space. */
function lastInk(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === SPACE || bytes[at] === LF || bytes[at] === CR || bytes[at] === TAB) at -= 1;
  return at;
}

/**
 * Failed rows: the output's columns, with the bytes of the input's value where it has one and null
 * elsewhere, and the reason.
 */
function writeFailed({ writer, start }: RowWriter, { bytes, index, error }: JsonPart, plan: FailedPlan): void {
  const suffix = utf8(`${JSON.stringify(ERROR_COLUMN)}:${JSON.stringify(error)}}`);
  for (let row = 0; row < index.rows; row += 1) {
    start();
    findValues(plan, bytes, startOf(index.spans, row));
    writeByte(writer, OPEN_BRACE);
    writeValues(writer, bytes, plan);
    writeAll(writer, suffix);
  }
}

function findValues(plan: FailedPlan, bytes: Uint8Array, start: number): void {
  plan.ends.fill(0);
  const object = bytes.indexOf(OPEN_BRACE, start);
  scanObject(openScan(bytes), object, 1, (member) => {
    const place = plan.places.get(nameOf(plan.names, bytes, member));
    if (place === undefined) return;
    plan.starts[place] = member.valueStart;
    plan.ends[place] = member.valueEnd;
  });
}

const NULL = utf8('null');

function writeValues(writer: ByteWriter, bytes: Uint8Array, { labels, starts, ends }: FailedPlan): void {
  for (const [k, label] of labels.entries()) {
    writeAll(writer, label);
    if (ends[k] === 0) writeAll(writer, NULL);
    else writeBytes(writer, bytes, starts[k] as number, ends[k] as number);
    writeByte(writer, COMMA);
  }
}
