// Cancelling runs, and the chunks that go with them. The rows are locked first, and everything is
// looked at only then and by other statements: one that waits for a lock sees other tables as they
// were before it waited, without the attempt of a claim it waited for.

import type { RunId } from '../../../domain/ids.ts';
import type { EndedStatus, RunKind } from '../../../domain/run.ts';
import { type Cancelled, type Claim, PURGE_MAX, type Purged, type QueueFilter } from '../ledger.ts';
import type { Connections, Statement, Writer } from '../../postgres/connections.ts';
import { ending, withoutOutput } from './endings.ts';
import type { Hints } from './hints.ts';
import { changePlaces } from './places.ts';

// A queued batch without chunks has none either when it is locked: it would have had to be claimed
// meanwhile, and queued again.
const BATCHES: Statement = {
  name: 'claimcheck_batches_to_cancel',
  text: `
  SELECT r.run_id FROM claimcheck.open_runs r
  WHERE r.run_id = ANY($1::text[]) AND r.kind = 'batch'
    AND ($2::text IS NULL OR EXISTS (SELECT 1 FROM claimcheck.open_runs c WHERE c.parent_seq = r.seq))`,
};
const LOCK: Statement = {
  name: 'claimcheck_lock_to_cancel',
  text: `
  SELECT seq, run_id, kind, status, attempt
  FROM claimcheck.open_runs
  WHERE run_id = ANY($1::text[]) AND ($2::text IS NULL OR status = $2)
  ORDER BY seq
  FOR UPDATE`,
};
const LOCK_CHILDREN: Statement = {
  name: 'claimcheck_lock_children_to_cancel',
  text: `
  SELECT seq, run_id, kind, status, attempt
  FROM claimcheck.open_runs
  WHERE parent_seq = ANY($1::bigint[])
  ORDER BY seq
  FOR UPDATE`,
};
const CANCEL: Statement = {
  name: 'claimcheck_cancel',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  locked AS MATERIALIZED (
    SELECT r.seq, r.run_id, r.attempt, r.status, r.kind, r.endpoint, r.parent_seq
    FROM claimcheck.open_runs r WHERE r.seq = ANY($1::bigint[])),
  noted AS (
    UPDATE claimcheck.attempts a SET finished_at_ms = clock.now_ms, outcome = 'cancelled'
    FROM locked f CROSS JOIN clock
    WHERE a.run_seq = f.seq AND a.attempt = f.attempt AND f.status = 'running' AND a.outcome IS NULL),
  ${ending('locked', 'TRUE', { ...withoutOutput, status: `'cancelled'`, error_type: 'NULL::text', error_detail: 'NULL::text' })},
  ${changePlaces(`SELECT endpoint, -count(*)::integer AS places FROM locked WHERE status = 'queued' AND kind <> 'chunk' GROUP BY endpoint`)}
  SELECT f.run_id, (SELECT p.run_id FROM claimcheck.runs p WHERE p.seq = f.parent_seq) AS parent_id FROM locked f`,
};
const ENDED: Statement = {
  name: 'claimcheck_ended',
  text: `SELECT run_id, status FROM claimcheck.ended_runs WHERE run_id = ANY($1::text[])`,
};

const QUEUED = `
  FROM claimcheck.open_runs
  WHERE endpoint = $1 AND status = 'queued' AND parent_seq IS NULL
    AND ($2::bigint IS NULL OR created_at_ms < $2) AND ($3::text IS NULL OR run_name = $3)
    AND ($4::text IS NULL OR tenant = $4) AND ($5::text[] IS NULL OR endpoint = ANY($5))`;
const FIND_QUEUED: Statement = {
  name: 'claimcheck_find_queued',
  text: `SELECT run_id ${QUEUED} ORDER BY seq LIMIT ${PURGE_MAX}`,
};
const COUNT_QUEUED: Statement = { name: 'claimcheck_count_queued', text: `SELECT count(*) AS queued ${QUEUED}` };

/** A run that is open and locked. */
interface Locked {
  readonly seq: number;
  readonly run_id: RunId;
  readonly kind: RunKind;
  readonly status: 'queued' | 'running';
  readonly attempt: number;
}

/** A run that was cancelled. */
export interface CancelledRow {
  readonly run_id: RunId;
  readonly parent_id: RunId | null;
}

/** Cancels runs. */
export class CancelVerbs {
  readonly #connections: Connections;
  readonly #hints: Hints;

  constructor(connections: Connections, hints: Hints) {
    this.#connections = connections;
    this.#hints = hints;
  }

  /**
   * Cancels what several callers ask for. Where two ask for the same run, the first of them has it.
   * Done again after a lost connection it answers 'already-cancelled'; who works on the run hears
   * of it when its lease is renewed.
   */
  async cancel(runIds: readonly RunId[]): Promise<Cancelled[]> {
    const wanted = [...new Set(runIds)];
    const stopped = await this.#cancelOpen(wanted, null);
    const others = wanted.filter((runId) => !stopped.has(runId));
    const rows =
      others.length === 0 ? [] : await this.#connections.read<{ run_id: RunId; status: EndedStatus }>(ENDED, [others]);
    const ended = new Map(rows.map((row) => [row.run_id, row.status]));
    return runIds.map((runId, place) => {
      const claims = stopped.get(runId);
      if (claims !== undefined)
        return runIds.indexOf(runId) < place
          ? { result: 'already-cancelled' }
          : { result: 'cancelled', stopped: claims };
      const status = ended.get(runId);
      if (status === undefined) return { result: 'unknown' };
      return { result: status === 'cancelled' ? 'already-cancelled' : 'ended' };
    });
  }

  /** A run that is claimed after it was found is no longer queued, and stays. */
  async purge(filter: QueueFilter): Promise<Purged> {
    const rows = await this.#connections.read<{ run_id: RunId }>(FIND_QUEUED, valuesOf(filter));
    const found = rows.map(({ run_id: runId }) => runId);
    const stopped = await this.#cancelOpen(found, 'queued');
    return { cancelled: found.filter((runId) => stopped.has(runId)), stopped: [...stopped.values()].flat() };
  }

  async countQueued(filter: QueueFilter): Promise<number> {
    return (await this.#connections.read<{ queued: number }>(COUNT_QUEUED, valuesOf(filter)))[0]!.queued;
  }

  /**
   * Cancels those that are open, or only those that are queued; answers for each what was running:
   * itself and its chunks.
   */
  async #cancelOpen(runIds: readonly RunId[], status: 'queued' | null): Promise<ReadonlyMap<RunId, readonly Claim[]>> {
    const stopped = new Map<RunId, readonly Claim[]>();
    for (const group of await this.#grouped(runIds, status)) {
      const done = await this.#connections.untilKnown(() => this.#cancelGroup(group, status));
      for (const { run_id: runId, parent_id: parentId } of done.cancelled) this.#hints.ended(runId, parentId);
      for (const run of done.runs) stopped.set(run.run_id, [run, ...done.children].flatMap(claimOf));
    }
    return stopped;
  }

  /**
   * Each batch alone, because its chunks are locked after it: with other runs locked before them,
   * the order would be broken.
   */
  async #grouped(runIds: readonly RunId[], status: 'queued' | null): Promise<(readonly RunId[])[]> {
    if (runIds.length <= 1) return runIds.length === 0 ? [] : [runIds];
    const rows = await this.#connections.read<{ run_id: RunId }>(BATCHES, [runIds, status]);
    const batches = new Set(rows.map(({ run_id: runId }) => runId));
    const others = runIds.filter((runId) => !batches.has(runId));
    return [...(others.length > 0 ? [others] : []), ...runIds.filter((id) => batches.has(id)).map((id) => [id])];
  }

  #cancelGroup(runIds: readonly RunId[], status: 'queued' | null) {
    return this.#connections.transaction(async (writer) => {
      const runs = await writer.write<Locked>(LOCK, [runIds, status]);
      const children = await lockChildren(writer, runs);
      return { runs, children, cancelled: await cancelLocked(writer, [...runs, ...children]) };
    });
  }
}

/**
 * Cancels the chunks that are left of batches that have ended, in the transaction that ended them.
 */
export async function cancelChildren(
  writer: Writer,
  ended: readonly { readonly seq: number; readonly kind: RunKind }[],
): Promise<readonly CancelledRow[]> {
  return cancelLocked(writer, await lockChildren(writer, ended));
}

async function lockChildren(
  writer: Writer,
  runs: readonly { readonly seq: number; readonly kind: RunKind }[],
): Promise<readonly Locked[]> {
  const batches = runs.filter(({ kind }) => kind === 'batch').map(({ seq }) => seq);
  return batches.length === 0 ? [] : writer.write<Locked>(LOCK_CHILDREN, [batches]);
}

async function cancelLocked(writer: Writer, runs: readonly Locked[]): Promise<readonly CancelledRow[]> {
  return runs.length === 0 ? [] : writer.write<CancelledRow>(CANCEL, [runs.map(({ seq }) => seq)]);
}

const claimOf = ({ status, run_id: runId, attempt }: Locked): Claim[] =>
  status === 'running' ? [{ runId, attempt }] : [];

const valuesOf = ({ viewer, endpoint, createdBefore, runName }: QueueFilter): unknown[] => [
  endpoint,
  createdBefore ?? null,
  runName ?? null,
  viewer?.tenant ?? null,
  viewer?.endpoints ?? null,
];
