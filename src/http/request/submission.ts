// From a request to what the engine is asked for: the envelope's options or the query's, and the
// input as it was sent.

import type { Principal } from '../../domain/access.ts';
import type { BatchOptions } from '../../domain/batch.ts';
import { CALLBACK_EVENTS, type CallbackEvent } from '../../domain/delivery.ts';
import { type FieldError, ServiceError } from '../../domain/errors.ts';
import { isJson, LOCATION_TYPE } from '../../domain/payload.ts';
import { type Duration, milliseconds, seconds } from '../../domain/time.ts';
import type { Deployed } from '../../engine/deployment.ts';
import { batchFormat, looksLikeTable } from '../../engine/batch/plan.ts';
import type { Submission, SubmittedInput } from '../../engine/intake.ts';
import { unreadParameter } from '../../table/csv/look.ts';
import { tableFormatOf } from '../../table/format.ts';
import { isJsonTable } from '../../table/json/json.ts';
import { compileCheck, interpretedCheck } from '../../wire/validation.ts';
import { InvokeEnvelope, type InvokeQuery } from '../../wire/invoke.ts';
import { readAccept } from './accept.ts';
import { type Envelope, type EnvelopeBounds, type MemberPlace, readEnvelope } from './envelope.ts';
import { idempotencyKeyOf } from './idempotency.ts';
import type { IncomingBody } from './incoming-body.ts';
import { invalidRequest } from '../answer/problem.ts';
import { halfPairErrors, lineErrors } from './text.ts';

/**
 * Largest metadata of a run, in bytes of JSON text: it is shown with every line of a list. No other
 * option of an envelope needs as much.
 */
const METADATA_BYTES_MAX = 16 * 1_024;

/**
 * Largest input that is held against the model's schema here, in bytes: checking keeps every other
 * request waiting. The replica checks the rest.
 */
const CHECKED_BYTES_MAX = 1_024 * 1_024;

/** What an invocation's request is made of. */
export interface InvokeRequest {
  readonly principal: Principal;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly query: InvokeQuery;
  readonly body: Uint8Array | IncomingBody;
  /**
   * Where the members of an envelope stand, where that is known; a long one is not to be looked
   * through here.
   */
  readonly places?: readonly MemberPlace[] | undefined;
}

/** A submission whose input may not have been read yet. */
export type AskedSubmission = Omit<Submission, 'input'> & {
  readonly input: SubmittedInput | { readonly contentType: string; readonly incoming: IncomingBody };
};

/** The submission, and what the request itself says about waiting; null where it says nothing. */
export interface ReadRequest {
  readonly submission: AskedSubmission;
  readonly async: boolean | null;
}

/** Nothing but the input may be long. */
const BOUNDS: EnvelopeBounds = { unread: new Set(['input', 'parameters']), valueBytesMax: METADATA_BYTES_MAX };

/** Options that are texts. */
const LINES = ['run_name', 'concurrency_key', 'callback_url', 'input_location'] as const;

const checkEnvelope = compileCheck(InvokeEnvelope);

/**
 * Reads the request of an invocation.
 *
 * @throws ServiceError `unsupported-media-type`, `malformed-body` or `invalid-request`, with the
 *   place
 */
export function readSubmission(request: InvokeRequest, deployed: Deployed): ReadRequest {
  const contentType = headerOf(request, 'content-type');
  if (contentType === null) {
    throw new ServiceError(
      'unsupported-media-type',
      'The request has no Content-Type. Send application/json for {"input": …}, text/csv for a table, application/octet-stream for bytes.',
    );
  }
  const encoding = headerOf(request, 'content-encoding');
  if (encoding !== null && encoding !== 'identity') {
    throw new ServiceError(
      'unsupported-media-type',
      `The body is encoded with ${encoding.slice(0, 40)}; send it without Content-Encoding.`,
      { headers: { 'accept-encoding': 'identity' } },
    );
  }
  const { body } = request;
  if (contentType === LOCATION_TYPE)
    throw new ServiceError(
      'unsupported-media-type',
      'An input by reference is named in an envelope: send application/json with {"input_location": "https://…"}.',
    );
  if (!isJson(contentType)) return readRaw(request, body, deployed, contentType);
  if (!(body instanceof Uint8Array)) throw new Error('An envelope was not read, and can only be read whole.');
  return isJsonTable(body) ? readTable(request, body, deployed, contentType) : readJson(request, body, deployed);
}

/**
 * JSON records without an envelope; only where they run as a batch, since any other array may as
 * well be a mistake.
 */
