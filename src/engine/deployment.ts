// An endpoint as it is deployed on this server: its specification, its version, and what runs it.

import type { Principal } from '../domain/access.ts';
import type { EndpointSpec } from '../domain/endpoint.ts';
import type { DeploymentRecord } from '../stores/ledger/ledger.ts';
import type { ModelKind } from '../model/load-model.ts';

/** What the engine needs to know of an endpoint. */
export interface Deployed {
  readonly spec: EndpointSpec;
  /** 1 for the first deployment; another specification or model file is another version. */
  readonly version: number;
  /** Whether its model takes rows; a program's is not known, so it counts as `any`. */
  readonly takes: ModelKind;
  /** The JSON Schema of its input (of a row, where it takes rows); null where that is not known. */
  readonly inputSchema: object | null;
  /** The same for its output. */
  readonly outputSchema: object | null;
}

/** What inspecting a model tells of it. */
export type ModelShape = Pick<Deployed, 'takes' | 'inputSchema' | 'outputSchema'>;

/**
 * What a deployment has begun: a new endpoint, or a version that is tried; `unchanged` where that
 * version is active already.
 */
export interface Deploying {
  readonly version: number;
  readonly outcome: 'created' | 'starting' | 'unchanged';
}

/** Deploying while the server runs. */
export interface Deployments {
  /**
   * Deploys an endpoint, given as a configuration file would have it.
   *
   * @throws ServiceError `invalid-request` with every mistake and its place, `forbidden` where this
   *   server lets nobody deploy who has no key, `draining` while it stops
   */
  deploy(name: string, written: unknown, principal: Principal): Promise<Deploying>;
  /**
   * Deploys a version of before again; null for the one that was active last.
   *
   * @throws ServiceError `endpoint-not-found`; `invalid-request` where there is no such version, or
   *   its model has changed; `forbidden`
   */
  rollBack(name: string, version: number | null, principal: Principal): Promise<Deploying>;
  /**
   * Takes an endpoint away that was deployed through a server; its runs stay.
   *
   * @param force cancels what is open there
   * @throws ServiceError `endpoint-not-found`; `endpoint-in-use` where something is open, or the
   *   configuration names it; `forbidden`; `draining`
   */
  remove(name: string, force: boolean, principal: Principal): Promise<void>;
  /**
   * Every version of an endpoint, oldest first.
   *
   * @throws ServiceError `endpoint-not-found`
   */
  versions(name: string, principal: Principal): Promise<DeploymentRecord[]>;
}
