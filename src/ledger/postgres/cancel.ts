// Cancelling runs, and the chunks that go with them. The rows are locked first, and everything is looked at only then and by other
// statements: one that waits for a lock sees other tables as they were before it waited, without the attempt of a claim it waited for.

import type { RunId } from '../../domain/ids.ts';
import type { RunKind, RunStatus } from '../../domain/run.ts';
import type { Cancelled, Claim } from '../ledger.ts';
import type { Connections, Statement, Writer } from './connections.ts';
import { changePlaces } from './places.ts';

const BATCHES: Statement = {
  name: 'claimcheck_batches_to_cancel',
  text: `SELECT run_id FROM claimcheck.runs WHERE run_id = ANY($1::text[]) AND kind = 'batch'`,
};
const LOCK: Statement = {
  name: 'claimcheck_lock_to_cancel',
  text: `
  SELECT seq, run_id, kind, endpoint, status, attempt
  FROM claimcheck.runs
  WHERE run_id = ANY($1::text[])
  ORDER BY seq
  FOR NO KEY UPDATE`,
};
const LOCK_CHILDREN: Statement = {
  name: 'claimcheck_lock_children_to_cancel',
  text: `
  SELECT seq, run_id, kind, endpoint, status, attempt
  FROM claimcheck.runs
  WHERE parent_seq = ANY($1::bigint[]) AND status IN ('queued', 'running')
  ORDER BY seq
  FOR NO KEY UPDATE`,
};
const CANCEL: Statement = {
  name: 'claimcheck_cancel',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  ended AS (
    UPDATE claimcheck.attempts a SET finished_at_ms = clock.now_ms, outcome = 'cancelled'
    FROM claimcheck.runs r CROSS JOIN clock
    WHERE r.seq = ANY($1::bigint[]) AND r.status = 'running'
      AND a.run_seq = r.seq AND a.attempt = r.attempt AND a.outcome IS NULL)
  UPDATE claimcheck.runs r SET status = 'cancelled', finished_at_ms = clock.now_ms, owner = NULL, lease_until_ms = NULL
  FROM clock
  WHERE r.seq = ANY($1::bigint[]) AND r.status IN ('queued', 'running')`,
};

/** A locked run. */
interface Found {
  readonly seq: number;
  readonly run_id: string;
  readonly kind: RunKind;
  readonly endpoint: string;
  readonly status: RunStatus;
  readonly attempt: number;
}

/** Cancels runs. */
export class Cancellation {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /**
   * Cancels what several callers ask for. Where two ask for the same run, the first of them has it. Done again after a lost
   * connection it answers 'already-cancelled'; who works on the run hears of it when its lease is renewed.
   */
  async cancel(runIds: readonly RunId[]): Promise<Cancelled[]> {
    const cancelled = new Map<string, Cancelled>();
    for (const group of await this.#grouped([...new Set(runIds)])) {
      const { runs, children } = await this.#connections.untilKnown(() => this.#cancel(group));
      for (const run of runs) cancelled.set(run.run_id, toCancelled(run, children));
    }
    return runIds.map((runId, place) => {
      const answer = cancelled.get(runId) ?? { result: 'unknown' };
      const isSecond = runIds.indexOf(runId) < place;
      return isSecond && answer.result === 'cancelled' ? { result: 'already-cancelled' } : answer;
    });
  }

  /** Each batch alone, because its chunks are locked after it: with other runs locked before them, the order would be broken. */
  async #grouped(runIds: readonly RunId[]): Promise<RunId[][]> {
    if (runIds.length === 1) return [[...runIds]];
    const rows = await this.#connections.read<{ run_id: string }>(BATCHES, [runIds]);
    const batches = new Set(rows.map(({ run_id: runId }) => runId));
    const others = runIds.filter((runId) => !batches.has(runId));
    return [...(others.length > 0 ? [others] : []), ...runIds.filter((id) => batches.has(id)).map((id) => [id])];
  }

  #cancel(runIds: readonly RunId[]): Promise<{ runs: readonly Found[]; children: readonly Found[] }> {
    return this.#connections.transaction(async (writer) => {
      const runs = await writer.write<Found>(LOCK, [runIds]);
      const open = runs.filter(isOpen);
      const children = await lockChildren(writer, open);
      await cancelLocked(writer, [...open, ...children]);
      const queued = open.filter(({ status, kind }) => status === 'queued' && kind !== 'chunk');
      await changePlaces(
        writer,
        queued.map(({ endpoint }) => endpoint),
        -1,
      );
      return { runs, children };
    });
  }
}

function toCancelled(run: Found, children: readonly Found[]): Cancelled {
  if (run.status === 'cancelled') return { result: 'already-cancelled' };
  return isOpen(run) ? { result: 'cancelled', stopped: [run, ...children].flatMap(claimOf) } : { result: 'ended' };
}

/** Cancels the chunks that are left of batches that have ended, in the transaction that ended them. */
export async function cancelChildren(
  writer: Writer,
  batches: readonly { readonly seq: number; readonly kind: RunKind }[],
): Promise<void> {
  await cancelLocked(writer, await lockChildren(writer, batches));
}

async function lockChildren(
  writer: Writer,
  runs: readonly { readonly seq: number; readonly kind: RunKind }[],
): Promise<Found[]> {
  const batches = runs.filter(({ kind }) => kind === 'batch').map(({ seq }) => seq);
  return batches.length === 0 ? [] : writer.write<Found>(LOCK_CHILDREN, [batches]);
}

async function cancelLocked(writer: Writer, runs: readonly Found[]): Promise<void> {
  if (runs.length > 0) await writer.write(CANCEL, [runs.map(({ seq }) => seq)]);
}

const isOpen = ({ status }: Found): boolean => status === 'queued' || status === 'running';

const claimOf = ({ status, run_id: runId, attempt }: Found): Claim[] =>
  status === 'running' ? [{ runId: runId as RunId, attempt }] : [];
