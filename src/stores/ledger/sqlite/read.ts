// Reading what is written down.

import type { DatabaseSync } from 'node:sqlite';
import { maySee, type Viewer } from '../../../domain/access.ts';
import type { RunId } from '../../../domain/ids.ts';
import type { Payload } from '../../../domain/payload.ts';

import {
  type AttemptRecord,
  type Backlog,
  BACKLOG_COUNT_MAX,
  type ChunkRecord,
  type EndpointDepth,
  type RunDetails,
  type RunFilter,
  type RunRecord,
} from '../ledger.ts';
import {
  type AttemptRow,
  type ChunkRow,
  type DepthRow,
  payloadOf,
  type PayloadRow,
  runColumns,
  type RunRow,
  toAttemptRecord,
  toChunkRecord,
  toEndpointDepth,
  toRunRecord,
} from '../rows.ts';
import { Query } from '../../sqlite/query.ts';
import { seenBy, viewerValues } from './viewer.ts';

const RUN = `SELECT ${runColumns('runs')} FROM runs r WHERE r.run_id = $runId`;
const INPUT = `SELECT ${runColumns('runs')}, (SELECT body FROM inputs b WHERE b.run_seq = r.seq) AS body FROM runs r WHERE r.run_id = $runId`;
const OUTPUT = `SELECT ${runColumns('runs')}, (SELECT body FROM outputs b WHERE b.run_seq = r.seq) AS body FROM runs r WHERE r.run_id = $runId`;

// Two statements and not one, so that each walks its own index from the newest run down.
const FILTERS = `
    AND ${seenBy('r')}
    AND ($status IS NULL OR r.status = $status)
    AND ($runName IS NULL OR r.run_name = $runName)
    AND ($createdAfter IS NULL OR r.created_at_ms > $createdAfter)
    AND ($createdBefore IS NULL OR r.created_at_ms < $createdBefore)
    AND ($before IS NULL OR r.seq < $before)
  ORDER BY r.seq DESC
  LIMIT $limit`;
const TOP_LEVEL = `SELECT ${runColumns('runs')} FROM runs r WHERE r.parent_seq IS NULL AND ($endpoint IS NULL OR r.endpoint = $endpoint) ${FILTERS}`;
const CHILDREN = `
  SELECT ${runColumns('runs')} FROM runs r
  WHERE r.parent_seq = (SELECT seq FROM runs WHERE run_id = $parentId) AND ($endpoint IS NULL OR r.endpoint = $endpoint) ${FILTERS}`;

const ATTEMPTS = `
  SELECT attempt, replica, cold_start_ms, started_at_ms, finished_at_ms, stopped_at_ms, outcome, error_type, error_detail
  FROM attempts WHERE run_seq = (SELECT seq FROM runs WHERE run_id = $runId)
  ORDER BY attempt`;
const CHUNKS = `
  SELECT run_id, row_from, row_to, status, error_type, error_detail
  FROM runs WHERE parent_seq = (SELECT seq FROM runs WHERE run_id = $parentId)
  ORDER BY row_from, row_to`;
const AHEAD = `
  SELECT count(*) AS ahead FROM (
    SELECT 1 FROM runs r JOIN runs q ON q.endpoint = r.endpoint AND (q.kind = 'batch') = (r.kind = 'batch') AND q.version = r.version
      AND q.status = 'queued'
    WHERE r.run_id = $runId
      AND (q.priority > r.priority OR (q.priority = r.priority AND (q.turn < r.turn OR (q.turn = r.turn AND q.seq < r.seq))))
    LIMIT ${BACKLOG_COUNT_MAX})`;
const DEPTHS = `
  SELECT e.name AS endpoint, e.queued,
    (SELECT count(*) FROM (SELECT 1 FROM runs q WHERE q.endpoint = e.name AND (q.kind = 'batch') = 0 AND q.status = 'queued'
      LIMIT ${BACKLOG_COUNT_MAX})) AS backlog,
    (SELECT count(*) FROM (SELECT 1 FROM runs a WHERE a.endpoint = e.name AND a.status = 'queued' AND a.alone = 1
      LIMIT ${BACKLOG_COUNT_MAX})) AS alone,
    (SELECT count(*) FROM runs w WHERE w.endpoint = e.name AND w.status = 'running') AS running,
    (SELECT o.created_at_ms FROM runs o WHERE o.endpoint = e.name AND o.status = 'queued' AND o.parent_seq IS NULL
      ORDER BY o.seq LIMIT 1) AS oldest_queued_at_ms
  FROM endpoints e`;
