// Deletes what nobody needs any more: payloads, logs and lines of runs whose time is over, and
// blobs that no run names.
//
// A blob is left behind where a server died between two steps: after it was stored and before its
// run was, or after the ledger had released it and before it was deleted. Both leave a blob that no
// run names, and the hourly pass finds it. Logs go with the payloads of their run, and nobody is
// shown them from then on; those that were left behind are found by that pass as well.

import { type BlobStore, ORPHAN_AGE, runIdOf } from '../stores/blobs/blobs.ts';
import { type Clock, jitter } from '../system/clock.ts';
import { Rounds } from '../system/loops.ts';
import { isEnded } from '../domain/run.ts';
import type { BlobKey } from '../domain/payload.ts';
import { between, type Duration, milliseconds, minutes, seconds } from '../domain/time.ts';
import type { LogsOfRun, RetentionLedger, RunReader } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { FolderRights } from '../stores/disk/folder-rights.ts';
import type { RunLogs } from '../stores/run-logs/run-logs.ts';

/** Pause between two rounds: how much longer than it was promised a payload may be kept. */
const PAUSE: Duration = minutes(1);
/**
 * The first round comes within this time, so that servers which start together do not all come at
 * once.
 */
const FIRST_WITHIN: Duration = seconds(5);
/** Every so many rounds, which is once an hour, all blobs are looked through. */
const ROUNDS_PER_PASS = 60;
/** Blobs that the ledger is asked about at a time, so that it is never kept for long. */
const ASK_MAX = 500;

/** Said where the folder has been given to another ledger under a server that works. */
const NOT_OURS =
  'the data folder belongs to another ledger by now: nothing in it is deleted. Stop this server, and name the folder of its ledger with --data';

/** What the collector works with. */
export interface CollectorDeps {
  readonly ledger: RetentionLedger & RunReader;
  readonly blobs: BlobStore;
  readonly logs: RunLogs;
  readonly clock: Clock;
  readonly log: Log;
  readonly folder: FolderRights;
}

/** Collects until it is stopped. */
export class Collector {
  readonly #deps: CollectorDeps;
  readonly #rounds = new Rounds(() => this.#collect(), PAUSE);
  // Somewhere in the first hour: a server that is restarted more often than that has its turn all
  // the same.
  #roundsToPass = Math.floor(jitter() * ROUNDS_PER_PASS);

  constructor(deps: CollectorDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#rounds.start(milliseconds(jitter() * FIRST_WITHIN));
  }

  /**
   * Resolves when what was begun is over: after the blob or the call of the ledger that it is at.
   */
  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /** Deletes everything whose time is over. */
  async collect(): Promise<void> {
    const { ledger, folder } = this.#deps;
    while (!this.#rounds.stopped && !folder.isCopied()) {
      const { runs, blobs, logs } = await ledger.collect();
      // Asked again: a copy that was begun meanwhile may name them. Then they are orphans from now
      // on.
      if (!folder.isCopied()) await this.#delete(blobs);
      await this.#deleteLogsOf(logs);
      if (runs === 0) return;
    }
  }

  /**
   * Looks through all blobs for those that are older than ORPHAN_AGE and that no run names, and
   * deletes them.
   */
  async deleteOrphans(): Promise<void> {
    const { blobs, clock, log, folder } = this.#deps;
    const since = folder.since();
    if (since === null) return log.error({}, NOT_OURS);
    let deleted = 0;
    let group: BlobKey[] = [];
    const flush = async (): Promise<void> => {
      const orphans = await this.#orphansAmong(group);
      group = [];
      await this.#delete(orphans);
      deleted += orphans.length;
    };
    for await (const { key, storedAt } of blobs.list()) {
      if (this.#rounds.stopped || folder.isCopied()) break;
      if (storedAt > since && between(storedAt, clock.now()) > ORPHAN_AGE) group.push(key);
      if (group.length >= ASK_MAX) await flush();
    }
    if (!folder.isCopied()) await flush();
    if (deleted > 0) log.info({ blobs: deleted }, 'blobs that no run names were deleted');
  }

  /**
   * Looks through all logs for those of runs whose payloads are gone, or that are gone themselves,
   * and deletes them.
   */
  async deleteLogs(): Promise<void> {
    const { ledger, logs, clock, folder } = this.#deps;
    const since = folder.since();
    if (since === null) return;
    for await (const file of logs.list()) {
      if (this.#rounds.stopped) return;
      // One that was just written to belongs to a run that goes on.
      if (between(file.writtenAt, clock.now()) <= ORPHAN_AGE) continue;
      const run = await ledger.run(file.runId);
      if (run === null ? file.writtenAt > since : !run.payloadsKept) await logs.delete(file);
    }
  }

  async #collect(): Promise<void> {
    try {
      await this.collect();
      this.#roundsToPass -= 1;
      if (this.#roundsToPass >= 0) return;
      this.#roundsToPass = ROUNDS_PER_PASS - 1;
      await this.deleteOrphans();
      await this.deleteLogs();
    } catch (error) {
      this.#deps.log.error({ err: error }, 'what nobody needs any more could not be deleted');
    }
  }

  /**
   * Those that no run names or ever will. While a run goes on, its last output may be stored and
   * not yet named, however old it is: a full disk keeps an outcome waiting. So such a run's blobs
   * are left for another pass, and the others are asked for once more: one of them may have been
   * named, and its run have ended, since they were asked for first.
   */
  async #orphansAmong(blobs: readonly BlobKey[]): Promise<BlobKey[]> {
    const { ledger } = this.#deps;
    const settled: BlobKey[] = [];
    for (const blob of await this.#unreferenced(blobs)) {
      const run = await ledger.run(runIdOf(blob)!);
      if (run === null || isEnded(run.status)) settled.push(blob);
    }
    return this.#unreferenced(settled);
  }

  async #unreferenced(blobs: readonly BlobKey[]): Promise<BlobKey[]> {
    // Somebody else's files are none of our business.
    const ours = blobs.filter((blob) => runIdOf(blob) !== null);
    return ours.length === 0 ? [] : this.#deps.ledger.unreferenced(ours);
  }

  /** Logs that cannot be deleted are found by the hourly pass. */
  async #deleteLogsOf(runs: readonly LogsOfRun[]): Promise<void> {
    const { logs, log } = this.#deps;
    for (const { runId, attempts } of runs)
      await logs
        .deleteOf(runId, attempts)
        .catch((error: unknown) => log.warn({ err: error, run_id: runId }, 'the logs of a run could not be deleted'));
  }

  /** A blob that cannot be deleted is an orphan from now on: the hourly pass tries again. */
  async #delete(blobs: readonly BlobKey[]): Promise<void> {
    const { blobs: store, log } = this.#deps;
    for (const blob of blobs) {
      await store.delete(blob).catch((error: unknown) => log.warn({ err: error, blob }, 'a blob could not be deleted'));
    }
  }
}
