// What is counted at each endpoint: how many runs are queued, and whose turn it is. One server at a
// time has the file, so the counters are kept in memory and written back once for every group of
// calls, in the transaction that the group is.

import type { DatabaseSync } from 'node:sqlite';
import type { RunKind } from '../../../domain/run.ts';
import { Query } from '../../sqlite/query.ts';

const READ = `SELECT queued, queue_limit, concurrency_limit FROM endpoints WHERE name = $endpoint`;
const WRITE = `UPDATE endpoints SET queued = $queued WHERE name = $endpoint`;
const READ_LINE = `
  SELECT served_turn FROM lines WHERE endpoint = $endpoint AND batches = $batches AND priority = $priority`;
const WRITE_LINE = `
  INSERT INTO lines (endpoint, batches, priority, served_turn) VALUES ($endpoint, $batches, $priority, $turn)
  ON CONFLICT (endpoint, batches, priority) DO UPDATE SET served_turn = excluded.served_turn`;
const READ_TURN = `
  SELECT last_turn FROM turns
  WHERE endpoint = $endpoint AND batches = $batches AND priority = $priority AND tenant = $tenant`;
const WRITE_TURN = `
  INSERT INTO turns (endpoint, batches, priority, tenant, last_turn) VALUES ($endpoint, $batches, $priority, $tenant, $turn)
  ON CONFLICT (endpoint, batches, priority, tenant) DO UPDATE SET last_turn = excluded.last_turn`;

interface Counter {
  queued: number;
  readonly queueLimit: number;
  readonly concurrencyLimit: number | null;
}

/** What waits at an endpoint with one priority, batches apart from the rest. */
interface Line {
  readonly key: { readonly endpoint: string; readonly batches: 0 | 1; readonly priority: number };
  /** The highest turn that was claimed. */
  served: number;
  isServedChanged: boolean;
  /** The last turn that each tenant has drawn. */
  readonly drawn: Map<string, number>;
  readonly changedTenants: Set<string>;
}

/** As much of a run as says in which line it waits. */
interface Waiting {
  readonly endpoint: string;
  readonly kind: RunKind;
  readonly priority: number;
}

/**
 * The counters of every endpoint. Chunks take no place in a queue: they wait inside their batch.
 */
export class Counters {
  readonly #read;
  readonly #write;
  readonly #readLine;
  readonly #writeLine;
  readonly #readTurn;
  readonly #writeTurn;
  readonly #counters = new Map<string, Counter>();
  readonly #changed = new Set<string>();
  readonly #lines = new Map<string, Line>();
  readonly #changedLines = new Set<Line>();

  constructor(db: DatabaseSync) {
    this.#read = new Query<{ queued: number; queue_limit: number; concurrency_limit: number | null }>(db, READ);
    this.#write = db.prepare(WRITE);
    this.#readLine = new Query<{ served_turn: number }>(db, READ_LINE);
    this.#writeLine = db.prepare(WRITE_LINE);
    this.#readTurn = new Query<{ last_turn: number }>(db, READ_TURN);
    this.#writeTurn = db.prepare(WRITE_TURN);
  }

  /**
   * Takes a place in the queue for a new run; answers how many are queued with it, or null when the
   * limit is reached.
   */
  take(endpoint: string): number | null {
    const counter = this.#of(endpoint);
    if (counter.queued >= counter.queueLimit) return null;
    return this.#change(endpoint, counter, 1);
  }

  /** A run that was accepted once is queued again: it has its place also beyond the limit. */
  takeBack(endpoint: string): void {
    this.#change(endpoint, this.#of(endpoint), 1);
  }

  free(endpoint: string, places = 1): void {
    if (places > 0) this.#change(endpoint, this.#of(endpoint), -places);
  }

  /**
   * The next turn of a tenant: behind its own last one, and never before the one that is being
   * served.
   */
  nextTurn(run: Waiting & { readonly tenant: string }): number {
    const line = this.#lineOf(run);
    return Math.max(line.served, line.drawn.get(run.tenant) ?? this.#lastDrawn(line, run.tenant)) + 1;
  }

  /** A run of this turn was stored; one that is refused draws none. */
  drew(run: Waiting & { readonly tenant: string }, turn: number): void {
    const line = this.#lineOf(run);
    line.drawn.set(run.tenant, turn);
    line.changedTenants.add(run.tenant);
    this.#changedLines.add(line);
  }

  /** A run of this turn was claimed. */
  served(run: Waiting, turn: number): void {
    const line = this.#lineOf(run);
    if (turn <= line.served) return;
    line.served = turn;
    line.isServedChanged = true;
    this.#changedLines.add(line);
  }

  queued(endpoint: string): number {
    return this.#of(endpoint).queued;
  }

  concurrencyLimit(endpoint: string): number | null {
    return this.#of(endpoint).concurrencyLimit;
  }

  /** Writes what has changed; before every commit, and before a statement that reads the tables. */
  writeBack(): void {
    for (const endpoint of this.#changed) this.#write.run({ endpoint, queued: this.#of(endpoint).queued });
    for (const line of this.#changedLines) {
      const { key, served, drawn, changedTenants } = line;
      if (line.isServedChanged) this.#writeLine.run({ ...key, turn: served });
      for (const tenant of changedTenants) this.#writeTurn.run({ ...key, tenant, turn: drawn.get(tenant)! });
      line.isServedChanged = false;
      changedTenants.clear();
    }
    this.#changed.clear();
    this.#changedLines.clear();
  }

  /** Believes the tables again: after a rollback, and after a deployment has changed them. */
  forget(): void {
    this.#counters.clear();
    this.#changed.clear();
    this.#lines.clear();
    this.#changedLines.clear();
  }

  #change(endpoint: string, counter: Counter, places: number): number {
    counter.queued += places;
    this.#changed.add(endpoint);
    return counter.queued;
  }

  #of(endpoint: string): Counter {
    const known = this.#counters.get(endpoint);
    if (known !== undefined) return known;
    const row = this.#read.first({ endpoint });
    if (row === undefined) throw new Error(`Endpoint ${endpoint} was never deployed to this ledger.`);
    const counter = { queued: row.queued, queueLimit: row.queue_limit, concurrencyLimit: row.concurrency_limit };
    this.#counters.set(endpoint, counter);
    return counter;
  }

  #lineOf({ endpoint, kind, priority }: Waiting): Line {
    const name = `${kind === 'batch' ? 'batches' : 'calls'} ${priority} ${endpoint}`;
    const known = this.#lines.get(name);
    if (known !== undefined) return known;
    const key = { endpoint, batches: kind === 'batch' ? 1 : 0, priority } as const;
    const served = this.#readLine.first(key)?.served_turn ?? 0;
    const line: Line = { key, served, isServedChanged: false, drawn: new Map(), changedTenants: new Set() };
    this.#lines.set(name, line);
    return line;
  }

  #lastDrawn({ key }: Line, tenant: string): number {
    return this.#readTurn.first({ ...key, tenant })?.last_turn ?? 0;
  }
}
