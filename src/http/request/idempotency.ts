// The Idempotency-Key header.

import { ServiceError } from '../../domain/errors.ts';

/**
 * The form of a key. Node joins a header that is there twice with a comma and a space, which no key
 * of ours may be hidden behind.
 */
export const IDEMPOTENCY_KEY = /^(?!.*, )[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

/**
 * The key of a request, or null where it has none.
 *
 * @throws ServiceError `invalid-request` for one that is no key, or is there twice
 */
export function idempotencyKeyOf(headers: Readonly<Record<string, string | string[] | undefined>>): string | null {
  const keys = headers['idempotency-key'];
  if (keys === undefined) return null;
  const key = String(keys).trim();
  if (IDEMPOTENCY_KEY.test(key)) return key;
  const pointer = 'header:idempotency-key';
  const detail = 'must be there once, with 1 to 255 printable ASCII characters';
  throw new ServiceError('invalid-request', `The Idempotency-Key is not valid: ${pointer} ${detail}.`, {
    errors: [{ pointer, detail }],
  });
}
