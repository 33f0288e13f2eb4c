// What a route is: one entry of the table that the server, the check of keys, the OpenAPI document
// and the tests of all three are made from.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Static, type TObject, type TSchema, Type } from 'typebox';
import type { Principal, Scope } from '../domain/access.ts';
import type { ProblemSlug } from '../domain/errors.ts';
import { type BodyRule, NO_BODY } from './request/body-rules.ts';
import type { RequestHeader, ResponseHeader } from './request/headers.ts';
import type { RouteContext } from './context.ts';
import { queryReader } from './request/query.ts';

/** The chapters of the document. */
export const TAGS = {
  runs: 'Hand work in, and see its results.',
  endpoints: 'What is deployed: versions, replicas and queues.',
  cache: 'Answers that were computed before.',
  server: 'The server itself.',
} as const;
/** A chapter of the document. */
type Tag = keyof typeof TAGS;

/** A request on its way through a route: what its parts say, read by the rules of the route. */
export interface Call<Query, Body> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly principal: Principal;
  /** The values of the path's parameters. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
}

/** An answer that is no problem. */
export interface Answer {
  readonly description: string;
  /** The schema of the body by its content type; absent where there is no body. */
  readonly content?: Readonly<Record<string, TSchema>>;
  readonly headers?: readonly ResponseHeader[];
}

/** What a reader of the document is told of a route, and what the server holds its requests to. */
interface RouteDescription {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Parameters are written as `:name`. */
  readonly path: string;
  readonly operationId: string;
  readonly tag: Tag;
  /** A few words in the imperative. */
  readonly summary: string;
  readonly description?: string;
  /** What a key must be good for; null for a route that asks for none. */
  readonly scope: Scope | null;
  /** Whether a route that asks for no key shows more to a caller that presents one. */
  readonly looksAtKeys?: true;
  /** Headers of a request that mean something here. */
  readonly headers?: readonly RequestHeader[];
  readonly answers: Readonly<Record<number, Answer>>;
  /** Whether the `callback_url` of the run is told of its end. */
  readonly callsBack?: boolean;
  /** What may go wrong here, beside what may go wrong everywhere. */
  readonly problems: readonly ProblemSlug[];
}

/** A route as its author writes it. */
export interface RouteSpec<Query extends TObject, Body> extends RouteDescription {
  /** Parameters of the query; without it there are none, and one that is there is refused. */
  readonly query?: Query;
  /** What the body may be; without it there is none, and one that is there is refused. */
  readonly body?: BodyRule<Body>;
  readonly handle: (context: RouteContext, call: Call<Static<Query>, Body>) => unknown;
}

/** A route of the table. */
export interface Route extends RouteDescription {
  readonly query: TObject;
  readonly body: BodyRule<unknown>;
  /** Reads the request by the rules, and answers it. */
  readonly run: (context: RouteContext, request: FastifyRequest, reply: FastifyReply) => unknown;
}

const NO_QUERY = Type.Object({}, { additionalProperties: false });

/** Makes an entry of the table. */
export function route<Query extends TObject = typeof NO_QUERY, Body = null>({
  handle,
  query,
  body = NO_BODY as BodyRule<Body>,
  ...description
}: RouteSpec<Query, Body>): Route {
  const schema = query ?? (NO_QUERY as unknown as Query);
  const readQuery = queryReader(schema);
  return {
    ...description,
    query: schema,
    body,
    run: (context, request, reply) =>
      handle(context, {
        request,
        reply,
        principal: request.principal,
        params: request.params as Readonly<Record<string, string>>,
        query: readQuery(request.query),
        body: body.read(request.body as Uint8Array | undefined),
      }),
  };
}

declare module 'fastify' {
  interface FastifyRequest {
    /** On whose behalf the request is made; set before a route sees it. */
    principal: Principal;
  }
  interface FastifyContextConfig {
    /**
     * The entry of the table; absent for what is none, such as the pages of the document's viewer.
     */
    readonly route?: Route;
  }
}
