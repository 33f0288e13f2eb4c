// What can go wrong, as classes: one for every problem of the table that the server answers from,
// and one for no answer at all.

import { type FieldError, PROBLEMS, type ProblemSlug } from '../domain/errors.ts';
import type { ProblemBody } from '../wire/problems.ts';
import type { RunBody } from '../wire/runs.ts';

/** What is known of a problem beside its slug. */
export interface ProblemFacts {
  readonly detail: string;
  readonly status: number;
  readonly retryable: boolean;
  readonly runId?: string | null | undefined;
  readonly errors?: readonly FieldError[] | undefined;
  readonly instance?: string | null | undefined;
  readonly cause?: unknown;
}

/**
 * An error that the server answered with, or that a run ended with. A slug that this version does
 * not know has no class of its own.
 */
export class ClaimcheckError<Slug extends string = string> extends Error {
  /** Key of the problem table, `queue-full` for one. */
  readonly slug: Slug;
  /** HTTP status of the problem. */
  readonly status: number;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** The run that this is about, or null where there is none. */
  readonly runId: string | null;
  /** What was wrong, where, and what to do; the same as `message`. */
  readonly detail: string;
  /** The places in the request that are wrong. */
  readonly errors: readonly FieldError[];
  /**
   * The id of the request, under which the server's log has the cause; null for an error that a run
   * ended with.
   */
  readonly instance: string | null;

  constructor(slug: Slug, { detail, status, retryable, runId, errors, instance, cause }: ProblemFacts) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = errorName(slug);
    this.slug = slug;
    this.status = status;
    this.retryable = retryable;
    this.runId = runId ?? null;
    this.detail = detail;
    this.errors = errors ?? [];
    this.instance = instance ?? null;
  }
}

/**
 * No claimcheck server answered: it cannot be reached, or something else answers in its place.
 * `cause` has the reason.
 */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  /** What was asked for. */
  readonly url: string;
  /** The run that was waited for, which goes on without anybody; null for any other request. */
  readonly runId: string | null;

  constructor(message: string, url: string, cause?: unknown, runId: string | null = null) {
    super(message, cause === undefined ? undefined : { cause });
    this.url = url;
    this.runId = runId;
  }
}

/**
 * No run was made for an input whose output is waited for: another with the same concurrency key
 * goes on, and what it answers is of its own input. `submit` answers its handle instead.
 */
export class DeduplicatedError extends Error {
  override readonly name = 'DeduplicatedError';
  /** The run that goes on. */
  readonly runId: string;

  /** @param advice what to do instead */
  constructor(runId: string, advice = 'Hand the input in with submit() to get that run.') {
    super(
      `No run was made: ${runId} has the same concurrency key and has not ended; what it answers may be of another input. ${advice}`,
    );
    this.runId = runId;
  }
}

/**
 * A slug as the name of its class: `queue-full` is QueueFullError, `model-error` is ModelError. Not
 * taken from the class, whose name a bundler may shorten.
 */
export function errorName(slug: string): string {
  if (!Object.hasOwn(PROBLEMS, slug)) return 'ClaimcheckError';
  const words = slug.split('-').map((word) => `${word[0]!.toUpperCase()}${word.slice(1)}`);
  return `${words.join('').replace(/Error$/, '')}Error`;
}

function problem<Slug extends ProblemSlug>(slug: Slug) {
  return class extends ClaimcheckError<Slug> {
    constructor(facts: ProblemFacts) {
      super(slug, facts);
    }
  };
}

