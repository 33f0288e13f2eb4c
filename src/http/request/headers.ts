// The headers that mean something here, once: routes name them, and the OpenAPI document describes
// them.

import { CAPTURE_NAME } from '../../stores/captures/captures.ts';
import { ENDPOINT_NAME } from '../../domain/endpoint.ts';
import { CALLER } from '../../wire/cache.ts';
import { IDEMPOTENCY_KEY } from './idempotency.ts';

/** Headers of requests. */
export const REQUEST_HEADERS = {
  'Last-Event-ID': 'The id of the last event that the client has seen: those after it follow.',
  Prefer: 'RFC 7240: `respond-async` for a 202 at once, `wait=N` for a 202 after N seconds at the latest.',
  'Idempotency-Key':
    'The same key and the same request stand for the same run for 24 hours: 1 to 255 printable ASCII characters.',
  'If-None-Match': 'Tags of what the client has: where one of them is that of the answer, it is a 304 without a body.',
  Range: 'One range of bytes, like `bytes=0-1023` or `bytes=-1024`. Several are answered with the whole.',
  'If-Range': 'A tag: with any other, `Range` is answered with the whole.',
  traceparent: 'W3C Trace Context: the trace that the run joins. The model is sent it with every attempt.',
  tracestate: 'W3C Trace Context: what goes with `traceparent`.',
  Accept: 'The format of the output. Unset, it is the format of the input.',
} as const;
/** A header of a request. */
export type RequestHeader = keyof typeof REQUEST_HEADERS;

/** What the text of a header must be, where it is more than a text. */
export const HEADER_SCHEMAS: Partial<Record<RequestHeader, object>> = {
  'Idempotency-Key': { type: 'string', minLength: 1, maxLength: 255, pattern: IDEMPOTENCY_KEY.source },
};

/**
 * Parameters of paths. The forms are those that something can be known by: any other text names
 * nothing, which is a 404.
 */
export const PATH_PARAMETERS: Readonly<Record<string, { readonly description: string; readonly schema: object }>> = {
  endpoint: {
    description: 'The name of the endpoint.',
    schema: { type: 'string', maxLength: 63, pattern: ENDPOINT_NAME.source },
  },
  id: { description: 'The id of the run.', schema: { type: 'string', format: 'uuid' } },
  capture: {
    description: 'The name of the capture.',
    schema: { type: 'string', maxLength: 64, pattern: CAPTURE_NAME.source },
  },
  caller: {
    description: 'The caller that computes: an id of the client’s own making, new for every table.',
    schema: { type: 'string', minLength: 8, maxLength: 64, pattern: CALLER.source },
  },
  delivery_id: { description: 'The id of the delivery, as the run’s deliveries have it.', schema: { type: 'string' } },
};

/** Headers of answers. */
export const RESPONSE_HEADERS = {
  'Accept-Ranges': '`bytes`: one range may be asked for.',
  Allow: 'The methods that the path has.',
  'Content-Disposition': 'Always an attachment: the bytes are the model’s.',
  'Content-Range': 'Which bytes these are, and how many there are in all.',
  ETag: 'Stands for exactly these bytes, or this state of the run.',
  'Idempotency-Replayed': '`true`: the run was made by an earlier request with the same Idempotency-Key.',
  Location: 'Where to find it.',
  'Preference-Applied': 'The preference that was followed.',
  'RateLimit-Policy':
    'draft-ietf-httpapi-ratelimit-headers-10: `"queue";q=…;qu="concurrent-requests"`, the runs that may be queued at once.',
  RateLimit: 'The same draft: `"queue";r=…`, how many more could be queued; in a 429 with `t=…`, when one could.',
  'Retry-After': 'When to ask again, in whole seconds.',
  'retry-after-ms': 'The same in milliseconds.',
  'Run-Id': 'The run whose output this is.',
  'WWW-Authenticate': 'RFC 6750: that a key is asked for, and what is wrong with the one that came.',
  Vary: '`Prefer`, where a preference was read.',
} as const;
/** A header of an answer. */
export type ResponseHeader = keyof typeof RESPONSE_HEADERS;
