// Who may do what: a key has scopes, may be bound to endpoints, and belongs to a tenant whose runs
// alone it sees.

import { DEFAULT_TENANT } from './ids.ts';

/**
 * What a key may be good for: to submit work, to look at it, and to deploy, warm, purge and delete.
 * None implies another.
 */
export const SCOPES = ['invoke', 'read', 'manage'] as const;
/** One of `SCOPES`. */
export type Scope = (typeof SCOPES)[number];

/**
 * What somebody sees: the runs of one tenant, and where `endpoints` is not null those of these
 * endpoints alone.
 */
export interface Viewer {
  readonly tenant: string;
  /** Names of the endpoints that it may use; null for all. */
  readonly endpoints: readonly string[] | null;
}

/** On whose behalf a request is made. */
export interface Principal extends Viewer {
  /** The public half of the key, or null where the server asks for none. */
  readonly keyId: string | null;
  readonly scopes: readonly Scope[];
  /** Whether it is the operator, who may do what the server's configuration may. */
  readonly isOperator?: true;
}

/**
 * Everybody, on a server without keys: it can be reached from its own machine alone, or was told to
 * let everybody in. Other users of the machine are among them, and models, so they change nothing.
 */
export const ANYBODY: Principal = { keyId: null, tenant: DEFAULT_TENANT, scopes: ['invoke', 'read'], endpoints: null };

/** The operator of the server, by the token in its data folder. */
export const OPERATOR: Principal = { ...ANYBODY, scopes: SCOPES, isOperator: true };

/** The caller of a route that is open to all: sees nothing, may do nothing. */
export const NOBODY: Principal = { keyId: null, tenant: '', scopes: [], endpoints: [] };

/** Whether an endpoint is one of those that somebody may use. */
export const mayUse = ({ endpoints }: Pick<Viewer, 'endpoints'>, endpoint: string): boolean =>
  endpoints === null || endpoints.includes(endpoint);

/**
 * Whether a principal sees a run. Neither its tenant nor its endpoint ever changes, so a principal
 * that sees a run goes on seeing it.
 */
export const maySee = (viewer: Viewer, run: { readonly tenant: string; readonly endpoint: string }): boolean =>
  viewer.tenant === run.tenant && mayUse(viewer, run.endpoint);

/** What a tenant may be called. */
export const TENANT_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;
