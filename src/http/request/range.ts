// The Range header (RFC 9110, section 14).

import type { ByteRange } from '../../domain/payload.ts';

/** What a Range header comes to: all of the bytes, some of them, or none that exist. */
export type Selected = 'whole' | 'unsatisfiable' | ByteRange;

/**
 * Reads a Range header against so many bytes. One range is answered; several, another unit, or
 * anything that cannot be read is as if there were no header, and so is any range of nothing: some
 * clients ask for `bytes=0-` every time.
 */
export function readRange(header: string | undefined, bytes: number): Selected {
  const [, first = '', last = ''] = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? '') ?? [];
  if (bytes === 0 || (first === '' && last === '')) return 'whole';
  if (first === '')
    return last.match(/[1-9]/) === null ? 'unsatisfiable' : { from: Math.max(0, bytes - Number(last)), to: bytes };
  if (last !== '' && Number(last) < Number(first)) return 'whole';
  if (Number(first) >= bytes) return 'unsatisfiable';
  return { from: Number(first), to: last === '' ? bytes : Math.min(bytes, Number(last) + 1) };
}