// The index is named, because the planner would go by the one of all that is queued, which has the
// version.
const BACKLOG = `
  SELECT
    (SELECT count(*) FROM (SELECT 1 FROM runs q
      WHERE q.endpoint = $endpoint AND (q.kind = 'batch') = 0 AND q.version = $version AND q.status = 'queued'
      LIMIT ${BACKLOG_COUNT_MAX})) AS waiting,
    (SELECT count(*) FROM (SELECT 1 FROM runs a INDEXED BY runs_to_run_alone
      WHERE a.endpoint = $endpoint AND a.version = $version AND a.status = 'queued' AND a.alone = 1
      LIMIT ${BACKLOG_COUNT_MAX})) AS alone`;
const OPEN = `
  SELECT EXISTS (SELECT 1 FROM runs q WHERE q.endpoint = $endpoint AND (q.kind = 'batch') = 0 AND q.version = $version AND q.status = 'queued')
    OR EXISTS (SELECT 1 FROM runs b WHERE b.endpoint = $endpoint AND (b.kind = 'batch') = 1 AND b.version = $version AND b.status = 'queued')
    OR EXISTS (SELECT 1 FROM runs w WHERE w.endpoint = $endpoint AND w.version = $version AND w.status = 'running') AS open`;

/** Reads runs, attempts and payloads. */
export class Reader {
  readonly #run;
  readonly #input;
  readonly #output;
  readonly #topLevel;
  readonly #children;
  readonly #attempts;
  readonly #chunks;
  readonly #ahead;
  readonly #depths;
  readonly #backlog;
  readonly #open;

  constructor(db: DatabaseSync) {
    this.#run = new Query<RunRow>(db, RUN);
    this.#input = new Query<PayloadRow>(db, INPUT);
    this.#output = new Query<PayloadRow>(db, OUTPUT);
    this.#topLevel = new Query<RunRow>(db, TOP_LEVEL);
    this.#children = new Query<RunRow>(db, CHILDREN);
    this.#attempts = new Query<AttemptRow>(db, ATTEMPTS);
    this.#chunks = new Query<ChunkRow>(db, CHUNKS);
    this.#ahead = new Query<{ ahead: number }>(db, AHEAD);
    this.#depths = new Query<DepthRow>(db, DEPTHS);
    this.#backlog = new Query<Backlog>(db, BACKLOG);
    this.#open = new Query<{ open: number }>(db, OPEN);
  }

  run(runId: RunId, viewer?: Viewer): RunRecord | null {
    const row = this.#run.first({ runId });
    return row === undefined || isHidden(row, viewer) ? null : toRunRecord(row);
  }

  details(runId: RunId, viewer?: Viewer): RunDetails | null {
    const row = this.#output.first({ runId });
    if (row === undefined || isHidden(row, viewer)) return null;
    const ahead = row.status === 'queued' ? this.ahead(runId) : null;
    return { run: toRunRecord(row), attempts: this.attempts(runId), ahead, output: row.body };
  }

  runs(filter: RunFilter): RunRecord[] {
    const { parentId } = filter;
    const values = {
      ...viewerValues(filter.viewer),
      endpoint: filter.endpoint ?? null,
      status: filter.status ?? null,
      runName: filter.runName ?? null,
      createdAfter: filter.createdAfter ?? null,
      createdBefore: filter.createdBefore ?? null,
      before: filter.before ?? null,
      limit: filter.limit,
    };
    const rows = parentId === undefined ? this.#topLevel.all(values) : this.#children.all({ ...values, parentId });
    return rows.map(toRunRecord);
  }

  attempts(runId: RunId): AttemptRecord[] {
    return this.#attempts.all({ runId }).map(toAttemptRecord);
  }

  payload(runId: RunId, role: 'input' | 'output'): Payload | null {
    const statement = role === 'input' ? this.#input : this.#output;
    const row = statement.first({ runId });
    return row === undefined ? null : payloadOf(row, role);
  }

  chunks(parentId: RunId): ChunkRecord[] {
    return this.#chunks.all({ parentId }).map(toChunkRecord);
  }

  ahead(runId: RunId): number {
    return this.#ahead.only({ runId }).ahead;
  }

  hasOpenRuns(endpoint: string, version: number): boolean {
    return this.#open.only({ endpoint, version }).open === 1;
  }

  backlog(endpoint: string, version: number): Backlog {
    return this.#backlog.only({ endpoint, version });
  }

  depths(): EndpointDepth[] {
    return this.#depths.all().map(toEndpointDepth);
  }
}

const isHidden = (row: RunRow, viewer: Viewer | undefined): boolean => viewer !== undefined && !maySee(viewer, row);
