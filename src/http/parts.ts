// What the routes work with.

import type { FastifyReply } from 'fastify';
import type { Engine } from '../engine/engine.ts';

/** See the head of this file. */
export interface HttpParts {
  readonly engine: Engine;
  /** Aborts when nobody waits for this answer anymore: the client is gone, or the server stops. */
  readonly waitSignal: (reply: FastifyReply) => AbortSignal;
}
