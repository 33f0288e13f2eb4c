// Long envelopes: where their members stand is found in a thread, since everybody else would wait
// for as long.

import { type ProblemSlug, ServiceError } from '../../domain/errors.ts';
import { isJson } from '../../domain/payload.ts';
import { isJsonTable } from '../../table/json/json.ts';
import { ThreadQueue } from '../../system/thread-queue.ts';
import type { MemberPlace } from './envelope.ts';

/**
 * Longest envelope that is looked through at once, in bytes: about as long as a thread takes to
 * start.
 */
const AT_ONCE_BYTES_MAX = 1_024 * 1_024;

const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './envelope-worker.ts' : './envelope-worker.js',
  import.meta.url,
);

/**
 * What the thread answers: a refusal is a value, since errors lose what they are between threads.
 */
export type Found =
  | { readonly places: readonly MemberPlace[] }
  | { readonly refusal: { readonly slug: ProblemSlug; readonly message: string } };

/** Whether a body is a long envelope, by its look. */
export const isLongEnvelope = (contentType: string, body: object): body is Uint8Array =>
  body instanceof Uint8Array && body.length > AT_ONCE_BYTES_MAX && isJson(contentType) && !isJsonTable(body);

/** See the head of this file. */
export class LongEnvelopes {
  readonly #threads = new ThreadQueue();

  /** Where the members of an envelope stand that is long. Throws as `readEnvelope` does. */
  async placesOfMembers(bytes: Uint8Array): Promise<readonly MemberPlace[]> {
    const found = await this.#threads.run<Found>({ module: THREAD, request: bytes });
    if ('places' in found) return found.places;
    throw new ServiceError(found.refusal.slug, found.refusal.message);
  }
}
