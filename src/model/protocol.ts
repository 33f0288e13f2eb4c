// What the server and a replica say to each other beyond the SageMaker container contract (GET
// /ping, POST /invocations). A program that knows nothing of these headers is a model all the same.

/** Sent with an invocation: the run's id. */
export const RUN_ID_HEADER = 'claimcheck-run-id';
/** Sent with an invocation: the attempt, a whole number from 1. */
export const ATTEMPT_HEADER = 'claimcheck-attempt';
/**
 * Sent with an invocation: when it will be stopped, as an RFC 3339 string; absent where there is no
 * limit.
 */
export const DEADLINE_HEADER = 'claimcheck-deadline';
/**
 * Sent with an invocation: the run's metadata as JSON in ASCII; absent where that is longer than
 * METADATA_HEADER_MAX, except to our runner.
 */
export const METADATA_HEADER = 'claimcheck-metadata';
/**
 * Longest metadata that a program is sent, in characters: many servers take headers of 8 KiB and no
 * more.
 */
export const METADATA_HEADER_MAX = 4_096;
/**
 * Largest headers that our runner takes, in bytes: metadata has 16 KiB at the most, and three times
 * that in ASCII.
 */
export const RUNNER_HEADERS_MAX = 96 * 1_024;
/**
 * Sent with an invocation: a URL of this attempt alone. `POST {url}/progress` and `POST {url}/logs`
 * report on it while it works.
 */
export const CALLBACK_HEADER = 'claimcheck-callback';
/** Sent with a chunk of a table: how many rows it has. */
export const ROWS_HEADER = 'claimcheck-rows';
/**
 * Answered by our runner with a failure: `model-error` or `invalid-output`. A status from 400 up
 * without it is a `model-error`.
 */
export const FAILURE_HEADER = 'claimcheck-failure';
/**
 * Answered by our runner to a ping: how many invocations it is working on, so that the server sees
 * when a cancelled one has really stopped.
 */
export const BUSY_HEADER = 'claimcheck-busy';
/**
 * Environment variable with the descriptor on which our runner reports what it works on, one JSON
 * object a line; without it reports are dropped.
 */
export const REPORTS_VARIABLE = 'CLAIMCHECK_REPORTS';
/** That descriptor: the first one behind standard input, output and error. */
export const REPORTS_DESCRIPTOR = 3;
/** Environment variable with the Unix socket that our runner listens on. */
export const SOCKET_VARIABLE = 'CLAIMCHECK_SOCKET';