/** 400: the bytes are not what the content type says. */
export class MalformedBodyError extends problem('malformed-body') {}
/** 401: no valid API key. */
export class UnauthorizedError extends problem('unauthorized') {}
/** 403: the API key lacks the scope. */
export class ForbiddenError extends problem('forbidden') {}
/** 404: no endpoint of that name is deployed. */
export class EndpointNotFoundError extends problem('endpoint-not-found') {}
/** 404: no run has that id. */
export class RunNotFoundError extends problem('run-not-found') {}
/** 404: the run has no delivery of that id. */
export class DeliveryNotFoundError extends problem('delivery-not-found') {}
/** 404: nothing is captured under that name, or not in that version. */
export class CaptureNotFoundError extends problem('capture-not-found') {}
/** 404: the endpoint has no evaluation data. */
export class EvaluationNotFoundError extends problem('evaluation-not-found') {}
/** 404: the server has no such path; it may be of another version. */
export class NotFoundError extends problem('not-found') {}
/** 405: the path does not take this method. */
export class MethodNotAllowedError extends problem('method-not-allowed') {}
/** 406: the output cannot be given in the format asked for. */
export class NotAcceptableError extends problem('not-acceptable') {}
/** 408: the request came too slowly; nothing was stored. */
export class RequestTimeoutError extends problem('request-timeout') {}
/** 409: possible only before a run ends, and it has ended. */
export class RunEndedError extends problem('run-ended') {}
/** 409: possible only once a run has ended, and it has not. */
export class RunNotEndedError extends problem('run-not-ended') {}
/** 409: the run was cancelled, so it has no output. */
export class RunCancelledError extends problem('run-cancelled') {}
/** 409: the endpoint has runs that have not ended, or the server's configuration names it. */
export class EndpointInUseError extends problem('endpoint-in-use') {}
/**
 * 410: the run ended longer ago than its endpoint's retention, and its output, or its input for a
 * retry, is no longer kept.
 */
export class OutputExpiredError extends problem('output-expired') {}
/** 413: the body is longer than the server takes. */
export class PayloadTooLargeError extends problem('payload-too-large') {}
/** 415: the server does not read this content type or encoding. */
export class UnsupportedMediaTypeError extends problem('unsupported-media-type') {}
/** 414: the path and the query are longer than the server takes. */
export class UriTooLongError extends problem('uri-too-long') {}
/** 417: the Expect header asks for something that the server does not know. */
export class ExpectationFailedError extends problem('expectation-failed') {}
/** 431: the headers are longer, or more, than the server takes. */
export class HeaderTooLargeError extends problem('header-too-large') {}
/** 421: the server does not answer for the host in the URL. */
export class MisdirectedRequestError extends problem('misdirected-request') {}
/** 422: the request says something that the server cannot take; `errors` names each place. */
export class InvalidRequestError extends problem('invalid-request') {}
/** 422: the idempotency key, or `jobKey`, came before with another request. */
export class IdempotencyMismatchError extends problem('idempotency-mismatch') {}
/** 424: the model answered with an error of its own; the detail is its message. */
export class ModelError extends problem('model-error') {}
/**
 * 424: the model returned another number of rows than it was given, or bytes that are not what they
 * claim.
 */
export class InvalidOutputError extends problem('invalid-output') {}
/** 424: what `inputLocation` names could not be fetched when the run started. */
export class InputUnavailableError extends problem('input-unavailable') {}
/**
 * 424: the process that ran the model ended in the middle of the run, more often than the retry
 * policy allows.
 */
export class ReplicaCrashedError extends problem('replica-crashed') {}
/** 424: the run took more memory than its replica may have. */
export class OutOfMemoryError extends problem('out-of-memory') {}
/** 429: the endpoint's queue is full; nothing was stored. */
export class QueueFullError extends problem('queue-full') {}
/**
 * 429: too many API keys that are not valid came from this address; a valid one is taken all the
 * same.
 */
export class TooManyAttemptsError extends problem('too-many-attempts') {}
/** 500: a bug, or a failure of the storage; the server's log has the cause under `instance`. */
export class InternalError extends problem('internal') {}
/** 500: stored bytes are missing or damaged; asking again finds the same. */
export class PayloadDamagedError extends problem('payload-damaged') {}
/** 503: the server is stopping and takes no new work. */
export class DrainingError extends problem('draining') {}
/** 503: the model did not become ready; the detail has the last lines it printed. */
export class ReplicaUnavailableError extends problem('replica-unavailable') {}
/** 416: the range begins after the last byte of the output. */
export class RangeNotSatisfiableError extends problem('range-not-satisfiable') {}
/** 503: the server follows no more runs at once. Ask again later. */
export class TooManyStreamsError extends problem('too-many-streams') {}
/**
 * 503: the store of the runs does not answer, or refuses what it is asked. Ask again later, a
 * submit with the same idempotency key.
 */
export class StorageUnavailableError extends problem('storage-unavailable') {}
/** 507: the server has too little disk left to promise that a run is kept; nothing was stored. */
export class StorageFullError extends problem('storage-full') {}
/** 504: an attempt took longer than the run's timeout. */
export class RunTimeoutError extends problem('run-timeout') {}
/** 504: the run was still queued when its queue_ttl was over. */
export class QueueExpiredError extends problem('queue-expired') {}
/**
 * 504: the synchronous wait is over, the run is not. The client goes on waiting, so only a raw
 * request sees this.
 */
