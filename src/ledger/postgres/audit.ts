// Checks the promises of the tables, and that every index and constraint that keeps them is in force.

import { minutes } from '../../domain/time.ts';
import type { Violation } from '../ledger.ts';
import { type Dialect, PLACES_MAX, type TablePromise, tablePromises } from '../promises.ts';
import type { Connections } from './connections.ts';

const DIALECT: Dialect = {
  table: (name) => `claimcheck.${name}`,
  sha256: (expression) => `encode(sha256(${expression}), 'hex')`,
  isTrue: (expression) => expression,
  includes: (list, text) => `${list}::jsonb ? (${text})`,
};

/** A statement may have to read every run there is, and every byte of their payloads. */
const TIMEOUT = minutes(60);

/** What only this driver can break. */
const OWN: readonly TablePromise[] = [
  {
    promise: 'A run lies among the open ones until it has ended, and then among those that have.',
    sql: `SELECT r.run_id AS place FROM claimcheck.open_runs r WHERE r.status NOT IN ('queued', 'running')
      UNION ALL SELECT r.run_id FROM claimcheck.ended_runs r WHERE r.status IN ('queued', 'running')`,
  },
  {
    promise: 'Every index and every constraint of the tables is in force.',
    sql: `SELECT i.indexrelid::regclass::text AS place FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        WHERE c.relnamespace = 'claimcheck'::regnamespace AND NOT (i.indisvalid AND i.indisready)
      UNION ALL SELECT k.conname::text FROM pg_constraint k WHERE k.connamespace = 'claimcheck'::regnamespace AND NOT k.convalidated`,
  },
];

/** Audits a database. Reads all of it. */
export class Audit {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /** Each promise by a statement of its own, which sees the tables as they were at one moment: others may write meanwhile. */
  async violations(): Promise<Violation[]> {
    const violations: Violation[] = [];
    for (const { promise, sql } of [...tablePromises(DIALECT), ...OWN]) {
      const text = `SELECT place FROM (${sql}) broken LIMIT ${PLACES_MAX}`;
      const rows = await this.#connections.read<{ place: string }>({ name: '', text, timeout: TIMEOUT }, []);
      violations.push(...rows.map(({ place }) => ({ promise, where: place })));
    }
    return violations;
  }
}
