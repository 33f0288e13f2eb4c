// The Prefer header (RFC 7240), as far as this server knows it.

import { type Duration, seconds } from '../../domain/time.ts';

/**
 * What a client prefers: an answer at once, or to wait for the end; `wait` without `respond-async`
 * still ends in a 202 when the time is over.
 */
export type Preference =
  | { readonly kind: 'respond-async'; readonly applied: string }
  | { readonly kind: 'wait'; readonly atMost: Duration; readonly applied: string };

/**
 * The first preference that this server knows, or null. Preferences that it does not know, or
 * cannot read, are ignored as the RFC asks.
 */
export function readPreference(header: string | undefined): Preference | null {
  if (header === undefined) return null;
  const preferences = header.split(',').map((text) => text.split(';')[0]!.trim().toLowerCase());
  if (preferences.includes('respond-async')) return { kind: 'respond-async', applied: 'respond-async' };
  const wait = preferences
    .map((text) => /^wait\s*=\s*"?(\d{1,6})"?$/.exec(text)?.[1])
    .find((text) => text !== undefined);
  return wait === undefined ? null : { kind: 'wait', atMost: seconds(Number(wait)), applied: `wait=${wait}` };
}