function readTable(request: InvokeRequest, body: Uint8Array, deployed: Deployed, contentType: string): ReadRequest {
  const read = readRaw(request, body, deployed, contentType);
  return batchFormat(read.submission) === null ? readJson(request, body, deployed) : read;
}

function readJson(request: InvokeRequest, body: Uint8Array, deployed: Deployed): ReadRequest {
  // An envelope has its options inside: one beside it would be a second opinion. How it is answered
  // may stand in either place.
  const { async: asyncBeside = null, ...others } = request.query;
  const beside = Object.keys(others).map((name) => ({
    pointer: `query:${name}`,
    detail: 'belongs into the body, beside "input"',
  }));
  if (beside.length > 0) throw invalidRequest('The query is not valid', beside);
  const envelope = readEnvelope(body, BOUNDS, request.places);
  const value = deployed.spec.face === 'zenml' ? withoutNullName(envelope.value) : envelope.value;
  const errors = [
    ...checkEnvelope(value),
    ...lengthErrors(envelope),
    ...inputErrors(envelope),
    ...LINES.flatMap((name) => lineErrors(`/${name}`, envelope.value[name])),
    ...halfPairErrors('/metadata', envelope.value['metadata']),
  ];
  if (errors.length > 0) throw invalidRequest('The request is not valid', errors);
  const options = value as InvokeEnvelope;
  const { async: asyncInside = asyncBeside } = options;
  if (asyncBeside !== null && asyncInside !== asyncBeside)
    throw invalidRequest('The request is not valid', [
      { pointer: 'query:async', detail: 'says otherwise than "async" in the body; leave one of them out' },
    ]);
  const { input, pointer: inputPointer } = inputOf(envelope, options);
  const { bytes } = input;
  const submission: Submission = {
    ...common(request, deployed, options),
    callback: callbackOf(options.callback_url, options.callback_events, (name) => `/${name}`),
    input,
    inputPointer,
    batch: batchOf(options.batch),
    metadata: metadataOf(envelope),
  };
  const misfits = schemaErrors(submission, bytes);
  if (misfits.length > 0) throw invalidRequest("The input does not fit the model's schema", misfits);
  return { submission, async: asyncInside };
}

function readRaw(
  request: InvokeRequest,
  body: InvokeRequest['body'],
  deployed: Deployed,
  contentType: string,
): ReadRequest {
  const options = request.query;
  const choice: Partial<BatchOptions> = {
    ...(options.batch_size === undefined ? {} : { size: options.batch_size }),
    ...(options.max_in_flight === undefined ? {} : { maxInFlight: options.max_in_flight }),
    ...(options.on_row_error === undefined ? {} : { onRowError: options.on_row_error }),
  };
  const asked = options.batch ?? (Object.keys(choice).length > 0 ? true : undefined);
  const submission: AskedSubmission = {
    ...common(request, deployed, options),
    callback: callbackOf(
      options.callback_url,
      options.callback_events?.split(',') as CallbackEvent[] | undefined,
      (name) => `query:${name}`,
    ),
    input: body instanceof Uint8Array ? { bytes: body, contentType } : { incoming: body, contentType },
    inputPointer: '',
    batch: asked === undefined ? 'auto' : asked ? choice : 'off',
    metadata: '{}',
  };
  if (deployed.takes === 'rows' && batchFormat(submission) === null && tableFormatOf(contentType) === null)
    throw notForRows(contentType, deployed);
  if (tableFormatOf(contentType) === 'csv' && (deployed.takes === 'rows' || batchFormat(submission) !== null))
    assertReadAsSaid(contentType);
  return { submission, async: options.async ?? null };
}

/** A model that takes bytes reads its parameters itself. */
function assertReadAsSaid(contentType: string): void {
  const parameter = unreadParameter(contentType);
  if (parameter !== null) throw new ServiceError('unsupported-media-type', `The Content-Type says ${parameter}.`);
}

/** What would only fail in a replica, some time later. */
function notForRows(contentType: string, { spec }: Deployed): ServiceError {
  return new ServiceError(
    'unsupported-media-type',
    `The model of "${spec.name}" takes rows, and ${contentType.slice(0, 80)} is no table that it reads. Send text/csv, application/jsonlines or application/json; an Arrow stream where it runs as a batch.`,
  );
}

