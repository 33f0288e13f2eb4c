// Evaluation data as it lies on the disk: a CSV or JSON Lines file that the endpoint's
// configuration names.

import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { formatBytes } from '../domain/bytes.ts';
import type { EndpointSpec } from '../domain/endpoint.ts';
import { TableError, type TableFormat } from '../table/format.ts';
import { type Holdout, holdoutOf } from './holdout.ts';

/**
 * Longest file, in bytes: it is read whole whenever rows of it are asked for, to try an endpoint on
 * a few of them.
 */
const BYTES_MAX = 64 * 2 ** 20;

const FORMATS: Readonly<Record<string, TableFormat>> = { '.csv': 'csv', '.jsonl': 'jsonl', '.ndjson': 'jsonl' };

/**
 * The rows of an endpoint's evaluation data that are held out; null where it has none, and a
 * mistake where they cannot be had.
 */
export async function readEvaluation({
  scoring,
  features,
}: Pick<EndpointSpec, 'scoring' | 'features'>): Promise<Holdout | { readonly mistake: string } | null> {
  if (scoring === undefined || scoring.evaluation === null) return null;
  const file = scoring.evaluation;
  const of = (mistake: string): { mistake: string } => ({ mistake: `${file} ${mistake}` });
  const format = FORMATS[extname(file).toLowerCase()];
  if (format === undefined) return of('is no evaluation data: name a .csv or .jsonl file');
  try {
    const { size } = await stat(file);
    if (size > BYTES_MAX)
      return of(`has ${formatBytes(size)}; at most ${formatBytes(BYTES_MAX)} are read to try an endpoint on`);
    const found = holdoutOf({ bytes: await readFile(file), format }, { ...scoring, features });
    return 'mistake' in found ? of(found.mistake) : found;
  } catch (cause) {
    if (cause instanceof TableError) return of(`cannot be read: ${cause.message}`);
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause;
    return of(code === 'ENOENT' ? 'does not exist' : `cannot be read: ${message}`);
  }
}
