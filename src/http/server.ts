// The HTTP server: routes, limits, and the one place where errors become answers.

import { randomUUID } from 'node:crypto';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Authenticator } from './access/authenticator.ts';
import type { Capturer } from '../engine/captures/capturer.ts';
import type { CacheFiller } from '../engine/cache-filler.ts';
import type { CacheStore } from '../cache/port.ts';
import type { Clock } from '../system/clock.ts';
import type { Principal } from '../domain/access.ts';
import { isStorageTrouble, ServiceError, StorageFull, StorageUnavailable } from '../domain/errors.ts';
import { retryAfterSeconds } from '../domain/quota.ts';
import { milliseconds } from '../domain/time.ts';
import type { Deployments } from '../engine/deployment.ts';
import type { Engine } from '../engine/engine.ts';
import { StoreAway } from '../engine/heartbeat.ts';
import { PayloadTooLong } from '../engine/payloads.ts';
import type { Log } from '../system/log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Tracing } from '../system/tracing.ts';
import { accessCheck } from './access/check.ts';
import { answerBytes, Connections, problemOfBrokenBytes, refuseExpectations } from './connections.ts';
import { sendZenmlUnauthorized } from './faces/zenml.ts';
import { requestGuard } from './request/guard.ts';
import { bodyReader, tooLarge } from './request/incoming-body.ts';
import {
  CONNECTIONS_CHECK,
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT,
  KEEP_ALIVE,
  LAST_ANSWERS,
  REQUEST_TIMEOUT,
  REQUESTS_PER_CONNECTION_MAX,
  ROOM_RETRY,
  STORE_RETRY,
  type ServerLimits,
} from './limits.ts';
import { LongEnvelopes } from './request/long-envelope.ts';
import { whenHalfClosed, whenOver } from './answer/over.ts';
import type { AboutServer, RouteContext } from './context.ts';
import { sendProblem } from './answer/problem.ts';
import { RefusedBodies } from './request/refused-body.ts';
import { baseFinder, basePathOf, type PublicAddress, trustOf, withoutBase } from './request/public-address.ts';
import { parseQuery } from './request/query.ts';
import { registerCors } from './access/cors.ts';
import { registerDocsPages } from './openapi/docs-pages.ts';
import { openApiDocument } from './openapi/document.ts';
import type { DocumentedEndpoint } from './openapi/shape.ts';
import { METHODS, pathOfTarget, WHOLE_SERVER } from './request/request-target.ts';
import { methodsOf, registerRoutes, ROUTES } from './routes.ts';
import { Streams } from './answer/streams.ts';
import { Turns } from './answer/turns.ts';

/**
 * For every answer: nothing here is a page, and what a browser makes of it must not run, be framed,
 * or be read by other sites.
 */
const SAFE_HEADERS = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
};

/** What the server needs. */
export interface ServerDeps {
  readonly engine: Engine;
  readonly deployments: Deployments;
  readonly cache: CacheStore;
  readonly cacheFiller: CacheFiller;
  readonly authenticator: Authenticator;
  readonly captures: Capturer;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly about: AboutServer;
  readonly clock: Clock;
  readonly log: Log;
  readonly address: PublicAddress;
  /** Origins whose pages may use this server; none means that there is no CORS at all. */
  readonly corsOrigins: readonly string[];
  readonly limits: ServerLimits;
}

/** The server, not yet listening. */
export interface HttpServer {
  readonly app: FastifyInstance;
  /** Ends every wait: those who wait are told that the server stops. */
  release(): void;
  /**
   * Takes no new connections, and cuts those that are left after a moment: a client that sends half
   * a request holds nothing up.
   */
  close(): Promise<void>;
}

/**
 * What a route takes is checked by our own code, so that the framework's compilers of schemas have
 * nothing to do: to load them took 35 ms of a start, and nothing else does.
 */
const NO_COMPILERS = {
  buildValidator: () => noCompiler,
  buildSerializer: () => noCompiler,
};

function noCompiler(): never {
  throw new Error('No route has a schema of the framework.');
}

