// Checks the promises of the tables, and the file they are in.

import type { DatabaseSync } from 'node:sqlite';
import { sha256 } from '../../domain/digest.ts';
import type { Violation } from '../ledger.ts';
import { type Dialect, FILE_PROMISE, PLACES_MAX, tablePromises } from '../promises.ts';

const DIALECT: Dialect = {
  table: (name) => name,
  sha256: (expression) => `sha256(${expression})`,
  isTrue: (expression) => `${expression} = 1`,
  includes: (list, text) => `EXISTS (SELECT 1 FROM json_each(${list}) l WHERE l.value = ${text})`,
};

/** Audits a database. Reads all of it. */
export class Audit {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    db.function('sha256', { deterministic: true }, (bytes) => (bytes === null ? null : sha256(bytes as Uint8Array)));
  }

  violations(): Violation[] {
    const broken = tablePromises(DIALECT).flatMap(({ promise, sql }) =>
      this.#places(`SELECT place FROM (${sql}) LIMIT ${PLACES_MAX}`).map((where) => ({ promise, where })),
    );
    return [...broken, ...this.#damages()];
  }

  #damages(): Violation[] {
    const said = this.#places(`SELECT integrity_check AS place FROM pragma_integrity_check LIMIT ${PLACES_MAX}`);
    const strangers = this.#places(
      `SELECT "table" || ' ' || rowid AS place FROM pragma_foreign_key_check LIMIT ${PLACES_MAX}`,
    );
    return [...said.filter((line) => line !== 'ok'), ...strangers].map((where) => ({ promise: FILE_PROMISE, where }));
  }

  #places(sql: string): string[] {
    return (this.#db.prepare(sql).all() as { place: string | null }[]).map(({ place }) => String(place));
  }
}
