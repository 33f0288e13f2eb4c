// The one table of expected errors: the server's answers, the client's classes and docs/errors.md
// all come from it.

/**
 * Slug → HTTP status, title, whether the same request may succeed later, and what a reader should
 * know.
 */
export const PROBLEMS = {
  'malformed-body': {
    status: 400,
    title: 'The body cannot be read',
    retryable: false,
    meaning:
      'The bytes are not what the content type says: broken JSON, a ragged CSV row, an unclosed quote. The detail names the place.',
  },
  unauthorized: {
    status: 401,
    title: 'No valid key',
    retryable: false,
    meaning: 'The request carries no API key, or one that is unknown, revoked or expired.',
  },
  forbidden: {
    status: 403,
    title: 'Not allowed',
    retryable: false,
    meaning: 'The key is valid but lacks the scope, or the request comes from a page of another origin.',
  },
  'endpoint-not-found': {
    status: 404,
    title: 'No such endpoint',
    retryable: false,
    meaning: 'No endpoint of that name is deployed. The detail lists those that are.',
  },
  'run-not-found': {
    status: 404,
    title: 'No such run',
    retryable: false,
    meaning: 'No run has that id, or it belongs to somebody else.',
  },
  'delivery-not-found': {
    status: 404,
    title: 'No such delivery',
    retryable: false,
    meaning: 'The run has no delivery of that id: nobody asked to be told of its end, or the id is another run’s.',
  },
  'capture-not-found': {
    status: 404,
    title: 'No such capture',
    retryable: false,
    meaning:
      'Nothing of the endpoint is captured under that name, or not in that version, or it belongs to somebody else.',
  },
  'evaluation-not-found': {
    status: 404,
    title: 'No evaluation data',
    retryable: false,
    meaning:
      "The endpoint's configuration names no evaluation data, or the file can no longer be read. The detail says which.",
  },
  'not-found': {
    status: 404,
    title: 'No such path',
    retryable: false,
    meaning: 'The server has no route of that path.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    retryable: false,
    meaning: 'The path exists, but not with this method; the Allow header lists the methods it has.',
  },
  'not-acceptable': {
    status: 406,
    title: 'Cannot answer in that format',
    retryable: false,
    meaning: 'The output cannot be given in any format that the Accept header names.',
  },
  'request-timeout': {
    status: 408,
    title: 'The request did not arrive in time',
    retryable: true,
    meaning: 'The headers or the body came too slowly; nothing was stored.',
  },
  'uri-too-long': {
    status: 414,
    title: 'The request line is too long',
    retryable: false,
    meaning: 'The path and the query are longer than the server takes; nothing was read of the request.',
  },
  'expectation-failed': {
    status: 417,
    title: 'An expectation that is not known',
    retryable: false,
    meaning: 'The Expect header asks for something else than 100-continue.',
  },
  'header-too-large': {
    status: 431,
    title: 'The headers are too large',
    retryable: false,
    meaning: 'The headers are longer, or more, than the server takes; nothing was read of the request.',
  },
  'run-ended': {
    status: 409,
    title: 'The run has ended',
    retryable: false,
    meaning: 'What was asked is possible only before a run ends. The run is attached as it stands.',
  },
  'run-not-ended': {
    status: 409,
    title: 'The run has not ended',
    retryable: true,
    meaning: 'What was asked is possible only once the run has ended.',
  },
  'run-cancelled': {
    status: 409,
    title: 'The run was cancelled',
    retryable: false,
    meaning: 'The run was cancelled, so it has no output.',
  },
  'endpoint-in-use': {
    status: 409,
    title: 'The endpoint is still needed',
    retryable: false,
    meaning:
      "The endpoint has runs that have not ended, or the server's configuration names it, so it was not taken away.",
  },
  'output-expired': {
    status: 410,
    title: 'No longer kept',
    retryable: false,
    meaning:
      "The run ended longer ago than its endpoint's retention: its output can no longer be had, and its input cannot be tried again. The run itself is still shown.",
  },
  'payload-too-large': {
    status: 413,
    title: 'The body is too large',
    retryable: false,
    meaning: 'The body is longer than the server takes; decided before it is read where its length was announced.',
  },
  'range-not-satisfiable': {
    status: 416,
    title: 'There are no such bytes',
    retryable: false,
    meaning: 'The range begins after the last byte of the output; Content-Range says how many there are.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'Unsupported content type',
    retryable: false,
    meaning: 'The body has no content type, or is encoded in a way the server does not read.',
  },
  'misdirected-request': {
    status: 421,
    title: 'Not a host of this server',
    retryable: false,
    meaning: 'The Host header names a host that this server does not answer for.',
  },
  'invalid-request': {
    status: 422,
    title: 'The request is not valid',
    retryable: false,
    meaning:
      'The body is well formed but says something the server cannot take: an unknown member, a wrong type, a value out of bounds. `errors` names each place.',
  },
  'idempotency-mismatch': {
    status: 422,
    title: 'The idempotency key was used for another request',
    retryable: false,
    meaning: 'The same Idempotency-Key came before with another endpoint, other options or another input.',
  },
  'model-error': {
    status: 424,
    title: 'The model failed',
    retryable: false,
    meaning: 'The model answered with an error of its own; the detail is its message.',
  },
  'invalid-output': {
    status: 424,
    title: 'The model returned an invalid output',
    retryable: false,
    meaning:
      'The model returned another number of rows than it was given, a value that is no number, or bytes that are not the format they claim.',
  },
  'input-unavailable': {
    status: 424,
    title: 'The input could not be fetched',
    retryable: true,
    meaning:
      'What the input_location names could not be had when the run started: nobody answered, or not with a 200, or it was too long.',
  },
  'replica-crashed': {
    status: 424,
    title: 'The replica was lost',
    retryable: true,
    meaning: 'The process that ran the model ended in the middle of the run, more often than the retry policy allows.',
  },
  'out-of-memory': {
    status: 424,
    title: 'The replica ran out of memory',
    retryable: false,
    meaning:
      'The kernel ended the process that ran the model, and nothing but this run, because it took more memory than it may have. The same input would most likely do that again.',
  },
  'queue-full': {
    status: 429,
    title: 'The queue is full',
    retryable: true,
    meaning: "The endpoint's queue_limit is reached; nothing was stored. Retry-After says when a place is expected.",
  },
  'too-many-attempts': {
    status: 429,
    title: 'Too many invalid keys',
    retryable: false,
    meaning:
      'Too many API keys that are not valid came from this address lately. A valid one is taken all the same; Retry-After says when another may be tried.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    retryable: true,
    meaning: 'A bug, or a failure of the storage; the server log has the cause under the request id.',
  },
  'payload-damaged': {
    status: 500,
    title: 'The stored bytes are damaged',
    retryable: false,
    meaning:
      'An input, an output or a part of a capture is missing from the store, or has other bytes than were put there. Asking again finds the same; `claimcheck doctor` says what else is damaged.',
  },
  draining: {
    status: 503,
    title: 'The server is stopping',
    retryable: true,
    meaning: 'The server finishes what runs and takes no new work.',
  },
  'replica-unavailable': {
    status: 503,
    title: 'No replica could be started',
    retryable: true,
    meaning: 'The model did not become ready within its start timeout; the detail has the last lines it printed.',
  },
  'too-many-streams': {
    status: 503,
    title: 'Too many runs are followed',
    retryable: true,
    meaning: 'The server follows no more runs at once. Ask again later, or ask for the run itself now and then.',
  },
  'storage-unavailable': {
    status: 503,
    title: 'The store cannot be reached',
    retryable: true,
    meaning:
      'The database or the disk that holds the runs does not answer, or refuses what it is asked. What runs goes on, and waits for the store with what it has to write. Where the connection broke in the middle of a submit nobody knows whether it was stored: sent again with the same Idempotency-Key it makes one run.',
  },
  'storage-full': {
    status: 507,
    title: 'The disk is full',
    retryable: true,
    meaning:
      'The server has too little disk left to promise that a run is kept, so nothing was stored. What runs goes on, and reading and cancelling work.',
  },
  'run-timeout': {
    status: 504,
    title: 'The run timed out',
    retryable: true,
    meaning: "The attempt took longer than the run's timeout and was stopped from outside.",
  },
  'queue-expired': {
    status: 504,
    title: 'The run waited too long',
    retryable: true,
    meaning: 'The run was still queued when its queue_ttl was over.',
  },
  'wait-exceeded': {
    status: 504,
    title: 'The run goes on',
    retryable: true,
    meaning: 'The synchronous wait is over but the run is not: it goes on, and Location says where to find it.',
  },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean; meaning: string }>;

