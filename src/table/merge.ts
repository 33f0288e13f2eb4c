// Putting chunk outputs together again, in order, with a reason beside every row that failed.
import { finishBytes, openWriter, plainBytes } from './bytes.ts';
import type { MergeFacts, MergePart, TableMerge } from './codec.ts';
import { convertFailed } from './convert.ts';
import type { TableFormat } from './format.ts';
import { bytesOf, inPart } from './merge-part.ts';
import { codecOf } from './table.ts';

export type { MergePart, TableMerge } from './codec.ts';
export { bytesOf } from './merge-part.ts';

/**
 * One table of this format with the rows of all parts, in order. The bytes of values, and in the
 * JSON formats of whole rows, stay as they are. Where part of the rows failed, all rows get a last
 * column `inference_error`: the reason, or empty (null in the JSON formats). A failed row has the
 * columns of the output, with its input's values where the input has that column and nothing
 * elsewhere, nor where the format cannot hold such a value; where no part has rows of output, the
 * columns are the input's. A part with another number of rows than it says, or an output with an
 * `inference_error` of its own, is a TableError.
 */
export function mergeTables(parts: readonly MergePart[], format: TableFormat): Uint8Array<ArrayBuffer> {
  const someFailed = parts.some((part) => part.kind === 'failed' && part.rows > 0);
  const merge = openMerge(format, { parts: parts.length, someFailed });
  const writes = parts.map((part, position) => merge.look(part, position));
  const writer = openWriter(parts.reduce((size, part) => size + bytesOf(part).length + 2, 2));
  merge.begin(writer);
  for (const write of writes) write(writer);
  merge.end(writer);
  return finishBytes(writer);
}

/** As `mergeTables`, for parts that are not held at once. */
export function openMerge(format: TableFormat, facts: MergeFacts): TableMerge {
  const merge = codecOf(format).merge(facts);
  return {
    look: (part, position) =>
      merge.look(
        inPart(position, facts.parts, () => inFormat(part, format)),
        position,
      ),
    begin: (writer) => merge.begin(writer),
    end: (writer) => merge.end(writer),
  };
}

/**
 * Throws the TableError that `mergeTables` would for an output of a chunk of so many rows: a chunk
 * is told of it when it answers, while it can still be tried again, and not when all the others are
 * done.
 */
export function checkOutput(bytes: Uint8Array, format: TableFormat, rows: number): void {
  openMerge(format, { parts: 1, someFailed: false }).look({ kind: 'rows', bytes, rows }, 0);
}

function inFormat(part: MergePart, format: TableFormat): MergePart {
  if (part.kind === 'rows') return { ...part, bytes: plainBytes(part.bytes) };
  if (part.inputFormat === format) return { ...part, input: plainBytes(part.input) };
  return { ...part, input: convertFailed(part.input, part.inputFormat, format), inputFormat: format };
}