function common(request: InvokeRequest, deployed: Deployed, options: InvokeQuery | InvokeEnvelope) {
  return {
    principal: request.principal,
    deployed,
    accept: readAccept(headerOf(request, 'accept') ?? undefined),
    runName: options.run_name ?? null,
    timeout: durationOf(options.timeout),
    queueTtl: durationOf(options.queue_ttl),
    priority: options.priority ?? 0,
    idempotencyKey: idempotencyKeyOf(request.headers),
    concurrencyKey: options.concurrency_key ?? null,
    retryOf: null,
    // The caller says which it is.
    trace: null,
  };
}

/** Pipeline callers say null where a run has no name of its own. */
function withoutNullName({ run_name: name, ...others }: Envelope['value']): Envelope['value'] {
  return name === null ? others : { ...others, ...(name !== undefined && { run_name: name }) };
}

/**
 * Every end is told, unless fewer are asked for. `pointerOf` says where an option of a name stands.
 */
function callbackOf(
  url: string | undefined,
  events: readonly CallbackEvent[] | undefined,
  pointerOf: (name: string) => string,
): Submission['callback'] {
  if (url !== undefined) {
    const told = new Set(events ?? Object.values(CALLBACK_EVENTS));
    return { url, events: [...told], pointer: pointerOf('callback_url') };
  }
  if (events === undefined) return null;
  throw invalidRequest('The request is not valid', [
    { pointer: pointerOf('callback_events'), detail: 'needs a callback_url beside it' },
  ]);
}

function lengthErrors({ tooLong }: Envelope): FieldError[] {
  return [...tooLong].map(([name, bytes]) => ({
    pointer: `/${name}`,
    detail: Object.hasOwn(InvokeEnvelope.properties, name)
      ? `is ${bytes} bytes long; ${METADATA_BYTES_MAX} is the limit`
      : 'is not known here',
  }));
}

/** Of these an envelope has one. */
const INPUT_MEMBERS = ['input', 'parameters', 'input_location'] as const;

function inputErrors(envelope: Envelope): FieldError[] {
  const given = INPUT_MEMBERS.filter((name) => envelope.member(name) !== null);
  if (given.length === 1) return [];
  if (given.length === 0) return [{ pointer: '/input', detail: 'is required (or "parameters", or "input_location")' }];
  const [first, ...others] = given;
  const named = others.map((name) => `"${name}"`).join(' and ');
  return [{ pointer: `/${first!}`, detail: `and ${named} exclude each other` }];
}

function inputOf(envelope: Envelope, { input_location: url }: InvokeEnvelope) {
  if (url !== undefined) {
    const input = { bytes: new TextEncoder().encode(url), contentType: LOCATION_TYPE };
    return { input, pointer: '/input_location' };
  }
  const name = envelope.member('input') === null ? 'parameters' : 'input';
  return { input: { bytes: envelope.member(name)!, contentType: 'application/json' }, pointer: `/${name}` };
}

/**
 * What of the input the model's schema refuses. Rows are checked where they are worked on, so that
 * the good ones of a table are not lost.
 */
function schemaErrors(submission: Submission, bytes: Uint8Array): FieldError[] {
  const {
    deployed: { takes, inputSchema },
    input: { contentType },
    inputPointer,
  } = submission;
  if (contentType === LOCATION_TYPE || inputSchema === null || takes === 'rows' || bytes.length > CHECKED_BYTES_MAX)
    return [];
  const format = batchFormat(submission);
  // What was to be a batch and is no table is refused as that.
  if (format !== null && (submission.batch !== 'auto' || looksLikeTable(bytes, format))) return [];
  // A copy, for the check alone: the model gets the bytes.
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
  return interpretedCheck(inputSchema)(value).map(({ pointer, detail }) => ({
    pointer: `${inputPointer}${pointer}`,
    detail,
  }));
}

function metadataOf(envelope: Envelope): string {
  const bytes = envelope.member('metadata');
  return bytes === null ? '{}' : new TextDecoder().decode(bytes);
}

function batchOf(batch: InvokeEnvelope['batch']): Submission['batch'] {
  if (batch === undefined) return 'auto';
  if (typeof batch === 'boolean') return batch ? {} : 'off';
  return {
    ...(batch.size === undefined ? {} : { size: batch.size }),
    ...(batch.max_in_flight === undefined ? {} : { maxInFlight: batch.max_in_flight }),
    ...(batch.on_row_error === undefined ? {} : { onRowError: batch.on_row_error }),
  };
}

function headerOf({ headers }: InvokeRequest, name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
}

/** At least a millisecond, since nothing can be done in none. */
const durationOf = (count: number | undefined): Duration | null =>
  count === undefined ? null : milliseconds(Math.max(1, seconds(count)));
