// Makes JSON Lines of Arrow tables and Arrow tables of JSON Lines without keeping anybody waiting:
// short ones here, long ones in a thread of their own, one of each direction at a time, since each
// takes several times its length in memory. Long tables of text that are held are looked through
// there as well.

import { type ArrowFrame, type Likeness, openLines } from '../../table/arrow/from-lines.ts';
import { TableError, type TableFormat } from '../../table/format.ts';
import { indexTable, type TableIndex } from '../../table/split.ts';
import { ThreadQueue } from '../../system/thread-queue.ts';
import {
  type ArrowRows,
  type ArrowShape,
  type Converted,
  type ConversionRequest,
  readArrow,
} from './arrow-conversion.ts';

/**
 * Longest table that is converted at once, in bytes, those of Arrow without compression: about as
 * long as a thread takes to start.
 */
const AT_ONCE_BYTES_MAX = 1_024 * 1_024;
/**
 * A few bytes of Arrow may be very many as JSON Lines: where there are more than this, the thread
 * begins anew.
 */
const AT_ONCE_LINES_FACTOR = 4;
/**
 * The same of a few bytes of JSON Lines, counted in values of the Arrow table: as many take about a
 * tenth of a second.
 */
const AT_ONCE_VALUES_MAX = 256 * 1_024;

const THREAD = new URL(import.meta.url.endsWith('.ts') ? './arrow-worker.ts' : './arrow-worker.js', import.meta.url);

/** See the head of this file. */
export class ArrowConverter {
  readonly #atOnceBytesMax: number;
  readonly #reading = new ThreadQueue();
  readonly #writing = new ThreadQueue();

  constructor(atOnceBytesMax = AT_ONCE_BYTES_MAX) {
    this.#atOnceBytesMax = atOnceBytesMax;
  }

  /**
   * How many rows an Arrow table has, and which columns: all of it is read, and nothing of it is
   * kept.
   *
   * @throws TableError for one that cannot be read
   */
  async look(bytes: Uint8Array): Promise<ArrowShape> {
    const atOnce = this.#readAtOnce(bytes);
    if (atOnce !== null) return { rows: atOnce.index.rows, columns: atOnce.index.columns ?? [] };
    const request: ConversionRequest = { to: 'shape', bytes };
    return resultOf(await this.#reading.run<Converted<ArrowShape>>({ module: THREAD, request }));
  }

  /**
   * Where the rows of a table that is text stand; a long one is looked through in the thread.
   * Throws as `look` does.
   */
  async index(bytes: Uint8Array, format: TableFormat): Promise<TableIndex> {
    if (bytes.length <= this.#atOnceBytesMax) return indexTable(bytes, format);
    const request: ConversionRequest = { to: 'index', bytes, format };
    return resultOf(await this.#reading.run<Converted<TableIndex>>({ module: THREAD, request }));
  }

  /** The rows of an Arrow table. Throws as `look` does. */
  async read(bytes: Uint8Array): Promise<ArrowRows> {
    const atOnce = this.#readAtOnce(bytes);
    if (atOnce !== null) return atOnce;
    const request: ConversionRequest = { to: 'lines', bytes };
    return resultOf(await this.#reading.run<Converted<ArrowRows>>({ module: THREAD, request }));
  }

  /**
   * An Arrow table of JSON Lines, which are given away: their memory may have gone to the thread.
   *
   * @param like the types that columns of the same names have where they can
   * @throws TableError for rows that Arrow cannot hold; the reason with which `signal` is aborted
   */
  async write(
    lines: Uint8Array<ArrayBuffer>,
    like: Likeness | null,
    signal: AbortSignal,
    frame: ArrowFrame = 'stream',
  ): Promise<Uint8Array> {
    const opened = lines.length <= this.#atOnceBytesMax ? openLines(lines, like) : null;
    if (opened !== null && opened.values <= AT_ONCE_VALUES_MAX) return opened.write(frame);
    const request: ConversionRequest = { to: 'arrow', lines, like, frame };
    const transfer = [lines.buffer];
    return resultOf(await this.#writing.run<Converted<Uint8Array>>({ module: THREAD, request, transfer, signal }));
  }

  /** Null where that would take too long. */
  #readAtOnce(bytes: Uint8Array): ArrowRows | null {
    const arrowBytesMax = this.#atOnceBytesMax;
    const linesBytesMax = arrowBytesMax * AT_ONCE_LINES_FACTOR;
    return bytes.length <= arrowBytesMax ? readArrow(bytes, { arrowBytesMax, linesBytesMax }) : null;
  }
}

function resultOf<Result>(converted: Converted<Result>): Result {
  if ('result' in converted) return converted.result;
  throw new TableError(converted.refusal.message, converted.refusal.place);
}
