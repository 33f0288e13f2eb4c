// Between a database's rows and the port's records: the columns have the same names in both
// drivers.

import type { Scope } from '../../domain/access.ts';
import { instant } from '../../domain/time.ts';
import type { KeyRecord, SigningSecret } from './vault.ts';

/** The columns of `KeyRow`. */
export const KEY_COLUMNS =
  'key_id, digest, name, tenant, scopes, endpoints, created_at_ms, expires_at_ms, revoked_at_ms';

/** A key as the database returns it. */
export interface KeyRow {
  readonly key_id: string;
  readonly digest: string;
  readonly name: string;
  readonly tenant: string;
  /** A JSON list. */
  readonly scopes: string;
  /** A JSON list, or null for all. */
  readonly endpoints: string | null;
  readonly created_at_ms: number;
  readonly expires_at_ms: number | null;
  readonly revoked_at_ms: number | null;
}

/** A signing secret as the database returns it. */
export interface SecretRow {
  readonly endpoint: string;
  readonly secret: string;
  readonly created_at_ms: number;
  readonly expires_at_ms: number | null;
}

/** The port's record of a stored key. */
export function toKeyRecord(row: KeyRow): KeyRecord {
  return {
    keyId: row.key_id,
    digest: row.digest,
    name: row.name,
    tenant: row.tenant,
    scopes: namesIn(row.scopes) as Scope[],
    endpoints: row.endpoints === null ? null : namesIn(row.endpoints),
    createdAt: instant(row.created_at_ms),
    expiresAt: row.expires_at_ms === null ? null : instant(row.expires_at_ms),
    revokedAt: row.revoked_at_ms === null ? null : instant(row.revoked_at_ms),
  };
}

/**
 * A list that is stored; none where it was damaged since. Then its key may do nothing, and the
 * others all that they could.
 */
function namesIn(text: string): string[] {
  try {
    const names: unknown = JSON.parse(text);
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}

/** A key's values, in the order of `KEY_COLUMNS`. */
export function keyValues(key: KeyRecord): (string | number | null)[] {
  const { keyId, digest, name, tenant, scopes, endpoints, createdAt, expiresAt, revokedAt } = key;
  const names = endpoints === null ? null : JSON.stringify(endpoints);
  return [keyId, digest, name, tenant, JSON.stringify(scopes), names, createdAt, expiresAt, revokedAt];
}

/** The port's record of a stored secret. */
export function toSigningSecret(row: SecretRow): SigningSecret {
  return {
    endpoint: row.endpoint,
    secret: row.secret,
    createdAt: instant(row.created_at_ms),
    expiresAt: row.expires_at_ms === null ? null : instant(row.expires_at_ms),
  };
}
