// A statement that answers rows. node:sqlite hands them out without a type: what a row has is known
// from the statement's text alone, so it is said here, beside it, and nowhere else.

import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

/** Values of a statement's parameters, by their names. */
export type Values = Record<string, SQLInputValue>;

/** Whether a row has an integer that a JavaScript number cannot hold. */
const isOutOfRange = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === 'ERR_OUT_OF_RANGE';

/**
 * A prepared statement, and what its rows are. An integer above 2^53, which the ledger never
 * writes, is read as the nearest number: refused, it would keep every row from being read that is
 * read with it.
 */
export class Query<Row> {
  readonly #statement: StatementSync;
  /** Prepares the same statement so that it reads every integer whole, which is slower. */
  readonly #whole: () => StatementSync;
  /** A statement that writes cannot be asked a second time. */
  readonly #writes: boolean;

  constructor(db: DatabaseSync, sql: string) {
    this.#whole = () => {
      const statement = db.prepare(sql);
      statement.setReadBigInts(true);
      return statement;
    };
    this.#writes = /\b(INSERT|UPDATE|DELETE)\b/.test(sql);
    this.#statement = this.#writes ? this.#whole() : db.prepare(sql);
  }

  /** The first row, or undefined where there is none. */
  first(values: Values = {}): Row | undefined {
    const row = this.#ask((statement) => statement.get(values));
    return row as Row | undefined;
  }

  /** The row of a statement that always has one. */
  only(values: Values = {}): Row {
    return this.first(values) as Row;
  }

  all(values: Values = {}): Row[] {
    return this.#ask((statement) => statement.all(values)) as Row[];
  }

  #ask<Answer>(ask: (statement: StatementSync) => Answer): Answer {
    try {
      const answer = ask(this.#statement);
      return this.#writes ? withNumbers(answer) : answer;
    } catch (error) {
      if (this.#writes || !isOutOfRange(error)) throw error;
      return withNumbers(ask(this.#whole()));
    }
  }
}

/** Rows whose integers are numbers again. */
function withNumbers<Answer>(answer: Answer): Answer {
  if (Array.isArray(answer)) for (const row of answer) giveNumbers(row as Record<string, unknown>);
  else if (answer !== undefined) giveNumbers(answer as Record<string, unknown>);
  return answer;
}

/**
 * Rows have no prototype, so nothing is inherited: to list their entries first would cost as much
 * as to read them.
 */
function giveNumbers(row: Record<string, unknown>): void {
  for (const column in row) {
    const value = row[column];
    if (typeof value === 'bigint') row[column] = Number(value);
  }
}
