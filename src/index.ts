// What `import ... from 'claimcheck'` gives: the client. Nothing of the server is reached from
// here.

export type { RetryOptions } from './client/backoff.ts';
export { Claimcheck, connect, type ConnectOptions, type RunsFilter } from './client/connect.ts';
export {
  type CachedInferenceOptions,
  InferenceCache,
  type InferenceCacheInfo,
  type InferenceCacheOptions,
} from './client/cache/inference-cache.ts';
export { Capture, type CaptureChoice, type CapturesFilter, type TestInference } from './client/captures.ts';
export type { Content, InputContent } from './client/content.ts';
export type { OutputStream } from './client/download.ts';
export {
  Endpoint,
  type InferenceOptions,
  type InvokeOptions,
  type PurgeOptions,
  type WarmOptions,
} from './client/endpoint.ts';
export {
  CaptureNotFoundError,
  ClaimcheckError,
  ConnectionError,
  DeduplicatedError,
  DeliveryNotFoundError,
  DrainingError,
  EndpointInUseError,
  EndpointNotFoundError,
  EvaluationNotFoundError,
  ExpectationFailedError,
  ForbiddenError,
  HeaderTooLargeError,
  IdempotencyMismatchError,
  InputUnavailableError,
  InternalError,
  InvalidOutputError,
  InvalidRequestError,
  MalformedBodyError,
  MethodNotAllowedError,
  MisdirectedRequestError,
  ModelError,
  NotAcceptableError,
  NotFoundError,
  OutputExpiredError,
  PayloadDamagedError,
  PayloadTooLargeError,
  QueueExpiredError,
  QueueFullError,
  OutOfMemoryError,
  RangeNotSatisfiableError,
  ReplicaCrashedError,
  ReplicaUnavailableError,
  RequestTimeoutError,
  RunCancelledError,
  RunEndedError,
  RunNotEndedError,
  RunNotFoundError,
  RunTimeoutError,
  StorageFullError,
  StorageUnavailableError,
  TooManyStreamsError,
  TooManyAttemptsError,
  UnauthorizedError,
  UnsupportedMediaTypeError,
  UriTooLongError,
  WaitExceededError,
} from './client/errors.ts';
export type { Part, PartRows, PartsOptions } from './client/parts.ts';
export { type EventOptions, type LogOptions, Run, type WaitOptions } from './client/run.ts';
export type { RunEvent } from './client/streams.ts';
export type { BatchOptions, RunOptions, Seconds, SubmitOptions } from './client/submission.ts';
export type { AnyTable, ArrowTable, LibraryTable, PolarsFrame } from './client/tables.ts';
export { defineConfig } from './config/define-config.ts';
export type { FieldError } from './domain/errors.ts';
export { TableError } from './table/format.ts';
export type { Row } from './table/rows.ts';
export type { CaptureBody, CaptureLine, MetricsBody } from './wire/captures.ts';
export type { DeliveryBody } from './wire/deliveries.ts';
export type { EndpointBody } from './wire/endpoints.ts';
export type { LogLineBody } from './wire/logs.ts';
export type { RunBody, RunLine } from './wire/runs.ts';
