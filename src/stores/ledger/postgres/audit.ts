// Checks the promises of the tables, and that every index and constraint that keeps them is in
// force.

import { minutes } from '../../../domain/time.ts';
import type { Violation } from '../ledger.ts';
import type { Dialect, TablePromise } from '../dialect.ts';
import { PLACES_MAX, tablePromises } from '../promises.ts';
import {
  recordPromises,
  specMistake,
  textColumns,
  textMistake,
  type TextRow,
  TEXT_PROMISE,
  TEXTS_AT_A_TIME,
} from '../record-promises.ts';
import type { Connections } from '../../postgres/connections.ts';
import { listIncludes } from './endings.ts';

const DIALECT: Dialect = {
  table: (name) => `claimcheck.${name}`,
  sha256: (expression) => `encode(sha256(${expression}), 'hex')`,
  isTrue: (expression) => expression,
  includes: listIncludes,
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

const TEXTS = `
  SELECT ${textColumns('claimcheck.runs')} FROM claimcheck.runs r WHERE r.seq > $1 ORDER BY r.seq LIMIT ${TEXTS_AT_A_TIME}`;
const SPECS = `SELECT 'version ' || version || ' of ' || endpoint AS place, spec FROM claimcheck.deployments`;

/** Audits a database. Reads all of it. */
export class Audit {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /**
   * Each promise by a statement of its own, which sees the tables as they were at one moment:
   * others may write meanwhile.
   */
  violations(): Promise<Violation[]> {
    return this.#broken([...tablePromises(DIALECT), ...OWN]);
  }

  async #broken(promises: readonly TablePromise[]): Promise<Violation[]> {
    const violations: Violation[] = [];
    for (const { promise, sql } of promises) {
      const text = `SELECT place FROM (${sql}) broken LIMIT ${PLACES_MAX}`;
      const rows = await this.#connections.read<{ place: string }>({ name: '', text, timeout: TIMEOUT }, []);
      violations.push(...rows.map(({ place }) => ({ promise, where: place })));
    }
    return violations;
  }

  async records(): Promise<Violation[]> {
    return [...(await this.#broken(recordPromises(DIALECT))), ...(await this.#texts())];
  }

  async #texts(): Promise<Violation[]> {
    const mistakes: string[] = [];
    for (let after = 0; ;) {
      const rows = await this.#connections.read<TextRow>({ name: '', text: TEXTS, timeout: TIMEOUT }, [after]);
      if (rows.length === 0) break;
      mistakes.push(...rows.map(textMistake).filter((mistake) => mistake !== null));
      after = rows.at(-1)!.seq;
    }
    const specs = await this.#connections.read<{ place: string; spec: string }>({ name: '', text: SPECS }, []);
    mistakes.push(...specs.map(specMistake).filter((mistake) => mistake !== null));
    return mistakes.slice(0, PLACES_MAX).map((where) => ({ promise: TEXT_PROMISE, where }));
  }
}