/** Builds the server. */
export function buildServer(given: ServerDeps): HttpServer {
  const { engine, authenticator, metrics, log, address, corsOrigins, limits } = given;
  const waits = new Waits();
  const newRequestId = requestIds();
  const toOwnPath = withoutBase(address);
  const app = fastify({
    genReqId: newRequestId,
    rewriteUrl: (request) => toOwnPath(pathOfTarget(request)),
    trustProxy: address.trustProxy !== false && trustOf(address),
    schemaController: { compilersFactory: NO_COMPILERS },
    forceCloseConnections: 'idle',
    keepAliveTimeout: KEEP_ALIVE,
    requestTimeout: REQUEST_TIMEOUT,
    maxRequestsPerSocket: REQUESTS_PER_CONNECTION_MAX,
    http: {
      headersTimeout: HEADERS_TIMEOUT,
      connectionsCheckingInterval: CONNECTIONS_CHECK,
      maxHeaderSize: HEADER_BYTES_MAX,
      // A missing Host is refused by the guard, in the words of the one table.
      requireHostHeader: false,
    },
    routerOptions: {
      ignoreTrailingSlash: false,
      caseSensitive: true,
      maxParamLength: 200,
      querystringParser: parseQuery,
    },
    frameworkErrors: (error, request, reply) => sendError(log, error, request, reply as FastifyReply),
    clientErrorHandler(error, socket) {
      // Its request was answered already.
      if (refusedBodies.has(socket)) return;
      const problem = socket.writable ? problemOfBrokenBytes(error) : null;
      if (problem === null) return void socket.destroy();
      metrics.refused(problem.slug);
      answerBytes(socket, problem, newRequestId());
      refusedBodies.readBytes(socket);
    },
  });
  const refusedBodies = new RefusedBodies(app.server, limits);
  // A client that says that nothing more will come waits for its answer all the same.
  (app.server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true;
  // Those above the limit would be left out without a word; the guard counts them.
  app.server.maxHeadersCount = 0;
  const connections = new Connections(app.server, limits, (why) => metrics.connectionRefused(why));
  metrics.watchConnections(() => connections.count);
  refuseExpectations(app.server, newRequestId, (slug) => metrics.refused(slug));
  countAnswers(app, metrics);
  const guard = requestGuard(address, corsOrigins);
  const checkAccess = accessCheck(authenticator);
  // With a callback and not a promise: this is on the path of every submit.
  findBases(app, address);
  app.addHook('onRequest', (request, reply, done) => {
    // It came behind a request that was the last of its connection, as its answer said.
    if (request.raw.socket.writableEnded) return void request.raw.socket.destroy();
    reply.headers(SAFE_HEADERS);
    guard(request);
    // Before its body is waited for: the framework knows some methods that no path has.
    if (request.method !== 'OPTIONS' && !METHODS.includes(request.method)) throw unknownPath(request);
    // What says how the server is must say so now, and may not wait for a store.
    if (request.routeOptions.config.route?.tag !== 'server') engine.assertStore();
    done();
  });
  // Before the body is read, and after CORS, so that a page which may ask is told why it is
  // refused.
  app.addHook('preParsing', (request, _reply, _payload, goOn) => {
    const checking = checkAccess(request);
    if (checking === undefined) goOn();
    else checking.then(() => goOn(), goOn);
  });
  // Bodies are read by the routes: what a body means depends on more than its content type, and a
  // model's input is never parsed and written again.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', bodyReader(limits));
  app.setErrorHandler(errorHandler(engine, log));
  app.setNotFoundHandler(answerUnknownPath);
  const context = partsOf(given, waits);
  registerRoutes(app, context);
  if (corsOrigins.length > 0) registerCors(app, corsOrigins);
  registerDocsPages(app, ({ principal, base }) => context.document(principal, base));
  return { app, release: () => waits.close(), close: closer(app, connections) };
}

/**
 * Says of every request what stands before the paths that its answer points to, and puts it there
 * in `Location`.
 */
function findBases(app: FastifyInstance, address: PublicAddress): void {
  app.decorateRequest('base', '');
  if (basePathOf(address.publicUrl) === '' && address.trustProxy === false) return;
  const baseOf = baseFinder(address);
  app.addHook('onRequest', (request, _reply, done) => {
    request.base = baseOf(request);
    done();
  });
  app.addHook('onSend', ({ base }, reply, payload, done) => {
    const location = reply.getHeader('location');
    if (base !== '' && typeof location === 'string' && location.startsWith('/'))
      reply.header('location', `${base}${location}`);
    done(null, payload);
  });
}

/** What the routes work with. */
function partsOf(given: ServerDeps, waits: Waits): RouteContext {
  const { engine, deployments, captures, metrics, tracing, about, clock, limits } = given;
  return {
    engine,
    deployments,
    captures,
    cache: given.cache,
    cacheFiller: given.cacheFiller,
    metrics,
    tracing,
    about,
    now: () => clock.now(),
    limits,
    streams: new Streams(limits),
    turns: new Turns(),
    longEnvelopes: new LongEnvelopes(),
    waitSignal: (reply) => waits.signal(reply),
    followSignal: (reply) => waits.signal(reply, 'as-long-as-it-listens'),
    document: (principal, base) => openApiDocument(ROUTES, documented(engine, principal), base),
  };
}

/** Tells the metrics of every answer, once it was sent or nobody is there for it any more. */
function countAnswers(app: FastifyInstance, metrics: Metrics): void {
  app.decorateReply('problem', null);
  app.addHook('onResponse', (request, reply, done) => {
    const { routeOptions, method } = request;
    const took = milliseconds(reply.elapsedTime);
    metrics.answered({ route: routeOptions.url ?? '', method, status: reply.statusCode, took });
    if (reply.problem !== null) metrics.refused(reply.problem);
    done();
  });
}

/** What the document says of the endpoints that somebody may see. */
function documented(engine: Engine, principal: Principal): DocumentedEndpoint[] {
  if (!principal.scopes.includes('read')) return [];
  return engine.endpoints
    .visibleTo(principal)
    .map(({ spec: { name, description }, takes, inputSchema, outputSchema }) => ({
      name,
      description,
      takesRows: takes === 'rows',
      inputSchema,
      outputSchema,
    }));
}

/** Ids that tell requests apart, also those of servers that ran earlier or run beside this one. */
function requestIds(): () => string {
  const server = randomUUID().slice(0, 8);
  let count = 0;
  return () => `${server}-${(count += 1)}`;
}

function closer(app: FastifyInstance, connections: Connections): () => Promise<void> {
  return async () => {
    const closed = app.close();
    const cut = setTimeout(() => connections.cut(), LAST_ANSWERS);
    await closed;
    clearTimeout(cut);
    connections.cut();
  };
}

/**
 * Those who wait for an answer. Not AbortSignal.any: what it makes for every wait is weakly held,
 * which is work for the collector.
 */
class Waits {
  readonly #waiting = new Set<AbortController>();
  #closed = false;

  /**
   * Aborts when the client closes its connection before it has its answer, or the server stops; of
   * a stream also when the client says that nothing more will come from it, which is all that is
   * seen of one that is gone before something is sent to it.
   */
  signal({ raw }: FastifyReply, until: 'answered' | 'as-long-as-it-listens' = 'answered'): AbortSignal {
    const wait = new AbortController();
    if (until === 'as-long-as-it-listens') whenHalfClosed(raw, () => wait.abort());
    if (this.#closed) wait.abort();
    this.#waiting.add(wait);
    // Every answer ends in a close; only one that comes too early is worth an abort, which makes an
    // error with its stack.
    whenOver(raw, () => {
      this.#waiting.delete(wait);
      if (!raw.writableFinished) wait.abort();
    });
    return wait.signal;
  }

  /** Ends every wait, those to come as well. */
  close(): void {
    this.#closed = true;
    for (const wait of this.#waiting) wait.abort();
  }
}

/** A request for the options of the whole server is told its methods. */
function answerUnknownPath(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return request.raw.url === WHOLE_SERVER
    ? reply.code(204).header('allow', METHODS.join(', ')).send()
    : sendProblem(reply, unknownPath(request));
}

function unknownPath({ url, method }: FastifyRequest): ServiceError {
  const allowed = methodsOf(url.split('?')[0]!).join(', ');
  if (allowed === '')
    return new ServiceError(
      'not-found',
      'There is no such path. GET /health, /endpoints and /runs are places to start.',
    );
  return new ServiceError('method-not-allowed', `${method} is not possible here; ${allowed} is.`, {
    headers: { allow: allowed },
  });
}

/** Errors are problems, but for those whom a client of another server's asks. */
const errorHandler =
  (engine: Engine, log: Log) =>
  (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    sendZenmlUnauthorized(engine, request, reply, error) ?? sendError(log, error, request, reply);

function sendError(log: Log, error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof ServiceError) return sendProblem(reply, error);
  if (error instanceof PayloadTooLong) return sendProblem(reply, tooLarge(error.bytesMax));
  const expected = error instanceof StorageFull ? storageFull(error) : expectedError(error as FastifyError);
  if (expected !== null) return sendProblem(reply, expected);
  const about = { err: error, request_id: request.id, method: request.method, path: request.url.split('?')[0] };
  if (isStorageTrouble(error)) {
    // Of a store that is known to be away the log has a line of its own.
    if (!(error instanceof StoreAway)) log.warn(about, 'a store could not do what a request needs');
    return sendProblem(reply, storageUnavailable(error));
  }
  log.error(about, 'a request failed');
  return sendProblem(
    reply,
    new ServiceError(
      'internal',
      'Something went wrong here; the server log has the cause under the request id in "instance".',
    ),
  );
}

/** Says what is known, and not what the error says: that names files and hosts. */
function storageUnavailable(cause: Error): ServiceError {
  const known =
    cause instanceof StorageUnavailable && cause.mayBeDone
      ? 'The connection to the store broke, and whether this was done is not known: with an Idempotency-Key it can be sent again, and is done once.'
      : cause instanceof StoreAway
        ? cause.message
        : 'The store of this server cannot be reached or refuses what it is asked for; the server log has the cause under the request id in "instance".';
  return new ServiceError('storage-unavailable', `${known} Try again after the time in Retry-After.`, {
    headers: { 'retry-after': retryAfterSeconds(STORE_RETRY) },
    cause,
  });
}

function storageFull(cause: StorageFull): ServiceError {
  return new ServiceError('storage-full', `${cause.message} Try again after the time in Retry-After.`, {
    headers: { 'retry-after': retryAfterSeconds(ROOM_RETRY) },
    cause,
  });
}

/** What the framework itself refuses, in the words of the one table. */
function expectedError({ code, statusCode }: FastifyError): ServiceError | null {
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new ServiceError('unsupported-media-type', 'The Content-Type cannot be read.');
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new ServiceError('malformed-body', 'The request cannot be read as HTTP.');
  return null;
}
