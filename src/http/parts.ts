// What the routes work with.

import type { FastifyReply } from 'fastify';
import type { Deployments } from '../engine/deployment.ts';
import type { Engine } from '../engine/engine.ts';

/** See the head of this file. */
export interface HttpParts {
  readonly engine: Engine;
  readonly deployments: Deployments;
  /** Aborts when nobody waits for this answer anymore: the client is gone, or the server stops. */
  readonly waitSignal: (reply: FastifyReply) => AbortSignal;
}
