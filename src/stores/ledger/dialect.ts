// The words in which the drivers say the same promises.

/** The words in which the drivers' SQL differs. */
export interface Dialect {
  /** What the driver calls a table. */
  readonly table: (name: string) => string;
  /** The sha-256 of bytes, as lower-case hexadecimal digits. */
  readonly sha256: (expression: string) => string;
  /** Whether a truth value that is stored is true. */
  readonly isTrue: (expression: string) => string;
  /** Whether a JSON list of texts, stored as text, holds a text. */
  readonly includes: (list: string, text: string) => string;
}

/** A promise, and the query for the places (`place`) that break it. */
export interface TablePromise {
  readonly promise: string;
  readonly sql: string;
}
