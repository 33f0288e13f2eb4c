// Writing runs down. The queue limit is a conditional update of a counter row: a count of rows would let concurrent callers past it.

import type { DatabaseSync } from 'node:sqlite';
import type { RunId } from '../../domain/ids.ts';
import { after, type Instant } from '../../domain/time.ts';
import type { Deployment, Enqueued, NewRun } from '../ledger.ts';
import type { QueuePlaces } from './queue-places.ts';

const DEPLOY = `
  INSERT INTO endpoints (name, version, fingerprint, deployed_at_ms, queue_limit)
  VALUES ($name, 1, $fingerprint, $now, $queueLimit)
  ON CONFLICT (name) DO UPDATE SET
    version        = version + (fingerprint <> excluded.fingerprint),
    deployed_at_ms = iif(fingerprint <> excluded.fingerprint, excluded.deployed_at_ms, deployed_at_ms),
    fingerprint    = excluded.fingerprint,
    queue_limit    = excluded.queue_limit
  RETURNING version`;

const FIND_KEY = `SELECT fingerprint, run_id FROM idempotency_keys WHERE key = $key`;
const KEEP_KEY = `
  INSERT INTO idempotency_keys (key, fingerprint, run_id, created_at_ms) VALUES ($key, $fingerprint, $runId, $now)`;
const PARENT_UNDER_CLAIM = `SELECT seq FROM runs WHERE run_id = $runId AND attempt = $attempt AND status = 'running'`;

// By position and not by name like every other statement: 23 names would cost as much time as the insert itself.
const INSERT_RUN = `
  INSERT INTO runs (run_id, endpoint, version, kind, status, run_name, priority, created_at_ms, due_at_ms,
    queue_ttl_ms, queue_deadline_ms, timeout_ms, lost_workers_max, metadata, accept, batch,
    parent_seq, row_from, row_to, input_type, input_bytes, input_sha256, input_blob)
  VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?,
    ?, ?, ?, ?, ?, ?, ?,
    ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (parent_seq, row_from, row_to) WHERE parent_seq IS NOT NULL DO NOTHING`;
const INSERT_INPUT = `INSERT INTO inputs (run_seq, body) VALUES (?, ?)`;

/** Takes deployments and runs in. */
export class Intake {
  readonly #deploy;
  readonly #findKey;
  readonly #keepKey;
  readonly #parentUnderClaim;
  readonly #insertRun;
  readonly #insertInput;
  readonly #places: QueuePlaces;

  constructor(db: DatabaseSync, places: QueuePlaces) {
    this.#deploy = db.prepare(DEPLOY);
    this.#findKey = db.prepare(FIND_KEY);
    this.#keepKey = db.prepare(KEEP_KEY);
    this.#parentUnderClaim = db.prepare(PARENT_UNDER_CLAIM);
    this.#insertRun = db.prepare(INSERT_RUN);
    this.#insertInput = db.prepare(INSERT_INPUT);
    this.#places = places;
  }

  deploy(now: Instant, { name, fingerprint, queueLimit }: Deployment): number {
    return (this.#deploy.get({ name, fingerprint, queueLimit, now }) as { version: number }).version;
  }

  enqueue(now: Instant, runs: readonly NewRun[]): Enqueued[] {
    return runs.map((run) => {
      const earlier = run.idempotency === null ? null : this.#replayOf(run.idempotency);
      return (
        earlier ?? (run.parent === null ? this.#enqueueTopLevel(now, run) : this.#enqueueChunk(now, run, run.parent))
      );
    });
  }

  #replayOf(idempotency: { key: string; fingerprint: string }): Enqueued | null {
    const found = this.#findKey.get({ key: idempotency.key }) as { fingerprint: string; run_id: string } | undefined;
    if (found === undefined) return null;
    if (found.fingerprint !== idempotency.fingerprint) return { result: 'key-reused' };
    return { result: 'replayed', runId: found.run_id as RunId };
  }

  #enqueueTopLevel(now: Instant, run: NewRun): Enqueued {
    const queued = this.#places.take(run.endpoint);
    if (queued === null) return this.#full(run.endpoint);
    const sequence = this.#insert(now, run, null)!;
    if (run.idempotency !== null) this.#keepKey.run({ ...run.idempotency, runId: run.runId, now });
    return { result: 'enqueued', sequence, ahead: queued - 1, createdAt: now };
  }

  #full(endpoint: string): Enqueued {
    const queued = this.#places.count(endpoint);
    if (queued === null) throw new Error(`Endpoint ${endpoint} was never deployed to this ledger.`);
    return { result: 'queue-full', queued };
  }

  /** A chunk is taken only from who holds its parent's claim: a server that lost it must not start more work. */
  #enqueueChunk(now: Instant, run: NewRun, { claim }: NonNullable<NewRun['parent']>): Enqueued {
    const parent = this.#parentUnderClaim.get({ ...claim }) as { seq: number } | undefined;
    const sequence = parent === undefined ? null : this.#insert(now, run, parent.seq);
    return sequence === null ? { result: 'refused' } : { result: 'enqueued', sequence, ahead: 0, createdAt: now };
  }

  /** The new run's sequence number, or null where the parent has a chunk of these rows already. */
  #insert(now: Instant, run: NewRun, parent: number | null): number | null {
    const { input } = run;
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
    );
    if (changes === 0) return null;
    if (input !== null && 'inline' in input.body) this.#insertInput.run(lastInsertRowid, input.body.inline);
    return Number(lastInsertRowid);
  }
}
