// What the routes work with.

import type { FastifyReply } from 'fastify';
import type { Capturer } from '../engine/captures/capturer.ts';
import type { CacheFiller } from '../engine/cache-filler.ts';
import type { CacheStore } from '../cache/port.ts';
import type { Principal } from '../domain/access.ts';
import type { Deployments } from '../engine/deployment.ts';
import type { Instant } from '../domain/time.ts';
import type { Engine } from '../engine/engine.ts';
import type { OpenApiDocument } from './openapi/shape.ts';
import type { ServerLimits } from './limits.ts';
import type { LongEnvelopes } from './request/long-envelope.ts';
import type { Streams } from './answer/streams.ts';
import type { Turns } from './answer/turns.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Tracing } from '../system/tracing.ts';

/** What a server says of itself. */
export interface AboutServer {
  /** Of claimcheck. */
  readonly version: string;
  readonly ledger: 'sqlite' | 'postgres';
  readonly startedAt: Instant;
}

/** See the head of this file. */
export interface RouteContext {
  readonly engine: Engine;
  readonly deployments: Deployments;
  readonly captures: Capturer;
  readonly cache: CacheStore;
  readonly cacheFiller: CacheFiller;
  /** The OpenAPI document, as somebody may see it. */
  readonly document: (principal: Principal, base: string) => OpenApiDocument;
  readonly limits: ServerLimits;
  readonly streams: Streams;
  readonly turns: Turns;
  readonly longEnvelopes: LongEnvelopes;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly about: AboutServer;
  readonly now: () => Instant;
  /** Aborts when nobody waits for this answer anymore: the client is gone, or the server stops. */
  readonly waitSignal: (reply: FastifyReply) => AbortSignal;
  /**
   * The same for a stream, of which a client that sends nothing more is told what there is by now.
   */
  readonly followSignal: (reply: FastifyReply) => AbortSignal;
}
