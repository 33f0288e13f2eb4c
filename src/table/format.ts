// The formats a table comes in, their content types, and the one error a table can raise.

/**
 * A table as text: CSV (RFC 4180), JSON Lines (one object a line), or JSON records (an array of
 * objects).
 */
export type TableFormat = 'csv' | 'jsonl' | 'json';

/** The content type written for each format; `tableFormatOf` reads more spellings than these. */
export const CONTENT_TYPES: Readonly<Record<TableFormat, string>> = {
  csv: 'text/csv',
  jsonl: 'application/jsonlines',
  json: 'application/json',
};

// JSON Lines never got a registered type, so every spelling met in practice is read.
const FORMATS: ReadonlyMap<string, TableFormat> = new Map([
  ['text/csv', 'csv'],
  ['application/csv', 'csv'],
  ['application/jsonlines', 'jsonl'],
  ['application/x-jsonlines', 'jsonl'],
  ['application/jsonl', 'jsonl'],
  ['application/x-jsonl', 'jsonl'],
  ['application/ndjson', 'jsonl'],
  ['application/x-ndjson', 'jsonl'],
  ['application/json-lines', 'jsonl'],
  ['application/json', 'json'],
]);

/**
 * The format a content type means, or null where it is no table's. Case and parameters (`;
 * charset=utf-8`) do not matter.
 */
export function tableFormatOf(contentType: string): TableFormat | null {
  const [type = ''] = contentType.split(';', 1);
  return FORMATS.get(type.trim().toLowerCase()) ?? null;
}

/**
 * What a table may come in and go out as: text, or an Arrow stream
 * (`application/vnd.apache.arrow.stream`). Arrow is met at the borders alone (border.ts): within,
 * its rows are JSON Lines, in which models are given them.
 */
export type BorderFormat = TableFormat | 'arrow';

/** The content type written for each format of the border. */
export const BORDER_TYPES: Readonly<Record<BorderFormat, string>> = {
  ...CONTENT_TYPES,
  arrow: 'application/vnd.apache.arrow.stream',
};

/** An Arrow file is a stream in a frame: it is read as well, and written where it is asked for. */
export const ARROW_FILE_TYPE = 'application/vnd.apache.arrow.file';

/** As `tableFormatOf`, with Arrow. */
export function borderFormatOf(contentType: string): BorderFormat | null {
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase();
  return type === BORDER_TYPES.arrow || type === ARROW_FILE_TYPE ? 'arrow' : tableFormatOf(contentType);
}

/** Where in a table something is wrong; what is left out is not known or does not apply. */
export interface TablePlace {
  /** Data row, 1 for the first. */
  readonly row?: number | null;
  /** Line of the text, 1 for the first. */
  readonly line?: number | null;
  readonly column?: string | null;
  /** Left out: `line N` where a line is known, else the empty pointer, which is the whole table. */
  readonly pointer?: string;
  readonly cause?: unknown;
}

/**
 * A table that cannot be read, written or merged without changing a value. The message says what is
 * wrong, where, and what to do; it may name columns and never repeats a value.
 */
export class TableError extends Error {
  override readonly name = 'TableError';
  /**
   * `line 13` in a text, or a JSON Pointer, which counts from 0: `/11/price` in a JSON document,
   * `/rows/11/price` in rows given as objects.
   */
  readonly pointer: string;
  /** Data row, counted from 1; null where the table as a whole or its header is meant. */
  readonly row: number | null;
  /** Line of the text, counted from 1; null where the table is not text. */
  readonly line: number | null;
  readonly column: string | null;

  constructor(message: string, place: TablePlace = {}) {
    super(message, place.cause === undefined ? undefined : { cause: place.cause });
    this.row = place.row ?? null;
    this.line = place.line ?? null;
    this.column = place.column ?? null;
    this.pointer = place.pointer ?? (this.line === null ? '' : `line ${this.line}`);
  }
}

// A name longer than this is cut in messages, so that a broken header cannot fill a log.
const NAME_LENGTH_MAX = 80;

/** A column's name as messages show it: in quotes, escaped, and cut when it is long. */
export function shownName(name: string): string {
  return JSON.stringify(name.length > NAME_LENGTH_MAX ? `${name.slice(0, NAME_LENGTH_MAX)}…` : name);
}

/** One step of a JSON Pointer (RFC 6901). */
export function pointerStep(name: string): string {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
