// The thread of a server that has the file with answers.

import { parentPort, workerData } from 'node:worker_threads';
import { systemClock, unset } from '../../system/clock.ts';
import { isStorageTrouble, StorageFull } from '../../domain/errors.ts';
import { openSqliteCache } from './sqlite.ts';
import type { CacheStore } from '../../cache/port.ts';

/** What the thread is told: which file, and beside which ledger. */
export interface CacheOrders {
  readonly file: string;
  readonly ledger: string | null;
}

/** A call on its way to the thread. */
export interface CacheCall {
  readonly id: number;
  readonly verb: keyof CacheStore;
  readonly args: readonly unknown[];
}

/** What the thread says: that it is open or could not open, and the outcome of each call. */
export type CacheMessage =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly reason: string;
      readonly full: boolean;
      readonly away: boolean;
    };

const port = parentPort!;
const say = (message: CacheMessage): void => port.postMessage(message);
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function answer(store: CacheStore, { id, verb, args }: CacheCall): Promise<void> {
  try {
    const value = await (store[verb] as (...args: readonly unknown[]) => Promise<unknown>)(...args);
    say({ kind: 'done', id, value });
  } catch (error) {
    say({
      kind: 'failed',
      id,
      reason: reasonOf(error),
      full: error instanceof StorageFull,
      away: isStorageTrouble(error),
    });
  }
  if (verb === 'close') port.close();
}

try {
  const { file, ledger } = workerData as CacheOrders;
  const store = openSqliteCache(file, unset(systemClock), ledger);
  port.on('message', (call: CacheCall) => void answer(store, call));
  say({ kind: 'open' });
} catch (error) {
  say({ kind: 'refused', reason: reasonOf(error) });
}
