// Lists that are answered some at a time.

import { ServiceError } from '../../domain/errors.ts';

/** How many a page has where nobody says how many. */
export const PAGE_DEFAULT = 50;

/**
 * The sequence number at which the last page ended.
 *
 * @throws ServiceError `invalid-request` for a text that no page has given
 */
export function cursorOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const detail = 'must be the next_cursor of an earlier page';
  throw new ServiceError('invalid-request', `The query is not valid: cursor ${detail}.`, {
    errors: [{ pointer: 'query:cursor', detail }],
  });
}

/**
 * A page of what was found, which is one more than asked for where there is a next page; with the
 * cursor of that, or null.
 */
export function pageOf<Item extends { readonly sequence: number }>(
  found: readonly Item[],
  limit: number,
): { readonly page: readonly Item[]; readonly next: string | null } {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return { page, next: found.length > page.length && last !== undefined ? String(last.sequence) : null };
}
