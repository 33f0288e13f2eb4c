// What is kept of an endpoint's answers. Keys that may invoke it look up and fill, keys that may
// read are shown it, keys that may manage have it forgotten. Everything belongs to the tenant of
// the key.

import type { FastifyReply } from 'fastify';
import { CacheFiller } from '../../engine/cache-filler.ts';
import type { CacheKey, CachePlace, Found } from '../../cache/port.ts';
import { ServiceError } from '../../domain/errors.ts';
import { seconds } from '../../domain/time.ts';
import {
  CacheClaims,
  CacheCompacted,
  CacheDeleted,
  CacheDeletion,
  CacheEntriesQuery,
  CacheInfoBody,
  CacheKept,
  CacheLease,
  CacheLookup,
  CALLER,
} from '../../wire/cache.ts';
import { keysBody, ENTRIES_BODY } from '../request/cache-bodies.ts';
import { inUtf8 } from '../request/charset.ts';
import type { RouteContext } from '../context.ts';
import { type Call, type Route, route } from '../route.ts';
import { idOf } from './run-id.ts';
import { Type } from 'typebox';

/**
 * How long the answers of one lookup may be together before the rest is left for the next, in
 * bytes: what one request may hold of memory.
 */
const LOOKUP_BYTES_MAX = 16 * 2 ** 20;

/** See the head of this file. */
export const CACHE_ROUTES: readonly Route[] = [
  route({
    method: 'POST',
    path: '/endpoints/:endpoint/cache/lookup',
    operationId: 'lookUpCache',
    tag: 'cache',
    summary: 'Look answers up, and claim what is not there',
    description:
      'Answers a line for each key in the order asked: the answer, `"mine"` where it is now the caller’s to compute, or `"others"` where somebody else computes it. Once the answers are 16 MiB long the lines end, and the rest is to be asked for again.',
    scope: 'invoke',
    body: keysBody(CacheLookup),
    answers: {
      200: {
        description: 'What is known of the keys.',
        content: { 'application/jsonlines': Type.String({ description: 'A JSON value per line.' }) },
      },
    },
    problems: ['endpoint-not-found', 'malformed-body', 'storage-full'],
    handle: lookUp,
  }),
  route({
    method: 'POST',
    path: '/endpoints/:endpoint/cache/entries',
    operationId: 'keepAnswers',
    tag: 'cache',
    summary: 'Keep answers that were computed',
    description: 'The caller’s claims on their keys end. A key that has an answer keeps it.',
    scope: 'invoke',
    query: CacheEntriesQuery,
    body: ENTRIES_BODY,
    answers: { 200: { description: 'They are kept.', content: { 'application/json': CacheKept } } },
    problems: ['endpoint-not-found', 'malformed-body', 'storage-full'],
    async handle(context, call): Promise<CacheKept> {
      // Answers can be computed again; runs that were taken in must be kept.
      context.engine.assertRoom();
      const { version, caller } = call.query;
      const kept = { version, caller, entries: call.body };
      return { kept: await context.cache.keep(placeOf(context, call), kept) };
    },
  }),
  route({
    method: 'PUT',
    path: '/endpoints/:endpoint/cache/claims/:caller',
    operationId: 'renewClaims',
    tag: 'cache',
    summary: 'Go on computing',
    description:
      'Every claim of the caller stands for so long from now on. With `run`, the server itself keeps what that run answers.',
    scope: 'invoke',
    body: keysBody(CacheLease),
    answers: { 200: { description: 'How many there are.', content: { 'application/json': CacheClaims } } },
    problems: ['endpoint-not-found', 'run-not-found', 'malformed-body', 'storage-full'],
    handle: renew,
  }),
  route({
    method: 'DELETE',
    path: '/endpoints/:endpoint/cache/claims/:caller',
    operationId: 'releaseClaims',
    tag: 'cache',
    summary: 'Leave what is not computed yet to others',
    scope: 'invoke',
    answers: { 204: { description: 'The caller has no claims.' } },
    problems: ['endpoint-not-found', 'storage-full'],
    async handle(context, call) {
      await context.cache.release(placeOf(context, call), callerOf(call));
      return call.reply.code(204).send();
    },
  }),
  route({
    method: 'GET',
    path: '/endpoints/:endpoint/cache',
    operationId: 'getCache',
    tag: 'cache',
    summary: 'See how much is kept, and of what use it is',
    scope: 'read',
    answers: { 200: { description: 'As it stands.', content: { 'application/json': CacheInfoBody } } },
    problems: ['endpoint-not-found'],
    async handle(context, call): Promise<CacheInfoBody> {
      const info = await context.cache.info(placeOf(context, call));
      return { ...info, versions: [...info.versions] };
    },
  }),
  route({
    method: 'DELETE',
    path: '/endpoints/:endpoint/cache',
    operationId: 'clearCache',
    tag: 'cache',
    summary: 'Forget every answer of an endpoint',
    scope: 'manage',
    answers: { 200: { description: 'How many there were.', content: { 'application/json': CacheDeleted } } },
    problems: ['endpoint-not-found', 'storage-full'],
    handle: async (context, call): Promise<CacheDeleted> => ({
      deleted: await context.cache.clear(placeOf(context, call)),
    }),
  }),
  route({
    method: 'POST',
    path: '/endpoints/:endpoint/cache/entries/delete',
    operationId: 'deleteAnswers',
    tag: 'cache',
    summary: 'Forget single answers',
    description: 'Of every version.',
    scope: 'manage',
    body: keysBody(CacheDeletion),
    answers: { 200: { description: 'How many there were.', content: { 'application/json': CacheDeleted } } },
    problems: ['endpoint-not-found', 'malformed-body', 'storage-full'],
    handle: async (context, call): Promise<CacheDeleted> => ({
      deleted: await context.cache.deleteEntries(placeOf(context, call), call.body.keys as CacheKey[]),
    }),
  }),
  route({
    method: 'POST',
    path: '/endpoints/:endpoint/cache/compact',
    operationId: 'compactCache',
    tag: 'cache',
    summary: 'Give room back to the disk',
    description: 'Of the whole store, since endpoints share it. Nothing that is kept is forgotten.',
    scope: 'manage',
    answers: { 200: { description: 'It is as small as it can be.', content: { 'application/json': CacheCompacted } } },
    problems: ['endpoint-not-found', 'storage-full'],
    async handle(context, call): Promise<CacheCompacted> {
      placeOf(context, call);
      return { freed_bytes: await context.cache.compact() };
    },
  }),
];

