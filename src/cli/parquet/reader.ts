// Reads Parquet files in a thread of their own, with a limit: a few damaged bytes can say that one
// value stands there a billion times, which the library believes, and it cannot be asked to stop.

import { type Duration, inSeconds, milliseconds, seconds } from '../../domain/time.ts';
import { TableError } from '../../table/format.ts';
import { ThreadQueue } from '../../system/thread-queue.ts';
import { UsageError } from '../failure.ts';
import type { ParquetAnswer } from './worker.ts';

const THREAD = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
/**
 * Longest that a file may take, and how much longer for each megabyte: a hundred times what files
 * take that are whole.
 */
const PATIENCE: Duration = seconds(60);
const PATIENCE_PER_MEBIBYTE: Duration = seconds(5);

const threads = new ThreadQueue();

/**
 * A Parquet file as an Arrow stream.
 *
 * @param patience how long an empty file may take
 * @throws UsageError for bytes that are no such file, or not all of one; TableError for what has no
 *   honest form in JSON
 */
export async function readParquetFile(bytes: Uint8Array, patience = PATIENCE): Promise<Uint8Array> {
  const limit = milliseconds(Math.ceil(patience + (bytes.length / 2 ** 20) * PATIENCE_PER_MEBIBYTE));
  const signal = AbortSignal.timeout(limit);
  const answer = await threads
    .run<ParquetAnswer>({ module: THREAD, request: bytes, signal })
    .catch((cause: unknown) => {
      if (signal.aborted) throw unreadable(`it was not read within ${inSeconds(limit)} s`, cause);
      if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY')
        throw unreadable('it says that it holds more than fits into memory', cause);
      throw cause;
    });
  if ('arrow' in answer) return answer.arrow;
  if ('misfit' in answer) throw new TableError(answer.misfit, answer.place);
  throw new UsageError(answer.unreadable);
}

function unreadable(why: string, cause: unknown): UsageError {
  return new UsageError(
    `The Parquet file cannot be read: ${why}. It may be damaged; look whether pandas or pyarrow reads it, and write it anew with them, or in parts.`,
    { cause },
  );
}
