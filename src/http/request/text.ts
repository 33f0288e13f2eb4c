// Text that can be stored as it is, and shown on a line: what cannot would come back as something
// else.

import type { FieldError } from '../../domain/errors.ts';
import { pointerStep } from '../../table/format.ts';

/**
 * What is wrong with a text at a place of a request, if anything: NUL ends a text in some stores,
 * and half a surrogate pair has no UTF-8.
 */
function textErrors(pointer: string, text: unknown): FieldError[] {
  if (typeof text !== 'string' || (text.isWellFormed() && !text.includes('\0'))) return [];
  return [{ pointer, detail: 'holds a NUL character or half a surrogate pair' }];
}

/**
 * The same of a text that is a name, a key or an address: a line end or another control character
 * in it is a mistake, or an attempt at one.
 */
export function lineErrors(pointer: string, text: unknown): FieldError[] {
  if (typeof text === 'string' && !text.includes('\0') && /\p{Cc}/u.test(text))
    return [{ pointer, detail: 'holds a control character' }];
  return textErrors(pointer, text);
}

/**
 * The first text in a value, names of members included, that has half a surrogate pair in it, or
 * none. NUL is an escape in JSON text, and stays one.
 */
export function halfPairErrors(pointer: string, value: unknown): FieldError[] {
  if (typeof value === 'string')
    return value.isWellFormed() ? [] : [{ pointer, detail: 'holds half a surrogate pair' }];
  if (typeof value !== 'object' || value === null) return [];
  for (const [name, member] of Object.entries(value)) {
    const place = `${pointer}${pointerStep(name.toWellFormed())}`;
    const errors = name.isWellFormed() ? halfPairErrors(place, member) : halfPairErrors(place, name);
    if (errors.length > 0) return errors;
  }
  return [];
}
