// Run ids as a type: text that has been checked, so that a path parameter is never taken for one.

declare const runIdBrand: unique symbol;

/** The id of a run: a UUIDv7 in lower case, 36 characters. */
export type RunId = string & { readonly [runIdBrand]: true };

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Reads a run id from outside; null for text that is none, which names no run by definition. */
export function parseRunId(text: string): RunId | null {
  return UUID_V7.test(text) ? (text as RunId) : null;
}

/** Whose runs these are, where nobody has said: a server without keys knows one tenant. */
export const DEFAULT_TENANT = 'default';
