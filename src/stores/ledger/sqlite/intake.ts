// Writing runs down. The queue limit is a conditional update of a counter row: a count of rows
// would let concurrent callers past it.

import type { DatabaseSync } from 'node:sqlite';
import type { RunId } from '../../../domain/ids.ts';
import { after, type Instant } from '../../../domain/time.ts';
import type { Enqueued, NewRun } from '../ledger.ts';
import type { Counters } from './counters.ts';
import { Query } from '../../sqlite/query.ts';

const FIND_KEY = `SELECT fingerprint, run_id FROM idempotency_keys WHERE tenant = $tenant AND key = $key`;
const KEEP_KEY = `
  INSERT INTO idempotency_keys (tenant, key, fingerprint, run_id, created_at_ms)
  VALUES ($tenant, $key, $fingerprint, $runId, $now)`;
const FIND_OPEN = `
  SELECT run_id FROM runs
  WHERE endpoint = $endpoint AND tenant = $tenant AND concurrency_key = $concurrencyKey AND (status = 'queued' OR status = 'running')`;
const PARENT_UNDER_CLAIM = `SELECT seq FROM runs WHERE run_id = $runId AND attempt = $attempt AND status = 'running'`;

// By position and not by name like every other statement: 30 names would cost as much time as the
// insert itself.
const INSERT_RUN = `
  INSERT INTO runs (run_id, endpoint, version, kind, status, run_name, priority, created_at_ms, due_at_ms,
    queue_ttl_ms, queue_deadline_ms, timeout_ms, lost_workers_max, metadata, accept, batch,
    parent_seq, row_from, row_to, input_type, input_bytes, input_sha256, input_blob,
    tenant, turn, concurrency_key, retry_of, retention_ms, callback_url, callback_events, trace)
  VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?,
    ?, ?, ?, ?, ?, ?, ?,
    ?, ?, ?, ?, ?, ?, ?,
    ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (parent_seq, row_from, row_to) WHERE parent_seq IS NOT NULL DO NOTHING`;
const INSERT_INPUT = `INSERT INTO inputs (run_seq, body) VALUES (?, ?)`;

/** Takes runs in. */
export class IntakeVerbs {
  readonly #findKey;
  readonly #keepKey;
  readonly #findOpen;
  readonly #parentUnderClaim;
  readonly #insertRun;
  readonly #insertInput;
  readonly #counters: Counters;

  constructor(db: DatabaseSync, counters: Counters) {
    this.#findKey = new Query<{ fingerprint: string; run_id: string }>(db, FIND_KEY);
    this.#keepKey = db.prepare(KEEP_KEY);
    this.#findOpen = new Query<{ run_id: string }>(db, FIND_OPEN);
    this.#parentUnderClaim = new Query<{ seq: number }>(db, PARENT_UNDER_CLAIM);
    this.#insertRun = db.prepare(INSERT_RUN);
    this.#insertInput = db.prepare(INSERT_INPUT);
    this.#counters = counters;
  }

  enqueue(now: Instant, runs: readonly NewRun[]): Enqueued[] {
    return runs.map(
      (run) =>
        this.#replayOf(run) ??
        this.#duplicateOf(now, run) ??
        (run.parent === null ? this.#enqueueTopLevel(now, run) : this.#enqueueChunk(now, run, run.parent)),
    );
  }

  #replayOf({ tenant, idempotency }: NewRun): Enqueued | null {
    if (idempotency === null) return null;
    const found = this.#findKey.first({ tenant, key: idempotency.key });
    if (found === undefined) return null;
    if (found.fingerprint !== idempotency.fingerprint) return { result: 'key-reused' };
    return { result: 'replayed', runId: found.run_id as RunId };
  }

  /**
   * The run's idempotency key stands for the one that it is told of: the same request later, when
   * that has ended, is no new one.
   */
  #duplicateOf(now: Instant, { endpoint, tenant, concurrencyKey, idempotency }: NewRun): Enqueued | null {
    if (concurrencyKey === null) return null;
    const found = this.#findOpen.first({ endpoint, tenant, concurrencyKey });
    if (found === undefined) return null;
    const runId = found.run_id as RunId;
    if (idempotency !== null) this.#keepKey.run({ ...idempotency, tenant, runId, now });
    return { result: 'deduplicated', runId };
  }

  #enqueueTopLevel(now: Instant, run: NewRun): Enqueued {
    const queued = this.#counters.take(run.endpoint);
    if (queued === null) return { result: 'queue-full', queued: this.#counters.queued(run.endpoint) };
    const sequence = this.#insert(now, run, null)!;
    if (run.idempotency !== null) this.#keepKey.run({ ...run.idempotency, tenant: run.tenant, runId: run.runId, now });
    return { result: 'enqueued', sequence, ahead: queued - 1, createdAt: now };
  }

  /**
   * A chunk is taken only from who holds its parent's claim: a server that lost it must not start
   * more work.
   */
  #enqueueChunk(now: Instant, run: NewRun, { claim }: NonNullable<NewRun['parent']>): Enqueued {
    const parent = this.#parentUnderClaim.first({ ...claim });
    const sequence = parent === undefined ? null : this.#insert(now, run, parent.seq);
    return sequence === null ? { result: 'refused' } : { result: 'enqueued', sequence, ahead: 0, createdAt: now };
  }

  /** The new run's sequence number, or null where the parent has a chunk of these rows already. */
  #insert(now: Instant, run: NewRun, parent: number | null): number | null {
    const { input } = run;
    const turn = this.#counters.nextTurn(run);
    const { changes, lastInsertRowid } = this.#insertRun.run(
      run.runId,
      run.endpoint,
      run.version,
      run.kind,
      run.runName,
      run.priority,
      now,
      now,
      run.queueTtl,
      run.queueTtl === null ? null : after(now, run.queueTtl),
      run.timeout,
      run.lostWorkersMax,
      run.metadata,
      run.accept,
      run.batch === null ? null : JSON.stringify(run.batch),
      parent,
      run.parent?.rows.from ?? null,
      run.parent?.rows.to ?? null,
      input?.contentType ?? null,
      input?.bytes ?? null,
      input?.sha256 ?? null,
      input !== null && 'blob' in input.body ? input.body.blob : null,
      run.tenant,
      turn,
      run.concurrencyKey,
      run.retryOf,
      run.retention,
      run.callback?.url ?? null,
      run.callback === null ? null : JSON.stringify(run.callback.events),
      run.trace,
    );
    if (changes === 0) return null;
    this.#counters.drew(run, turn);
    if (input !== null && 'inline' in input.body) this.#insertInput.run(lastInsertRowid, input.body.inline);
    return Number(lastInsertRowid);
  }
}
