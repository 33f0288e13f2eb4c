// Merging JSON Lines and JSON records: rows keep their bytes; a reason is spliced in before the closing brace where rows failed.
import {
  COMMA,
  CR,
  finishBytes,
  LF,
  openWriter,
  SPACE,
  TAB,
  utf8,
  writeAll,
  writeByte,
  writeBytes,
  writeText,
  type ByteWriter,
} from './bytes.ts';
import { ERROR_COLUMN, type MergePart, type TableIndex } from './codec.ts';
import { nameOf, openNames, type NameMemory } from './json-names.ts';
import { writeJsonRows, type JsonFrame } from './json-rows.ts';
import { OPEN_BRACE, openScan, scanObject, type VisitMember } from './json-scan.ts';
import { checkCount, errorReason, inPart, reservedColumn } from './merge-part.ts';
import { endOf, startOf } from './spans.ts';

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

/** The parts' rows in order, as one table. */
export function mergeJson(parts: readonly MergePart[], format: JsonFormat): Uint8Array<ArrayBuffer> {
  const withErrors = parts.some((part) => part.kind === 'failed' && part.rows > 0);
  const columns = { rows: new Set<string>(), failed: new Set<string>() };
  const opened = openParts(parts, format, withErrors ? columns : null);
  const goodRows = opened.some((part) => part.error === null && part.index.rows > 0);
  const failedColumns = goodRows ? columns.rows : columns.failed;
  // Only failed inputs can have one: then the new reason takes the place of the old.
  failedColumns.delete(ERROR_COLUMN);
  const merge: JsonMerge = {
    frame: format.frame,
    writer: openWriter(opened.reduce((size, part) => size + part.bytes.length, 2)),
    started: false,
    failed: planFailed([...failedColumns]),
  };
  writeText(merge.writer, format.frame.open);
  for (const part of opened) {
    if (part.error !== null) writeFailed(merge, part);
    else if (withErrors) writeMarked(merge, part);
    else writeStraight(merge, part);
  }
  writeText(merge.writer, `${merge.started ? format.frame.afterLast : ''}${format.frame.close}`);
  return finishBytes(merge.writer);
}

/** `columns` null: they are not needed, and a set of them would only grow. */
function openParts(
  parts: readonly MergePart[],
  format: JsonFormat,
  columns: Record<MergePart['kind'], Set<string>> | null,
): JsonPart[] {
  const opened: JsonPart[] = [];
  const names = openNames();
  for (const [position, part] of parts.entries()) {
    const bytes = part.kind === 'rows' ? part.bytes : part.input;
    // A model that was given no rows may answer with nothing at all.
    if (bytes.length === 0 && part.rows === 0) continue;
    inPart(position, parts.length, () => {
      const index = format.index(bytes, (member) => {
        const name = nameOf(names, bytes, member);
        if (part.kind === 'rows' && name === ERROR_COLUMN) throw reservedColumn();
        columns?.[part.kind].add(name);
      });
      checkCount(part, index.rows);
      opened.push({ bytes, index, error: part.kind === 'rows' ? null : errorReason(part.error) });
    });
  }
  return opened;
}

interface JsonMerge {
  readonly frame: JsonFrame;
  readonly writer: ByteWriter;
  /** Whether a row was written. */
  started: boolean;
  readonly failed: FailedPlan;
}

/** What a failed row is written with, and where the row being read has its values; made once, as parts may be single rows. */
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

function startRow(merge: JsonMerge): void {
  if (merge.started) writeByte(merge.writer, merge.frame.between.charCodeAt(0));
  merge.started = true;
}

/** Rows as they are. */
function writeStraight(merge: JsonMerge, part: JsonPart): void {
  const { rows, spans } = part.index;
  if (rows === 0) return;
  startRow(merge);
  writeJsonRows(merge.writer, { bytes: part.bytes, spans, from: 0, to: rows }, merge.frame);
}

const NO_ERROR = utf8(`${JSON.stringify(ERROR_COLUMN)}:null}`);

/** Good rows among failed ones: as they are, with a null reason before the closing brace. */
function writeMarked(merge: JsonMerge, part: JsonPart): void {
  const { bytes, index } = part;
  for (let row = 0; row < index.rows; row += 1) {
    startRow(merge);
    const brace = lastInk(bytes, endOf(index.spans, row) - 1);
    const lastMember = lastInk(bytes, brace - 1);
    writeBytes(merge.writer, bytes, startOf(index.spans, row), lastMember + 1);
    if (bytes[lastMember] !== OPEN_BRACE) writeByte(merge.writer, COMMA);
    writeAll(merge.writer, NO_ERROR);
  }
}

/** The last byte at or before `from` that is not white space. */
function lastInk(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === SPACE || bytes[at] === LF || bytes[at] === CR || bytes[at] === TAB) at -= 1;
  return at;
}

/** Failed rows: the output's columns, with the bytes of the input's value where it has one and null elsewhere, and the reason. */
function writeFailed(merge: JsonMerge, part: JsonPart): void {
  const { bytes, index } = part;
  const suffix = utf8(`${JSON.stringify(ERROR_COLUMN)}:${JSON.stringify(part.error)}}`);
  for (let row = 0; row < index.rows; row += 1) {
    startRow(merge);
    findValues(merge.failed, bytes, startOf(index.spans, row));
    writeByte(merge.writer, OPEN_BRACE);
    writeValues(merge, bytes);
    writeAll(merge.writer, suffix);
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

function writeValues(merge: JsonMerge, bytes: Uint8Array): void {
  const { labels, starts, ends } = merge.failed;
  for (const [k, label] of labels.entries()) {
    writeAll(merge.writer, label);
    if (ends[k] === 0) writeAll(merge.writer, NULL);
    else writeBytes(merge.writer, bytes, starts[k] as number, ends[k] as number);
    writeByte(merge.writer, COMMA);
  }
}
