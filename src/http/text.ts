// Text that can be stored as it is: two sorts cannot, and would come back as something else.

import type { FieldError } from '../domain/errors.ts';

/** What is wrong with a text at a place of a request, if anything: NUL ends a text in some stores, and half a surrogate pair has no UTF-8. */
export function textErrors(pointer: string, text: unknown): FieldError[] {
  if (typeof text !== 'string' || (text.isWellFormed() && !text.includes('\0'))) return [];
  return [{ pointer, detail: 'holds a NUL character or half a surrogate pair' }];
}
