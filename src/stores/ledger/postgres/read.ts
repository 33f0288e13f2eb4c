// Reading what is written down.

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
import type { Connections, Statement } from '../../postgres/connections.ts';
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

const RUNS_BY_ID: Statement = {
  name: 'claimcheck_runs_by_id',
  text: `SELECT ${runColumns('claimcheck.runs')} FROM claimcheck.runs r WHERE r.run_id = ANY($1::text[])`,
};
const DETAILS_BY_ID: Statement = {
  name: 'claimcheck_details_by_id',
  text: `
  SELECT ${runColumns('claimcheck.runs')}, o.body,
    (SELECT coalesce(json_agg(a ORDER BY a.attempt), '[]') FROM (
      SELECT attempt, replica, cold_start_ms, started_at_ms, finished_at_ms, stopped_at_ms, outcome, error_type, error_detail
      FROM claimcheck.attempts WHERE run_seq = r.seq) a) AS attempts
  FROM claimcheck.runs r LEFT JOIN claimcheck.outputs o ON o.run_seq = r.seq
  WHERE r.run_id = ANY($1::text[])`,
};
const INPUT: Statement = {
  name: 'claimcheck_input',
  text: `
  SELECT ${runColumns('claimcheck.runs')}, b.body FROM claimcheck.runs r LEFT JOIN claimcheck.inputs b ON b.run_seq = r.seq WHERE r.run_id = $1`,
};
const OUTPUT: Statement = {
  name: 'claimcheck_output',
  text: `
  SELECT ${runColumns('claimcheck.runs')}, b.body FROM claimcheck.runs r LEFT JOIN claimcheck.outputs b ON b.run_seq = r.seq WHERE r.run_id = $1`,
};

const FILTERS = `
    AND ($2::text IS NULL OR r.status = $2)
    AND ($3::text IS NULL OR r.run_name = $3)
    AND ($4::bigint IS NULL OR r.created_at_ms > $4)
    AND ($5::bigint IS NULL OR r.created_at_ms < $5)
    AND ($6::bigint IS NULL OR r.seq < $6)
    AND ($8::text IS NULL OR r.tenant = $8)
    AND ($9::text[] IS NULL OR r.endpoint = ANY($9))
  ORDER BY r.seq DESC
  LIMIT $7`;
// Three statements and not one, so that each walks its own index from the newest run down.
const ALL_RUNS: Statement = {
  name: 'claimcheck_all_runs',
  text: `SELECT ${runColumns('claimcheck.runs')} FROM claimcheck.runs r WHERE r.parent_seq IS NULL AND $1::text IS NULL ${FILTERS}`,
};
const RUNS_OF_ENDPOINT: Statement = {
  name: 'claimcheck_runs_of_endpoint',
  text: `SELECT ${runColumns('claimcheck.runs')} FROM claimcheck.runs r WHERE r.parent_seq IS NULL AND r.endpoint = $1 ${FILTERS}`,
};
const CHILDREN: Statement = {
  name: 'claimcheck_children',
  text: `
  SELECT ${runColumns('claimcheck.runs')} FROM claimcheck.runs r
  WHERE r.parent_seq = (SELECT seq FROM claimcheck.runs WHERE run_id = $10) AND ($1::text IS NULL OR r.endpoint = $1) ${FILTERS}`,
};

const ATTEMPTS: Statement = {
  name: 'claimcheck_attempts',
  text: `
  SELECT attempt, replica, cold_start_ms, started_at_ms, finished_at_ms, stopped_at_ms, outcome, error_type, error_detail
  FROM claimcheck.attempts WHERE run_seq = (SELECT seq FROM claimcheck.runs WHERE run_id = $1)
  ORDER BY attempt`,
};
const CHUNKS: Statement = {
  name: 'claimcheck_chunks',
  text: `
  SELECT run_id, row_from, row_to, status, error_type, error_detail
  FROM claimcheck.runs WHERE parent_seq = (SELECT seq FROM claimcheck.runs WHERE run_id = $1)
  ORDER BY row_from, row_to`,
};
const AHEAD: Statement = {
  name: 'claimcheck_ahead',
  text: `
  SELECT count(*) AS ahead FROM (
    SELECT 1
    FROM claimcheck.runs r
    JOIN claimcheck.open_runs q ON q.endpoint = r.endpoint AND (q.kind = 'batch') = (r.kind = 'batch') AND q.version = r.version
      AND q.status = 'queued'
    WHERE r.run_id = $1
      AND (q.priority > r.priority OR (q.priority = r.priority AND (q.turn < r.turn OR (q.turn = r.turn AND q.seq < r.seq))))
    LIMIT ${BACKLOG_COUNT_MAX}) more_urgent`,
};
const DEPTHS: Statement = {
  name: 'claimcheck_depths',
  text: `
  SELECT e.name AS endpoint, e.queued,
    (SELECT count(*) FROM (
      SELECT 1 FROM claimcheck.open_runs q WHERE q.endpoint = e.name AND (q.kind = 'batch') = FALSE AND q.status = 'queued'
      LIMIT ${BACKLOG_COUNT_MAX}) waiting) AS backlog,
    (SELECT count(*) FROM (
      SELECT 1 FROM claimcheck.open_runs q WHERE q.endpoint = e.name AND q.alone AND q.status = 'queued'
      LIMIT ${BACKLOG_COUNT_MAX}) waiting) AS alone,
    (SELECT count(*) FROM claimcheck.open_runs w WHERE w.endpoint = e.name AND w.status = 'running') AS running,
    (SELECT q.created_at_ms FROM claimcheck.open_runs q
      WHERE q.endpoint = e.name AND q.status = 'queued' AND q.parent_seq IS NULL
      ORDER BY q.seq LIMIT 1) AS oldest_queued_at_ms
  FROM claimcheck.endpoints e
  ORDER BY e.name`,
};

