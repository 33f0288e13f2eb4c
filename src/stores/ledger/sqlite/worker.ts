// The thread that has the connection: it takes a group of calls, commits them together, and answers
// them together.

import { parentPort, workerData } from 'node:worker_threads';
import { Checkpoints } from './checkpoint.ts';
import { failureOf } from '../../sqlite/failures.ts';
import { openDatabase, openToRead } from './open.ts';
import type { OpenedDatabase } from '../../sqlite/read-only.ts';
import { type Parcel, unpack } from './parcel.ts';
import { type Call, commitTogether, openStore, type Reply, type Store } from './verbs.ts';

/** What the thread is told: which file, and whether it may be changed. */
export interface WorkerOrders {
  readonly file: string;
  readonly access: 'write' | 'read';
}

/**
 * What the thread says: that it is open, or could not open (`full`: for want of room); then the
 * replies to one group after the other; and, once and last of all, that the file can no longer be
 * trusted.
 */
export type WorkerMessage =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly reason: string; readonly full: boolean }
  | { readonly kind: 'replies'; readonly replies: readonly Reply[] }
  | { readonly kind: 'broken'; readonly reason: string }
  /** The file stays as it is, or goes on being written; or why that cannot be. */
  | { readonly kind: 'held'; readonly reason: string | null };

const port = parentPort!;
const say = (message: WorkerMessage): void => port.postMessage(message);
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** With SQLite's extended result code, by which its documentation can be searched. */
function reasonOf(error: unknown): string {
  const { errcode } = error as { errcode?: number };
  return errcode === undefined ? textOf(error) : `${textOf(error)} (SQLite ${errcode})`;
}

try {
  const { file, access } = workerData as WorkerOrders;
  const { db, close } = access === 'read' ? openToRead(file) : openToWrite(file);
  const store = openStore(db, access);
  const checkpoints = new Checkpoints(db);
  port.on('message', (message: Parcel | 'close' | 'hold' | 'let-go') => {
    if (message === 'close') {
      close();
      port.close();
      return;
    }
    try {
      if (message === 'hold' || message === 'let-go') hold(checkpoints, message === 'hold');
      else work(store, checkpoints, unpack(message));
    } catch (error) {
      if (message === 'hold' && failureOf(error) !== 'broken') return;
      if (failureOf(error) !== 'broken') throw error;
      // Linux may take the pages of a failed fsync for written, so that the next one succeeds: from
      // here on nothing is written, and nothing is said.
      port.removeAllListeners('message').on('message', () => {});
      say({ kind: 'broken', reason: reasonOf(error) });
    }
  });
  say({ kind: 'open' });
} catch (error) {
  say({ kind: 'refused', reason: whyRefused(error), full: failureOf(error) === 'full' });
}

/** Ours are sentences that name the file; SQLite's own are a few words that do not. */
function whyRefused(error: unknown): string {
  const { file } = workerData as WorkerOrders;
  return (error as { errcode?: number }).errcode === undefined
    ? textOf(error)
    : `${file} cannot be used as a ledger: ${reasonOf(error)}.`;
}

function openToWrite(file: string): OpenedDatabase {
  const db = openDatabase(file);
  return { db, close: () => db.close() };
}

function work(store: Store, checkpoints: Checkpoints, calls: readonly Call[]): void {
  const replies = commitTogether(store, calls);
  // A log that was written back is used again from its start, which is room as well for whoever
  // tries once more.
  if (replies.some((reply) => 'full' in reply)) checkpoints.now();
  say({ kind: 'replies', replies });
  checkpoints.whenLong();
}

function hold(checkpoints: Checkpoints, isHeld: boolean): void {
  try {
    if (isHeld) checkpoints.hold();
    else checkpoints.release();
    say({ kind: 'held', reason: null });
  } catch (error) {
    say({ kind: 'held', reason: reasonOf(error) });
    throw error;
  }
}
