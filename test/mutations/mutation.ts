// A deliberate breakage of a ledger driver: what the tests must notice.

/** The drivers that can be broken. */
export type DriverName = 'sqlite' | 'postgres';

/** One breakage. */
export interface Mutation {
  /** What is broken, as a sentence. */
  readonly breaks: string;
  /** The file, in the driver's folder. */
  readonly file: string;
  /** Text that the file has once, and once only, so that the list cannot rot unseen. */
  readonly find: string;
  readonly replace: string;
  /** One of the four that every driver must be tried with wherever tests run: attempt guard, state guard, counter condition, lease. */
  readonly isClassic?: true;
  /** The test files that should notice, where it is not the conformance suite or the suite of states: names without `.test.ts`. */
  readonly tests?: readonly string[];
}
