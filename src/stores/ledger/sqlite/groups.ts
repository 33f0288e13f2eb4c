// The side that has the database: it takes a group of calls, commits them together, and answers
// them together.

import type { MessagePort } from 'node:worker_threads';
import { Checkpoints } from './checkpoint.ts';
import { failureOf } from '../../sqlite/failures.ts';
import { openDatabase, openToRead } from './open.ts';
import type { OpenedDatabase } from '../../sqlite/read-only.ts';
import { type Parcel, unpack } from './parcel.ts';
import { type Call, commitTogether, openStore, type Reply, type Store } from './verbs.ts';

/** Which file is opened, and whether it may be changed. */
export interface Orders {
  readonly file: string;
  readonly access: 'write' | 'read';
}

/** What is asked of this side beside groups of calls. */
type Request = 'close' | 'hold' | 'let-go';

/**
 * What this side says: that the file is open, or could not be opened (`full`: for want of room);
 * then the replies to one group after the other; and, once and last of all, that the file can no
 * longer be trusted.
 */
export type Answer =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly reason: string; readonly full: boolean }
  | { readonly kind: 'replies'; readonly replies: readonly Reply[] }
  | { readonly kind: 'broken'; readonly reason: string }
  /** The file stays as it is, or goes on being written; or why that cannot be. */
  | { readonly kind: 'held'; readonly reason: string | null };

type Say = (answer: Answer) => void;

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
/** Of an error that is a mistake of ours. */
const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** With SQLite's extended result code, by which its documentation can be searched. */
function reasonOf(error: unknown): string {
  const { errcode } = error as { errcode?: number };
  return errcode === undefined ? textOf(error) : `${textOf(error)} (SQLite ${errcode})`;
}

/** Opens a file, and answers what comes through a port until it is closed. */
export function answerGroups(port: MessagePort, orders: Orders): void {
  const say: Say = (answer) => port.postMessage(answer);
  try {
    const { db, close } = orders.access === 'read' ? openToRead(orders.file) : openToWrite(orders.file);
    const store = openStore(db, orders.access);
    const checkpoints = new Checkpoints(db);
    port.on('message', (message: Parcel | Request) => {
      if (message === 'close') {
        close();
        port.close();
        return;
      }
      try {
        if (message === 'hold' || message === 'let-go') hold(say, checkpoints, message === 'hold');
        else work(say, store, checkpoints, unpack(message));
      } catch (error) {
        const isBroken = failureOf(error) === 'broken';
        if (message === 'hold' && !isBroken) return;
        // Linux may take the pages of a failed fsync for written, so that the next one succeeds:
        // from here on nothing is written, and nothing is said.
        port.removeAllListeners('message').on('message', () => {});
        say({ kind: 'broken', reason: isBroken ? reasonOf(error) : stackOf(error) });
      }
    });
    say({ kind: 'open' });
  } catch (error) {
    say({ kind: 'refused', reason: whyRefused(error, orders), full: failureOf(error) === 'full' });
  }
}

/** Ours are sentences that name the file; SQLite's own are a few words that do not. */
function whyRefused(error: unknown, { file }: Orders): string {
  return (error as { errcode?: number }).errcode === undefined
    ? textOf(error)
    : `${file} cannot be used as a ledger: ${reasonOf(error)}.`;
}

function openToWrite(file: string): OpenedDatabase {
  const db = openDatabase(file);
  return { db, close: () => db.close() };
}

function work(say: Say, store: Store, checkpoints: Checkpoints, calls: readonly Call[]): void {
  const replies = commitTogether(store, calls);
  // A log that was written back is used again from its start, which is room as well for
  // calls that try once more.
  if (replies.some((reply) => 'full' in reply)) checkpoints.now();
  say({ kind: 'replies', replies });
  checkpoints.whenLong();
}

function hold(say: Say, checkpoints: Checkpoints, isHeld: boolean): void {
  try {
    if (isHeld) checkpoints.hold();
    else checkpoints.release();
    say({ kind: 'held', reason: null });
  } catch (error) {
    say({ kind: 'held', reason: reasonOf(error) });
    throw error;
  }
}
