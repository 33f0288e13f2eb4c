// What the server and a replica say to each other beyond the SageMaker container contract (GET /ping, POST /invocations).
// A program that knows nothing of these headers is a model all the same.

/** Sent with an invocation: the run's id. */
export const RUN_ID_HEADER = 'claimcheck-run-id';
/** Sent with an invocation: the attempt, a whole number from 1. */
export const ATTEMPT_HEADER = 'claimcheck-attempt';
/** Sent with an invocation: when it will be stopped, as an RFC 3339 string; absent where there is no limit. */
export const DEADLINE_HEADER = 'claimcheck-deadline';
/** Answered by our runner with a failure: `model-error` or `invalid-output`. A status from 400 up without it is a `model-error`. */
export const FAILURE_HEADER = 'claimcheck-failure';
/** Answered by our runner to a ping: how many invocations it is working on, so that the server sees when a cancelled one has really stopped. */
export const BUSY_HEADER = 'claimcheck-busy';
/** Environment variable with the Unix socket that our runner listens on. */
export const SOCKET_VARIABLE = 'CLAIMCHECK_SOCKET';
