// A statement that answers rows. node:sqlite hands them out without a type: what a row has is known from the statement's text alone, so it
// is said here, beside it, and nowhere else.

import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

/** Values of a statement's parameters, by their names. */
export type Values = Record<string, SQLInputValue>;

/** A prepared statement, and what its rows are. */
export class Query<Row> {
  readonly #statement: StatementSync;

  constructor(db: DatabaseSync, sql: string) {
    this.#statement = db.prepare(sql);
  }

  /** The first row, or undefined where there is none. */
  first(values: Values = {}): Row | undefined {
    return this.#statement.get(values) as Row | undefined;
  }

  /** The row of a statement that always has one. */
  only(values: Values = {}): Row {
    return this.#statement.get(values) as Row;
  }

  all(values: Values = {}): Row[] {
    return this.#statement.all(values) as Row[];
  }
}
