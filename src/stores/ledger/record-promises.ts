// What single records promise, beside what the tables promise together: texts that can be read,
// versions that there are, and times that agree. Times are held against others that the same
// transaction has written: between two transactions somebody may have set the clock back.

import { hours } from '../../domain/time.ts';
import type { Dialect, TablePromise } from './dialect.ts';

/** No operator sets a clock back further than that on purpose. */
const SET_BACK_MAX = hours(48);

/** What the records promise that SQL can ask for. */
export const recordPromises = ({ table, isTrue }: Dialect): readonly TablePromise[] => {
  const [runs, attempts, deployments] = [table('runs'), table('attempts'), table('deployments')];
  return [
    {
      promise: 'Every version that a run or an endpoint names was deployed, and the active one is the endpoint’s own.',
      // Older versions of claimcheck wrote down the version alone that was active then.
      sql: `SELECT r.run_id AS place FROM ${runs} r
        WHERE NOT EXISTS (SELECT 1 FROM ${deployments} d WHERE d.endpoint = r.endpoint AND d.version = r.version)
          AND (r.version < 1 OR r.version > coalesce((SELECT min(d.version) FROM ${deployments} d WHERE d.endpoint = r.endpoint), 0))
        UNION ALL SELECT 'endpoint ' || e.name FROM ${table('endpoints')} e
        WHERE NOT EXISTS (SELECT 1 FROM ${deployments} d WHERE d.endpoint = e.name AND d.version = e.version AND d.fingerprint = e.fingerprint)
        UNION ALL SELECT 'version ' || d.version || ' of ' || d.endpoint FROM ${deployments} d
        WHERE d.state = 'active' AND NOT EXISTS (SELECT 1 FROM ${table('endpoints')} e WHERE e.name = d.endpoint AND e.version = d.version)`,
    },
    {
      promise:
        'A run begins with its first attempt and ends with its last one, its delivery is made then, and nothing ends before it begins.',
      sql: `SELECT r.run_id AS place FROM ${runs} r
        WHERE r.started_at_ms IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM ${attempts} a WHERE a.run_seq = r.seq AND a.attempt = 1 AND a.started_at_ms = r.started_at_ms)
        UNION ALL SELECT r.run_id FROM ${runs} r JOIN ${attempts} a ON a.run_seq = r.seq AND a.attempt = r.attempt
        WHERE (r.status = 'succeeded' OR a.outcome = 'cancelled') AND a.finished_at_ms <> r.finished_at_ms
        UNION ALL SELECT r.run_id FROM ${runs} r WHERE r.finished_at_ms IS NOT NULL AND ${isTrue('r.payloads_kept')}
          AND r.kept_until_ms < r.finished_at_ms + r.retention_ms
        UNION ALL SELECT r.run_id FROM ${runs} r JOIN ${table('deliveries')} d ON d.run_seq = r.seq WHERE d.created_at_ms <> r.finished_at_ms
        UNION ALL SELECT r.run_id FROM ${runs} r
        WHERE coalesce(r.started_at_ms, r.finished_at_ms, r.created_at_ms) < r.created_at_ms - ${SET_BACK_MAX}
          OR coalesce(r.finished_at_ms, r.created_at_ms) < r.created_at_ms - ${SET_BACK_MAX}
        UNION ALL SELECT r.run_id FROM ${attempts} a JOIN ${runs} r ON r.seq = a.run_seq
        WHERE coalesce(a.finished_at_ms, a.started_at_ms) < a.started_at_ms - ${SET_BACK_MAX}
          OR coalesce(a.stopped_at_ms, a.started_at_ms) < a.started_at_ms - ${SET_BACK_MAX}`,
    },
    {
      promise:
        'What is said of a payload is whole: its type, its length and its sha-256, and a blob that is the run’s own.',
      sql: (['input', 'output'] as const)
        .map(
          (role) => `SELECT r.run_id AS place FROM ${runs} r
        WHERE (r.${role}_sha256 IS NULL) <> (r.${role}_type IS NULL) OR (r.${role}_sha256 IS NULL) <> (r.${role}_bytes IS NULL)
          OR length(r.${role}_sha256) <> 64 OR r.${role}_bytes < 0 OR r.${role}_type = ''
          OR (r.${role}_blob IS NOT NULL AND r.${role}_blob NOT LIKE r.run_id || '.${role}%')`,
        )
        .join(' UNION ALL '),
    },
  ];
};

/** A record whose texts are looked at. */
export interface TextRow {
  readonly seq: number;
  readonly place: string;
  readonly kind: string;
  readonly metadata: string;
  readonly batch: string | null;
  readonly callback_events: string | null;
  readonly trace: string | null;
  readonly progress_done: number | null;
  readonly progress_total: number | null;
  readonly progress_failed: number | null;
  readonly parent_batch: string | null;
  readonly row_from: number | null;
  readonly row_to: number | null;
}

/** The columns of `TextRow`, for a statement that reads a run as `r`. */
export const textColumns = (runs: string): string => `
  r.seq, r.run_id AS place, r.kind, r.metadata, r.batch, r.callback_events, r.trace, r.progress_done, r.progress_total, r.progress_failed,
  (SELECT p.batch FROM ${runs} p WHERE p.seq = r.parent_seq) AS parent_batch, r.row_from, r.row_to`;

/** Runs whose texts are read at a time. */
export const TEXTS_AT_A_TIME = 1_000;

/** What the texts promise. */
export const TEXT_PROMISE =
  'Metadata, options of batches, callbacks, traces and specifications can be read, and no batch counts more rows than it has.';

/** What is wrong with the texts of a run; null where nothing is. */
export function textMistake(row: TextRow): string | null {
  const { place, kind, metadata, batch, callback_events: events, trace, parent_batch: parent } = row;
  if (!isObject(metadata)) return `${place}: its metadata are no JSON object`;
  if (trace !== null && !isObject(trace)) return `${place}: its trace is no JSON object`;
  if (events !== null && !isTexts(events)) return `${place}: its callback’s events are no JSON list of names`;
  if (kind === 'batch') return batchMistake(row, rowsOf(batch));
  const rows = parent === null ? null : rowsOf(parent);
  if (rows !== null && row.row_to !== null && (row.row_to > rows || row.row_from! < 0))
    return `${place}: it is rows ${row.row_from} to ${row.row_to} of a table with ${rows}`;
  return null;
}

function batchMistake(row: TextRow, rows: number | null): string | null {
  const { place, progress_done: done, progress_total: total, progress_failed: failed } = row;
  if (rows === null) return `${place}: the options of its batch cannot be read`;
  if (total !== null && total !== rows) return `${place}: it counts ${total} rows and has ${rows}`;
  if ((done ?? 0) > rows || (failed ?? 0) > rows || (done ?? 0) < 0 || (failed ?? 0) < 0)
    return `${place}: it says ${done} rows done and ${failed ?? 0} failed of ${rows}`;
  return null;
}

/**
 * What is wrong with the specification of a version; null where nothing is. An older server kept
 * none, which is `null`.
 */
export function specMistake({ place, spec }: { readonly place: string; readonly spec: string }): string | null {
  return spec === 'null' || isObject(spec) ? null : `${place}: its specification is no JSON object`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(text: string): boolean {
  const value = parsed(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(text: string): boolean {
  const value = parsed(text);
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function rowsOf(batch: string | null): number | null {
  const value = batch === null ? undefined : (parsed(batch) as { rows?: unknown } | null | undefined);
  return typeof value?.rows === 'number' && value.rows >= 0 ? value.rows : null;
}