/** The last part of a problem's `type`, and its key in the table. */
export type ProblemSlug = keyof typeof PROBLEMS;

/** The problems that a run can end with; they are stored as its error. */
export const RUN_FAILURES = [
  'model-error',
  'invalid-output',
  'input-unavailable',
  'replica-crashed',
  'out-of-memory',
  'replica-unavailable',
  'run-timeout',
  'queue-expired',
  'payload-damaged',
  'internal',
] as const;
/** The type of a failed run's error. */
export type RunFailure = (typeof RUN_FAILURES)[number];

/** Why a run failed, as it is stored and shown. */
export interface RunError {
  readonly type: RunFailure;
  readonly detail: string;
}

/** What is said of a batch that its first failed row ended; rows are counted from 1. */
export const failedRow = (row: number, reason: string): string =>
  `Row ${row} failed (on_row_error is "fail"): ${reason}`;
/**
 * Where `failedRow` has the row: a client that sent only some rows of a table says there where the
 * row stands in it.
 */
export const FAILED_ROW = /^Row (\d+)(?= failed \(on_row_error)/;

/**
 * One place in a request that is wrong: a JSON pointer (or `header:name`, `query:name`) and what is
 * wrong there.
 */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/** What a problem may carry beside its slug and detail. */
export interface ProblemExtras {
  readonly errors?: readonly FieldError[];
  readonly runId?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly members?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * An expected error: a slug of the table, and a detail that says what was wrong, where, and what to
 * do.
 */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly slug: ProblemSlug;
  readonly extras: ProblemExtras;

  constructor(slug: ProblemSlug, detail: string, extras: ProblemExtras = {}) {
    super(detail, { cause: extras.cause });
    this.slug = slug;
    this.extras = extras;
  }
}

/**
 * The store has no room left: nothing was written, and the same write may succeed once there is
 * room again.
 */
export class StorageFull extends Error {
  override readonly name = 'StorageFull';
}

/**
 * The store did not answer, or could not do what it was asked to: it is away, it has no descriptor
 * or right to open a file, its disk cannot be read. That says nothing against what is in it, nor of
 * any run: the same may succeed later.
 */
export class StorageUnavailable extends Error {
  override readonly name: string = 'StorageUnavailable';
  /** Whether what was asked for may have been done all the same: the answer was lost. */
  readonly mayBeDone: boolean = false;
}

/**
 * Whether an error speaks of a store, and so never of the run that met it: an outcome is what the
 * table or the model did.
 */
export const isStorageTrouble = (error: unknown): boolean =>
  error instanceof StorageUnavailable ||
  error instanceof StorageFull ||
  error instanceof StorageBroken ||
  isTroubleOfSqlite(error);

/**
 * SQLite's primary result codes by which it speaks of its file, its disk or the memory, and not of
 * the statement: BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, CANTOPEN, PROTOCOL,
 * NOTADB. https://www.sqlite.org/rescode.html
 */
const OF_THE_FILE: ReadonlySet<number> = new Set([5, 6, 7, 8, 9, 10, 11, 14, 15, 26]);

/** Whether it is such an error of `node:sqlite`, as the small stores let through. */
function isTroubleOfSqlite(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return false;
  return typeof error.errcode === 'number' && OF_THE_FILE.has(error.errcode & 0xff);
}

/**
 * The store failed in a way after which nothing that it says can be trusted: the server must end,
 * and its next start reads the store anew.
 */
export class StorageBroken extends Error {
  override readonly name = 'StorageBroken';
}
