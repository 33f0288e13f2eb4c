// The digest by which bytes are known.

import { hash } from 'node:crypto';

/** The sha-256 of bytes or text, as 64 lower-case hexadecimal digits. */
export const sha256 = (bytes: Uint8Array | string): string => hash('sha256', bytes, 'hex');
