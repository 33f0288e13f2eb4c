// Inputs by reference: a run whose input is only named fetches it when an attempt starts. What is stored is the URL, as a payload of a
// content type that nothing else has; so it is as durable as any input, and goes wherever inputs go.

import { formatBytes } from '../domain/bytes.ts';
import { ServiceError } from '../domain/errors.ts';
import { LOCATION_TYPE } from '../domain/payload.ts';
import { isLack } from '../domain/system-error.ts';
import { type Duration, hours, milliseconds } from '../domain/time.ts';
import { type Egress, type EgressAnswer, NoAnswer } from '../egress/egress.ts';

/** Longest that one input may take to be fetched, whatever the attempt's own limit. */
const FETCH_MAX: Duration = hours(1);

/** What cannot be had; the message says why, and nothing of what was answered. */
export class InputUnavailable extends Error {
  override readonly name = 'InputUnavailable';
}

/** What it takes to fetch an input. */
export interface FetchParts {
  readonly egress: Egress;
  /** Longest input that is taken, in bytes, whichever way it comes. */
  readonly inputBytesMax: number;
}

/**
 * The input of a submission that names one, with its URL in the one spelling that there is for it; any other as it is.
 *
 * @throws ServiceError `invalid-request` for a URL that nobody may be sent to
 */
export function checkedInput<Input extends { readonly bytes: Uint8Array; readonly contentType: string }>(
  input: Input,
  egress: Egress,
  pointer: string,
): Input {
  if (input.contentType !== LOCATION_TYPE) return input;
  const url = new TextDecoder().decode(input.bytes);
  const checked = url.startsWith('s3://') ? { refusal: NO_OBJECT_STORES } : egress.check(url);
  if ('url' in checked) return { ...input, bytes: new TextEncoder().encode(checked.url) };
  throw refusedAddress(pointer, checked.refusal);
}

const NO_OBJECT_STORES =
  'names an object store, which this server does not read; use an https:// URL, such as a presigned one';

/** The answer to a request that names an address which nobody may be sent to. */
export function refusedAddress(pointer: string, detail: string): ServiceError {
  return new ServiceError('invalid-request', `The request is not valid: ${pointer} ${detail}.`, {
    errors: [{ pointer, detail }],
  });
}

/**
 * Fetches what a URL names.
 *
 * @param atMost how long it may take
 * @throws InputUnavailable
 */
export async function fetchInput(
  { egress, inputBytesMax }: FetchParts,
  location: Uint8Array,
  atMost: Duration | null,
  signal: AbortSignal,
): Promise<{ readonly bytes: Uint8Array; readonly contentType: string }> {
  const url = new TextDecoder().decode(location);
  const timeout = milliseconds(Math.min(FETCH_MAX, atMost ?? FETCH_MAX));
  const headers = { accept: '*/*', 'accept-encoding': 'identity' };
  const answer = await egress
    .send({ method: 'GET', url, headers, bytesMax: inputBytesMax, timeout, signal })
    .catch((error: unknown) => {
      // Nobody was asked for it: this server could open no connection.
      if (error instanceof NoAnswer && isLack(error.cause)) throw error.cause;
      if (error instanceof NoAnswer) throw unavailable(url, `it ${error.message}`, error);
      throw error;
    });
  const fault = faultOf(answer, inputBytesMax);
  if (fault !== null) throw unavailable(url, fault);
  return { bytes: answer.body, contentType: headerOf(answer, 'content-type') ?? 'application/octet-stream' };
}

/** Without the path and the query, which may hold what lets others in. */
function unavailable(url: string, why: string, cause?: unknown): InputUnavailable {
  return new InputUnavailable(`The input at ${new URL(url).host} could not be fetched: ${why}.`, { cause });
}

function faultOf(answer: EgressAnswer, bytesMax: number): string | null {
  const { status, extent } = answer;
  if (status >= 300 && status < 400) return `it was answered with ${status}, and redirects are not followed`;
  if (status !== 200) return `it was answered with ${status}`;
  if (extent === 'too-long') return `it is longer than ${formatBytes(bytesMax)}, the most that this server takes`;
  if (extent === 'cut') return 'it broke off before its end';
  const encoding = headerOf(answer, 'content-encoding') ?? 'identity';
  return encoding === 'identity'
    ? null
    : `it came encoded as ${encoding.slice(0, 40)}, though it was asked for as it is`;
}

function headerOf({ headers }: EgressAnswer, name: string): string | null {
  const value = [headers[name]].flat()[0]?.trim();
  return value === undefined || value === '' ? null : value;
}