export class WaitExceededError extends problem('wait-exceeded') {}

/** Slug → class. A slug without a class, or with one of another slug, does not compile. */
const CLASSES: { readonly [Slug in ProblemSlug]: new (facts: ProblemFacts) => ClaimcheckError<Slug> } = {
  'malformed-body': MalformedBodyError,
  unauthorized: UnauthorizedError,
  forbidden: ForbiddenError,
  'endpoint-not-found': EndpointNotFoundError,
  'run-not-found': RunNotFoundError,
  'delivery-not-found': DeliveryNotFoundError,
  'capture-not-found': CaptureNotFoundError,
  'evaluation-not-found': EvaluationNotFoundError,
  'not-found': NotFoundError,
  'method-not-allowed': MethodNotAllowedError,
  'not-acceptable': NotAcceptableError,
  'request-timeout': RequestTimeoutError,
  'run-ended': RunEndedError,
  'run-not-ended': RunNotEndedError,
  'run-cancelled': RunCancelledError,
  'endpoint-in-use': EndpointInUseError,
  'output-expired': OutputExpiredError,
  'payload-too-large': PayloadTooLargeError,
  'unsupported-media-type': UnsupportedMediaTypeError,
  'uri-too-long': UriTooLongError,
  'expectation-failed': ExpectationFailedError,
  'header-too-large': HeaderTooLargeError,
  'misdirected-request': MisdirectedRequestError,
  'invalid-request': InvalidRequestError,
  'idempotency-mismatch': IdempotencyMismatchError,
  'model-error': ModelError,
  'invalid-output': InvalidOutputError,
  'input-unavailable': InputUnavailableError,
  'replica-crashed': ReplicaCrashedError,
  'out-of-memory': OutOfMemoryError,
  'queue-full': QueueFullError,
  'too-many-attempts': TooManyAttemptsError,
  internal: InternalError,
  'payload-damaged': PayloadDamagedError,
  draining: DrainingError,
  'replica-unavailable': ReplicaUnavailableError,
  'storage-full': StorageFullError,
  'storage-unavailable': StorageUnavailableError,
  'range-not-satisfiable': RangeNotSatisfiableError,
  'too-many-streams': TooManyStreamsError,
  'run-timeout': RunTimeoutError,
  'queue-expired': QueueExpiredError,
  'wait-exceeded': WaitExceededError,
};

/** The error for a slug; the plain ClaimcheckError for one that this version does not know. */
export function errorOf(slug: string, facts: ProblemFacts): ClaimcheckError {
  return Object.hasOwn(CLASSES, slug) ? new CLASSES[slug as ProblemSlug](facts) : new ClaimcheckError(slug, facts);
}

/** The error that a problem of the server stands for. */
export function errorOfProblem(body: ProblemBody): ClaimcheckError {
  const { type, status, detail, title, retryable, run_id: runId, errors, instance } = body;
  const slug = type.slice(type.lastIndexOf('/') + 1);
  return errorOf(slug, { detail: detail || title, status, retryable, runId, errors, instance });
}

/** The error that stands for a run without an output: its own failure, or that it was cancelled. */
export function errorOfRun({
  run_id: runId,
  status,
  error,
}: Pick<RunBody, 'run_id' | 'status' | 'error'>): ClaimcheckError {
  if (error !== null)
    return errorOf(error.type, {
      detail: error.detail,
      status: statusOf(error.type),
      retryable: error.retryable,
      runId,
    });
  if (status === 'cancelled')
    return new RunCancelledError({ ...PROBLEMS['run-cancelled'], detail: `Run ${runId} was cancelled.`, runId });
  return new InternalError({
    ...PROBLEMS.internal,
    detail: `Run ${runId} ended as ${status} and did not say why.`,
    runId,
  });
}

/**
 * A run's failure travels without an HTTP status, and a newer server may know more failures than
 * this table.
 */
function statusOf(slug: string): number {
  return Object.hasOwn(PROBLEMS, slug) ? PROBLEMS[slug as ProblemSlug].status : PROBLEMS.internal.status;
}