// The version is compared outside, past the LIMIT: inside, it would have the planner go by the
// index of all that is queued.
const BACKLOG: Statement = {
  name: 'claimcheck_backlog',
  text: `
  SELECT
    (SELECT count(*) FROM (
      SELECT 1 FROM claimcheck.open_runs q
      WHERE q.endpoint = $1 AND (q.kind = 'batch') = FALSE AND q.version = $2 AND q.status = 'queued'
      LIMIT ${BACKLOG_COUNT_MAX}) waiting) AS waiting,
    (SELECT count(*) FROM (
      SELECT q.version FROM claimcheck.open_runs q WHERE q.endpoint = $1 AND q.alone AND q.status = 'queued'
      LIMIT ${BACKLOG_COUNT_MAX}) solo WHERE version = $2) AS alone`,
};

const OPEN: Statement = {
  name: 'claimcheck_open',
  text: `SELECT EXISTS (SELECT 1 FROM claimcheck.open_runs r WHERE r.endpoint = $1 AND r.version = $2) AS open`,
};

type DetailsRow = PayloadRow & { attempts: AttemptRow[] };

/** A run that somebody asks for; without a viewer, nobody in particular. */
export interface AskedRun {
  readonly runId: RunId;
  readonly viewer: Viewer | undefined;
}

/** Reads runs, attempts and payloads. */
export class Reader {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /** The runs that several callers ask for, each at its place. */
  async byId(asked: readonly AskedRun[]): Promise<(RunRecord | null)[]> {
    const rows = await this.#connections.read<RunRow>(RUNS_BY_ID, [idsOf(asked)]);
    const found = new Map(rows.map((row) => [row.run_id, toRunRecord(row)]));
    return asked.map((one) => unlessHidden(one, found.get(one.runId), (run) => run));
  }

  /**
   * As `byId`. How many are ahead of a queued run is asked afterwards, since only few are looked at
   * while they wait.
   */
  async details(asked: readonly AskedRun[]): Promise<(RunDetails | null)[]> {
    const rows = await this.#connections.read<DetailsRow>(DETAILS_BY_ID, [idsOf(asked)]);
    const details = await Promise.all(
      rows.map(async (row): Promise<RunDetails> => {
        const run = toRunRecord(row);
        const ahead = run.status === 'queued' ? await this.ahead(run.runId) : null;
        return { run, attempts: row.attempts.map(toAttemptRecord), ahead, output: row.body };
      }),
    );
    const found = new Map(details.map((one) => [one.run.runId, one]));
    return asked.map((one) => unlessHidden(one, found.get(one.runId), ({ run }) => run));
  }

  async runs(filter: RunFilter): Promise<RunRecord[]> {
    const { endpoint = null, parentId, viewer } = filter;
    const values = [
      endpoint,
      filter.status ?? null,
      filter.runName ?? null,
      filter.createdAfter ?? null,
      filter.createdBefore ?? null,
      filter.before ?? null,
      filter.limit,
      viewer?.tenant ?? null,
      viewer?.endpoints ?? null,
    ];
    const topLevel = endpoint === null ? ALL_RUNS : RUNS_OF_ENDPOINT;
    const rows = await (parentId === undefined
      ? this.#connections.read<RunRow>(topLevel, values)
      : this.#connections.read<RunRow>(CHILDREN, [...values, parentId]));
    return rows.map(toRunRecord);
  }

  async attempts(runId: RunId): Promise<AttemptRecord[]> {
    return (await this.#connections.read<AttemptRow>(ATTEMPTS, [runId])).map(toAttemptRecord);
  }

  async payload(runId: RunId, role: 'input' | 'output'): Promise<Payload | null> {
    const [row] = await this.#connections.read<PayloadRow>(role === 'input' ? INPUT : OUTPUT, [runId]);
    return row === undefined ? null : payloadOf(row, role);
  }

  async chunks(parentId: RunId): Promise<ChunkRecord[]> {
    return (await this.#connections.read<ChunkRow>(CHUNKS, [parentId])).map(toChunkRecord);
  }

  async ahead(runId: RunId): Promise<number> {
    return (await this.#connections.read<{ ahead: number }>(AHEAD, [runId]))[0]!.ahead;
  }

  async hasOpenRuns(endpoint: string, version: number): Promise<boolean> {
    const [row] = await this.#connections.read<{ open: boolean }>(OPEN, [endpoint, version]);
    return row!.open;
  }

  async backlog(endpoint: string, version: number): Promise<Backlog> {
    const [row] = await this.#connections.read<Backlog>(BACKLOG, [endpoint, version]);
    return row!;
  }

  async depths(): Promise<EndpointDepth[]> {
    const rows = await this.#connections.read<DepthRow>(DEPTHS, []);
    return rows.map(toEndpointDepth);
  }
}

const idsOf = (asked: readonly AskedRun[]): RunId[] => [...new Set(asked.map(({ runId }) => runId))];

/**
 * What was found, for each that asked for it. A run's tenant and endpoint never change, so they may
 * be looked at after it was read.
 */
function unlessHidden<Found>(
  { viewer }: AskedRun,
  found: Found | undefined,
  runOf: (found: Found) => RunRecord,
): Found | null {
  if (found === undefined) return null;
  return viewer === undefined || maySee(viewer, runOf(found)) ? found : null;
}
