// An endpoint as it is deployed on this server: its specification, its version, and what runs it.

import type { EndpointSpec } from '../domain/endpoint.ts';
import type { ModelKind } from '../model/load-model.ts';

/** What the engine needs to know of an endpoint. */
export interface Deployed {
  readonly spec: EndpointSpec;
  /** 1 for the first deployment; rises whenever the specification or the model file changes. */
  readonly version: number;
  /** Whether its model takes rows; a program's is not known, so it counts as `any`. */
  readonly takes: ModelKind;
}
