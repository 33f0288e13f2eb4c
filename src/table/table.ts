// Picks the code of a format.
import type { TableCodec } from './codec.ts';
import { csvCodec } from './csv/csv.ts';
import type { TableFormat } from './format.ts';
import { jsonCodec } from './json/json.ts';
import { jsonlCodec } from './json/jsonl.ts';

const CODECS: Readonly<Record<TableFormat, TableCodec>> = { csv: csvCodec, jsonl: jsonlCodec, json: jsonCodec };

/** What reads and writes tables of this format. */
export function codecOf(format: TableFormat): TableCodec {
  return CODECS[format];
}
