// Entity tags (RFC 9110, sections 8.8.3 and 13): what a client has already need not be sent again.

import type { FastifyRequest } from 'fastify';

/** A strong tag from text that is one to one with the bytes. */
export const strongTag = (text: string): string => `"${text}"`;

/** Whether the client has what a tag stands for: If-None-Match names it, or is `*`. */
export function isKnown({ headers }: FastifyRequest, tag: string): boolean {
  const known = headers['if-none-match'];
  if (known === undefined) return false;
  if (known.trim() === '*') return true;
  // The comparison is a weak one: what a proxy has recoded is good enough not to be sent again.
  return [...known.matchAll(/"[^"]*"/g)].some(([opaque]) => opaque === tag);
}

/**
 * Whether a range may be answered: If-Range is absent, or names exactly these bytes. A date never
 * does, since there is none to compare it with.
 */
export const mayAnswerRange = ({ headers }: FastifyRequest, tag: string): boolean =>
  headers['if-range'] === undefined || headers['if-range'] === tag;
