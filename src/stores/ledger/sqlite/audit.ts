// Checks the promises of the tables, and the file they are in.

import type { DatabaseSync } from 'node:sqlite';
import { sha256 } from '../../../domain/digest.ts';
import type { Violation } from '../ledger.ts';
import {
  recordPromises,
  specMistake,
  textColumns,
  textMistake,
  type TextRow,
  TEXT_PROMISE,
  TEXTS_AT_A_TIME,
} from '../record-promises.ts';
import { openDatabase } from './open.ts';
import { brokenChecks } from '../../sqlite/constraints.ts';
import { Query } from '../../sqlite/query.ts';
import type { Dialect, TablePromise } from '../dialect.ts';
import { FILE_PROMISE, PLACES_MAX, tablePromises } from '../promises.ts';

const DIALECT: Dialect = {
  table: (name) => name,
  sha256: (expression) => `sha256(${expression})`,
  isTrue: (expression) => `${expression} = 1`,
  // What is no list holds nothing: SQLite asked for the members of it would fail the statement for
  // every other row.
  includes: (list, text) =>
    `EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid(${list}) THEN CASE json_type(${list}) WHEN 'array' THEN ${list} END END) l WHERE l.value = ${text})`,
};

const TEXTS = `SELECT ${textColumns('runs')} FROM runs r WHERE r.seq > $after ORDER BY r.seq LIMIT ${TEXTS_AT_A_TIME}`;
const SPECS = `SELECT 'version ' || version || ' of ' || endpoint AS place, spec FROM deployments`;

const NAMES = `SELECT type || ' ' || name AS place FROM sqlite_schema WHERE sql IS NOT NULL`;

/** Audits a database. Reads all of it. */
export class Audit {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    db.function('sha256', { deterministic: true }, (bytes) => (bytes === null ? null : sha256(bytes as Uint8Array)));
  }

  violations(): Violation[] {
    return [...this.#broken(tablePromises(DIALECT)), ...this.#damages()];
  }

  records(): Violation[] {
    return [...this.#broken(recordPromises(DIALECT)), ...this.#texts()];
  }

  #broken(promises: readonly TablePromise[]): Violation[] {
    return promises.flatMap(({ promise, sql }) =>
      this.#places(`SELECT place FROM (${sql}) LIMIT ${PLACES_MAX}`).map((where) => ({ promise, where })),
    );
  }

  #texts(): Violation[] {
    const page = new Query<TextRow>(this.#db, TEXTS);
    const mistakes: string[] = [];
    for (let after = 0, rows = page.all({ after }); rows.length > 0; rows = page.all({ after })) {
      mistakes.push(...rows.map(textMistake).filter((mistake) => mistake !== null));
      after = rows.at(-1)!.seq;
    }
    const specs = new Query<{ place: string; spec: string }>(this.#db, SPECS).all();
    mistakes.push(...specs.map(specMistake).filter((mistake) => mistake !== null));
    return mistakes.slice(0, PLACES_MAX).map((where) => ({ promise: TEXT_PROMISE, where }));
  }

  #damages(): Violation[] {
    const said = this.#places(`SELECT integrity_check AS place FROM pragma_integrity_check LIMIT ${PLACES_MAX}`);
    const strangers = this.#places(
      `SELECT "table" || ' ' || rowid AS place FROM pragma_foreign_key_check LIMIT ${PLACES_MAX}`,
    );
    const broken = brokenChecks(this.#db, PLACES_MAX);
    // Where the file may be written, SQLite says of the same rows that there are some.
    const damages = said.filter((line) => line !== 'ok' && !line.startsWith('CHECK constraint failed'));
    return [...this.#gone(), ...damages, ...strangers, ...broken].map((where) => ({ promise: FILE_PROMISE, where }));
  }

  /** Tables and indexes that a new ledger has and this one has not. */
  #gone(): string[] {
    const there = new Set(this.#places(NAMES));
    return namesInNewLedger()
      .filter((name) => !there.has(name))
      .map((name) => `the ${name} is gone`);
  }

  #places(sql: string): string[] {
    return (this.#db.prepare(sql).all() as { place: string | null }[]).map(({ place }) => String(place));
  }
}

let namesOfNew: readonly string[] | null = null;

/**
 * The tables and indexes of a new ledger. One is made once: that takes longer than all the rest of
 * a small ledger's audit.
 */
function namesInNewLedger(): readonly string[] {
  if (namesOfNew !== null) return namesOfNew;
  const db = openDatabase(':memory:');
  try {
    namesOfNew = (db.prepare(NAMES).all() as { place: string }[]).map(({ place }) => place);
    return namesOfNew;
  } finally {
    db.close();
  }
}
