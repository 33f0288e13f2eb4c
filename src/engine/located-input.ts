// Inputs by reference: a run whose input is only named fetches it when an attempt starts. What is
// stored is the URL, as a payload of a content type that nothing else has; so it is as durable as
// any input, and goes wherever inputs go.

import { formatBytes } from '../domain/bytes.ts';
import { gather } from '../domain/chunks.ts';
import { ServiceError } from '../domain/errors.ts';
import { LOCATION_TYPE } from '../domain/payload.ts';
import { isLack } from '../domain/system-error.ts';
import { type Duration, hours, milliseconds } from '../domain/time.ts';
import { type Egress, type EgressHead, NoAnswer } from '../egress/egress.ts';
import { atMost as atMostBytes, PayloadTooLong } from './payloads.ts';

/** Longest that one input may take to be fetched, regardless of the attempt's own limit. */
const FETCH_MAX: Duration = hours(1);

/** What cannot be had; the message says why, and nothing of what was answered. */
export class InputUnavailable extends Error {
  override readonly name = 'InputUnavailable';
}

/** What it takes to fetch an input. */
export interface FetchDeps {
  readonly egress: Egress;
  /** Longest input that is taken, in bytes, in any way. */
  readonly inputBytesMax: number;
}

/**
 * The input of a submission that names one, with its URL in the one spelling that there is for it;
 * any other as it is.
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

/** Takes an input that is too long to be held, as it comes. */
export type KeepFetched<Kept> = (chunks: AsyncIterable<Uint8Array>, contentType: string) => Promise<Kept>;

/** What was fetched: its bytes where they are few, else what has been made of them. */
export interface Fetched<Kept> {
  readonly contentType: string;
  readonly content: Uint8Array | { readonly kept: Kept };
}

/**
 * Fetches what a URL names.
 *
 * @param atMost how long it may take
 * @param heldBytesMax how much of it is held; what is longer goes to `keep`
 * @throws InputUnavailable, and what `keep` throws
 */
export async function fetchInput<Kept>(
  { egress, inputBytesMax }: FetchDeps,
  location: Uint8Array,
  { timeout: atMost, signal }: { readonly timeout: Duration | null; readonly signal: AbortSignal },
  heldBytesMax: number,
  keep: KeepFetched<Kept>,
): Promise<Fetched<Kept>> {
  const url = new TextDecoder().decode(location);
  const timeout = milliseconds(Math.min(FETCH_MAX, atMost ?? FETCH_MAX));
  const headers = { accept: '*/*', 'accept-encoding': 'identity' };
  const tooLong = (): InputUnavailable =>
    unavailable(url, `it is longer than ${formatBytes(inputBytesMax)}, the most that this server takes`);
  const take = async (head: EgressHead, chunks: AsyncIterable<Uint8Array>): Promise<Fetched<Kept>> => {
    const fault = faultOf(head);
    if (fault !== null) throw unavailable(url, fault);
    if (Number(headerOf(head, 'content-length') ?? 0) > inputBytesMax) throw tooLong();
    const contentType = headerOf(head, 'content-type') ?? 'application/octet-stream';
    const gathered = await gather(atMostBytes(chunks, inputBytesMax), heldBytesMax);
    if (gathered instanceof Uint8Array) return { contentType, content: gathered };
    return { contentType, content: { kept: await keep(gathered, contentType) } };
  };
  return egress.receive({ method: 'GET', url, headers, timeout, signal }, take).catch((error: unknown) => {
    if (error instanceof PayloadTooLong) throw tooLong();
    // Nobody was asked for it: this server could open no connection.
    if (error instanceof NoAnswer && isLack(error.cause)) throw error.cause;
    if (error instanceof NoAnswer) throw unavailable(url, `it ${error.message}`, error);
    throw error;
  });
}

/** Without the path and the query, which may hold what lets others in. */
function unavailable(url: string, why: string, cause?: unknown): InputUnavailable {
  return new InputUnavailable(`The input at ${new URL(url).host} could not be fetched: ${why}.`, { cause });
}

function faultOf(head: EgressHead): string | null {
  const { status } = head;
  if (status >= 300 && status < 400) return `it was answered with ${status}, and redirects are not followed`;
  if (status !== 200) return `it was answered with ${status}`;
  const encoding = headerOf(head, 'content-encoding') ?? 'identity';
  return encoding === 'identity'
    ? null
    : `it came encoded as ${encoding.slice(0, 40)}, though it was asked for as it is`;
}

function headerOf({ headers }: EgressHead, name: string): string | null {
  const value = [headers[name]].flat()[0]?.trim();
  return value === undefined || value === '' ? null : value;
}
