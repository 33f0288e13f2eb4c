// What an endpoint is once its configuration has been read: every default applied, every duration a
// duration.

import type { RetryPolicy } from './retry.ts';
import type { ScoringSpec } from './scoring.ts';
import type { Duration } from './time.ts';

/**
 * Where a model comes from: a file with a `defineModel` export, a Python file and the interpreter
 * that runs it (a path, or a name on the PATH), a program that answers `/ping` and `/invocations`
 * on `$PORT`, or a server that somebody else runs and that answers them at an origin.
 */
export type ModelSource =
  | { readonly runtime: 'node'; readonly file: string }
  | { readonly runtime: 'python'; readonly file: string; readonly python: string }
  | { readonly runtime: 'command'; readonly argv: readonly [string, ...string[]] }
  | { readonly runtime: 'remote'; readonly url: string };

/**
 * What is done with rows that failed alone: named in an `inference_error` column, left out, or
 * the end of the whole batch.
 */
export type OnRowError = 'mark' | 'drop' | 'fail';

/** How many copies of the model run, and how they start and stop. */
export interface ReplicaPolicy {
  /** Kept running even without work. */
  readonly min: number;
  readonly max: number;
  /** Runs that one replica takes at the same time. */
  readonly concurrency: number;
  /** How long a replica may be without work before it is stopped. */
  readonly idle: Duration;
  /** How long a replica may take to answer its first ping with 200. */
  readonly startTimeout: Duration;
  /** Bytes that all processes of a replica may have together, or null for no limit of its own. */
  readonly memory: number | null;
  /** Processes that a replica may have, with every thread counted. */
  readonly pids: number;
  /**
   * Whether a program writes every line that it prints out before it answers the run which the line
   * is of, and prints none later: then its lines are kept with that run. Absent in specifications
   * that were stored before anybody could say so.
   */
  readonly flushes?: boolean;
  /** Longest output of one run, in bytes: what is longer is refused before it is read whole. */
  readonly outputBytes: number;
}

/** A named deployment of a model, as the engine sees it. */
export interface EndpointSpec {
  readonly name: string;
  /** What an invocation that states no preference gets. */
  readonly mode: 'sync' | 'async';
  /** Whether `POST /invoke` comes here. */
  readonly isDefault: boolean;
  readonly model: ModelSource;
  /**
   * Rows per chunk, or null where the configuration does not set it: then a table is a batch only
   * for models that take rows.
   */
  readonly batchSize: number | null;
  /** Chunks of one batch that may be outstanding at once. */
  readonly maxInFlight: number;
  readonly onRowError: OnRowError;
  /** Limit of one attempt. */
  readonly timeout: Duration;
  /** Limit of a synchronous wait. */
  readonly syncTimeout: Duration;
  readonly queueTtl: Duration;
  /** Top-level runs that may be queued at once. */
  readonly queueLimit: number;
  /**
   * Calls and chunks that may run at once over all servers; null for as many as the replicas take.
   */
  readonly concurrencyLimit: number | null;
  /** How long a run's input and output are kept after its end. */
  readonly retention: Duration;
  readonly retry: RetryPolicy;
  readonly replicas: ReplicaPolicy;
  /**
   * Whom a replica runs as: a user of its endpoint's own, the server's own user, or (null) the
   * first where that can be and the second elsewhere.
   */
  readonly user: 'own' | 'server' | null;
  /**
   * Environment variables of a replica; nothing of the server's own environment reaches it beside a
   * short fixed list.
   */
  readonly env: Readonly<Record<string, string>>;
  /** Working folder of a replica: an absolute path. */
  readonly cwd: string;
  /**
   * Whose clients are answered in the form that they know; absent where it has none, as in
   * specifications that were stored before there were any.
   */
  readonly face?: 'zenml';
  /**
   * How its predictions are scored; absent where nobody has said, as in specifications that were
   * stored before anybody could.
   */
  readonly scoring?: ScoringSpec;
  /** Columns that a table must have, compared without regard to case. */
  readonly features: readonly string[];
  readonly tags: readonly string[];
  readonly description: string | null;
}

/** Rows per chunk where neither the request nor the endpoint says otherwise. */
export const DEFAULT_BATCH_SIZE = 10;

/**
 * An endpoint's name: lower-case letters, digits and single hyphens, 63 characters at most (the
 * rule that SageMaker has, so that names carry over).
 */
export const ENDPOINT_NAME = /^(?=.{1,63}$)[a-z0-9](?:-?[a-z0-9])*$/;
