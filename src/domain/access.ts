// Who may do what: a key has scopes, may be bound to endpoints, and belongs to a tenant whose runs alone it sees.

import { DEFAULT_TENANT } from './ids.ts';

/** What a key may be good for: to submit work, to look at it, and to deploy, purge and warm. None implies another. */
export const SCOPES = ['invoke', 'read', 'manage'] as const;
/** One of `SCOPES`. */
export type Scope = (typeof SCOPES)[number];

/** On whose behalf a request is made. */
export interface Principal {
  /** The public half of the key, or null where the server asks for none. */
  readonly keyId: string | null;
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  /** Names of the endpoints that it may use; null for all. */
  readonly endpoints: readonly string[] | null;
}

/** Everybody, on a server without keys: it can be reached from its own machine alone, or was told to let everybody in. */
export const ANYBODY: Principal = { keyId: null, tenant: DEFAULT_TENANT, scopes: SCOPES, endpoints: null };

/** Whether an endpoint is one of those that a principal may use. */
export const mayUse = ({ endpoints }: Principal, endpoint: string): boolean =>
  endpoints === null || endpoints.includes(endpoint);
