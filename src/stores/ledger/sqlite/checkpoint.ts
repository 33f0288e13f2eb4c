// Writing the log into the database, so that the log does not grow for ever. SQLite would do it by
// itself inside a commit, but would keep to itself that it failed (sqlite3WalDefaultHook ignores
// the result), and a failed fsync must be heard of.

import type { DatabaseSync } from 'node:sqlite';
import { failureOf } from '../../sqlite/failures.ts';

/**
 * Pages of log after which it is written back: SQLite's own measure, 4 MiB. Source:
 * SQLITE_DEFAULT_WAL_AUTOCHECKPOINT.
 */
const PAGES = 1_000;

/**
 * Checkpoints of one connection. Between them the log is reused from its start, so it stays as
 * large as its largest round.
 */
export class Checkpoints {
  readonly #pages;
  readonly #write;
  readonly #all;
  #isHeld = false;

  constructor(db: DatabaseSync) {
    this.#pages = db.prepare('PRAGMA wal_checkpoint(NOOP)');
    this.#write = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
    this.#all = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  /** Writes the log back when it is long enough; to be called when nobody waits for an answer. */
  whenLong(): void {
    if (this.#isHeld) return;
    const { log, checkpointed } = this.#pages.get() as { log: number; checkpointed: number };
    if (log - checkpointed >= PAGES) this.now();
  }

  /**
   * Writes all of the log back and leaves the database's file as it is from then on, so that it
   * can be copied: what is committed meanwhile is in the log alone. A disk that is full ends that,
   * since the log may need no more room; the file is touched then, which who copies it sees.
   *
   * @throws Error when there is no room, or somebody reads the log
   */
  hold(): void {
    const { busy } = this.#all.get() as { busy: number };
    if (busy !== 0) throw new Error('something else reads it');
    this.#isHeld = true;
  }

  /** Goes on as before. */
  release(): void {
    this.#isHeld = false;
    this.whenLong();
  }

  /**
   * Writes the log back, if the database has room for it; where it has not, the log stays and goes
   * on growing, and later commits say so.
   *
   * @throws what SQLite throws when it is not room that is missing
   */
  now(): void {
    try {
      this.#write.get();
    } catch (error) {
      if (failureOf(error) !== 'full') throw error;
    }
  }
}
