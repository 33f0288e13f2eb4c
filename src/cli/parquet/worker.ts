// The thread in which a Parquet file is read: one file, one answer.

import { parentPort, workerData } from 'node:worker_threads';
import { TableError, type TablePlace } from '../../table/format.ts';
import { UsageError } from '../failure.ts';
import { arrowFromParquet } from './parquet.ts';

/** The Arrow stream, or why there is none. */
export type ParquetAnswer =
  | { readonly arrow: Uint8Array }
  | { readonly unreadable: string }
  | { readonly misfit: string; readonly place: TablePlace };

async function answer(bytes: Uint8Array): Promise<ParquetAnswer> {
  try {
    return { arrow: await arrowFromParquet(bytes) };
  } catch (error) {
    if (error instanceof UsageError) return { unreadable: error.message };
    if (!(error instanceof TableError)) throw error;
    const { message, row, line, column, pointer } = error;
    return { misfit: message, place: { row, line, column, pointer } };
  }
}

parentPort!.postMessage(await answer(workerData as Uint8Array));
