// Putting chunk outputs together again, in order, with a reason beside every row that failed.
import { plainBytes } from './bytes.ts';
import type { MergePart } from './codec.ts';
import { convertTable } from './convert.ts';
import type { TableFormat } from './format.ts';
import { inPart } from './merge-part.ts';
import { codecOf } from './table.ts';

export type { MergePart } from './codec.ts';

/**
 * One table of this format with the rows of all parts, in order. The bytes of values, and in the JSON formats of whole rows,
 * stay as they are. Where part of the rows failed, all rows get a last column `inference_error`: the reason, or empty (null in
 * the JSON formats). A failed row has the columns of the output, with its input's values where the input has that column and
 * nothing elsewhere; where no part has rows of output, the columns are the input's.
 * A part with another number of rows than it says, or an output with an `inference_error` of its own, is a TableError.
 */
export function mergeTables(parts: readonly MergePart[], format: TableFormat): Uint8Array<ArrayBuffer> {
  return codecOf(format).merge(
    parts.map((part, position) => inPart(position, parts.length, () => inFormat(part, format))),
  );
}

/**
 * Throws the TableError that `mergeTables` would for an output of a chunk of so many rows: a chunk is told of it when it
 * answers, while it can still be tried again, and not when all the others are done.
 */
export function checkOutput(bytes: Uint8Array, format: TableFormat, rows: number): void {
  mergeTables([{ kind: 'rows', bytes, rows }], format);
}

function inFormat(part: MergePart, format: TableFormat): MergePart {
  if (part.kind === 'rows') return { ...part, bytes: plainBytes(part.bytes) };
  if (part.inputFormat === format) return { ...part, input: plainBytes(part.input) };
  return { ...part, input: convertTable(part.input, part.inputFormat, format), inputFormat: format };
}