async function lookUp(context: RouteContext, call: Call<object, CacheLookup>): Promise<FastifyReply> {
  const { version, any_version: anyVersion = false, caller, lease, keys } = call.body;
  const found = await context.cache.lookUp(placeOf(context, call), {
    version,
    anyVersion,
    caller,
    lease: seconds(lease),
    keys: keys as CacheKey[],
    bytesMax: LOOKUP_BYTES_MAX,
  });
  return call.reply.type(inUtf8('application/jsonlines')).send(Buffer.from(found.map(lineOf).join('')));
}

async function renew(context: RouteContext, call: Call<object, CacheLease>): Promise<CacheClaims> {
  const [place, caller, lease] = [placeOf(context, call), callerOf(call), seconds(call.body.lease)];
  const { run: named } = call.body;
  if (named !== undefined) {
    const run = await context.engine.runs.record(idOf(named.id), call.principal);
    if (!CacheFiller.takes(run, place)) throw notOfThisCache(run.runId, place);
    const { key_columns: keyColumns, output_key_column: outputKeyColumn = null } = named;
    context.cacheFiller.fill(run, { place, caller, lease, keyColumns, outputKeyColumn });
  }
  return { claims: await context.cache.renew(place, caller, lease) };
}

function notOfThisCache(runId: string, { endpoint }: CachePlace): ServiceError {
  const detail = `must be a batch of ${endpoint}, of the same tenant, that answers application/jsonlines`;
  return new ServiceError('invalid-request', `Run ${runId} cannot fill this cache: it ${detail}.`, {
    errors: [{ pointer: '/run/id', detail }],
  });
}

const lineOf = (found: Found): string => `${typeof found === 'string' ? `"${found}"` : found.answer}\n`;

function placeOf({ engine }: RouteContext, { params, principal }: Call<unknown, unknown>): CachePlace {
  const { spec } = engine.endpoints.resolve(params['endpoint']!, principal);
  return { tenant: principal.tenant, endpoint: spec.name };
}

function callerOf({ params }: Call<unknown, unknown>): string {
  const caller = params['caller']!;
  if (CALLER.test(caller)) return caller;
  throw new ServiceError('invalid-request', 'The caller in the path must be 8 to 64 letters, digits, "-" and "_".', {
    errors: [{ pointer: 'path:caller', detail: `must match ${CALLER.source}` }],
  });
}
