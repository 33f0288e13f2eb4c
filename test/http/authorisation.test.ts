// Who may do what, of every route there is: made from the table, so that a route which is added is
// held to it as well.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newKey } from '../../src/http/access/key-format.ts';
import { SCOPES } from '../../src/domain/access.ts';
import type { Route } from '../../src/http/route.ts';
import { ROUTES } from '../../src/http/routes.ts';
import type { TestAnswer } from '../support/http.ts';
import { serviceWithKeys, type TestKey } from '../support/keys.ts';
import { until } from '../support/until.ts';

const CANARY = 'canary-of-ada';
/** What Ada has captured, with the canary in it. */
const CAPTURE = 'kept-by-her';

let server: Awaited<ReturnType<typeof startServer>>;
/** A run of Ada's at `echo` that has ended, with the canary in all that is Ada's. */
let runId: string;
/** Captures what Ada has captured again, which a request before may have deleted. */
let captureAgain: () => Promise<TestAnswer>;
const cleanUps: (() => Promise<void> | void)[] = [];

const startServer = () =>
  serviceWithKeys(
    {
      endpoints: {
        echo: { model: './anything.ts', mode: 'async', default: true, evaluation: './evaluation.csv' },
        other: { model: './anything.ts' },
        faced: { model: './anything.ts', face: 'zenml' },
      },
    },
    {
      ada: { tenant: 'ada' },
      bob: { tenant: 'bob' },
      elsewhere: { tenant: 'ada', endpoints: ['other'] },
      withoutInvoke: { tenant: 'ada', scopes: ['read', 'manage'] },
      withoutRead: { tenant: 'ada', scopes: ['invoke', 'manage'] },
      withoutManage: { tenant: 'ada', scopes: ['invoke', 'read'] },
    },
    (cleanUp) => cleanUps.push(cleanUp),
  );

beforeAll(async () => {
  server = await startServer();
  const envelope = { input: { do: 'print', value: CANARY }, async: true, run_name: CANARY, metadata: { CANARY } };
  const told = { callback_url: 'https://hooks.example/' };
  const submitted = await server.post('/endpoints/echo/invoke', { ...envelope, ...told }, server.keys.ada.headers);
  runId = submitted.json.run_id as string;
  await until('it has ended', async () => (await server.get(`/runs/${runId}`, server.keys.ada.headers)).json.done);
  const table = { input: [{ id: CANARY }], async: false };
  const ran = await server.post('/endpoints/echo/invoke', table, server.keys.ada.headers);
  const capture = { name: CAPTURE, run_id: ran.json.run_id as string, target: CANARY };
  captureAgain = () => server.post('/endpoints/echo/captures', capture, server.keys.ada.headers);
  expect((await captureAgain()).status).toBe(201);
  // What the others must not see is there to be seen.
  const captures = ['/endpoints/echo/captures', `/endpoints/echo/captures/${CAPTURE}/predictions`];
  for (const path of [`/runs/${runId}`, `/runs/${runId}/logs`, '/runs', ...captures])
    expect((await server.get(path, server.keys.ada.headers)).text).toContain(CANARY);
});
afterAll(async () => {
  for (const cleanUp of cleanUps) await cleanUp();
});

/**
 * What the parameters of a path are in these requests. A route with another parameter says here
 * what it is.
 */
const parameters = (path: string): Readonly<Record<string, string>> => ({
  endpoint: isFaced(path) ? 'faced' : 'echo',
  id: runId,
  caller: 'somebody',
  delivery_id: `${runId}_succeeded`,
  capture: CAPTURE,
});

/**
 * Routes that only an endpoint with another server's face has; they refuse in that server's words.
 */
const isFaced = (path: string): boolean => /^\/endpoints\/:endpoint\/(?:health|info)$/.test(path);

function pathOf({ path }: Route): string {
  return path.replaceAll(/:(\w+)/g, (_, name: string) => {
    const value = parameters(path)[name];
    if (value === undefined) throw new Error(`Say what ":${name}" is in requests of this test.`);
    return value;
  });
}

/** Every request comes from an address of its own, since one that fails often is told to wait. */
let requests = 0;
async function ask(route: Route, headers: Readonly<Record<string, string>> = {}): Promise<TestAnswer> {
  requests += 1;
  if (route.operationId === 'deleteCapture') await captureAgain();
  return server.send(route.method, pathOf(route), { headers, from: `127.0.${1 + (requests >> 8)}.${requests & 255}` });
}

const asked = (route: Route, key: TestKey): Promise<TestAnswer> => ask(route, key.headers);

/** Past the check of keys; what the route makes of a request without a body is its own business. */
function expectLetIn(answer: TestAnswer): void {
  expect([401, 403, 404, 429, 500]).not.toContain(answer.status);
}

const asRow = (route: Route): [string, Route] => [`${route.method} ${route.path}`, route];
const withKey = ROUTES.filter(({ scope }) => scope !== null).map(asRow);
const open = ROUTES.filter(({ scope }) => scope === null).map(asRow);

describe.each(withKey)('%s', (_name, route) => {
  test('is refused without a key', async () => {
    const { status, headers, json } = await ask(route);
    expect(status).toBe(401);
    if (isFaced(route.path)) return expect(json).toEqual({ detail: 'Authorization header required' });
    expect(json.type).toBe('https://claimcheck.dev/problems/unauthorized');
    expect(headers['www-authenticate']).toBe('Bearer realm="claimcheck"');
  });

  test('is refused with a key that is nobody’s', async () => {
    const { status, headers } = await ask(route, { authorization: `Bearer ${newKey().key}` });
    expect(status).toBe(401);
    if (!isFaced(route.path))
      expect(headers['www-authenticate']).toBe('Bearer realm="claimcheck", error="invalid_token"');
  });

  test('is refused with every key that lacks its scope, and with no other', async () => {
    for (const [scope, key] of [
      ['invoke', server.keys.withoutInvoke],
      ['read', server.keys.withoutRead],
      ['manage', server.keys.withoutManage],
    ] as const) {
      const answer = await asked(route, key);
      if (scope !== route.scope) expectLetIn(answer);
      else
        expect([answer.status, answer.headers['www-authenticate']]).toEqual([
          403,
          `Bearer realm="claimcheck", error="insufficient_scope", scope="${scope}"`,
        ]);
    }
  });

  test('shows nothing of a tenant to another', async () => {
    const answer = await asked(route, server.keys.bob);
    expect(answer.text).not.toContain(CANARY);
    if (!/:(?:id|capture)\b/.test(route.path)) return expectLetIn(answer);
    const absent = await server.send(route.method, withoutNames(pathOf(route)), { headers: server.keys.bob.headers });
    const sameButForTheId = (one: TestAnswer) => [
      one.status,
      { ...one.json, instance: null, detail: withoutNames(one.json.detail as string) },
    ];
    expect(answer.status).toBe(404);
    expect(sameButForTheId(answer)).toEqual(sameButForTheId(absent));
  });

  test('shows nothing of an endpoint to a key that is bound to another', async () => {
    const answer = await asked(route, server.keys.elsewhere);
    expect(answer.text).not.toContain(CANARY);
    expect(answer.text).not.toContain('echo');
    if (route.path.includes(':endpoint')) expect(answer.status).toBe(403);
    else if (route.path.includes(':id')) expect(answer.status).toBe(404);
    // They are of every endpoint.
    else if (route.path === '/metrics') expect(answer.status).toBe(403);
    else expectLetIn(answer);
  });

  // Last, since it may change something.
  test('lets in callers that have a key for it', async () => {
    expectLetIn(await asked(route, server.keys.ada));
  });
});

/** An id that no run has. */
const NO_RUN = '0198b0ff-0000-7000-8000-000000000000';
/** A text with names in the place of Ada's that nothing has. */
const withoutNames = (text: string): string => text.replace(runId, NO_RUN).replace(CAPTURE, 'kept-by-none');

describe.each(open)('%s', (_name, route) => {
  test('is answered without a key, and with one that is not valid, and shows nobody’s runs', async () => {
    for (const headers of [{}, { authorization: `Bearer ${newKey().key}` }, { authorization: 'Basic x' }]) {
      const answer = await ask(route, headers);
      expectLetIn(answer);
      expect(answer.text).not.toContain(CANARY);
    }
  });
});

test('the routes that ask for no key are these, and no others', () => {
  expect(open.map(([name]) => name).toSorted()).toEqual([
    'GET /health',
    'GET /info',
    'GET /openapi.json',
    'GET /ready',
  ]);
});

test('HEAD asks for the key that GET asks for', async () => {
  for (const [, route] of withKey.filter(([, { method }]) => method === 'GET')) {
    expect((await ask({ ...route, method: 'HEAD' } as unknown as Route)).status).toBe(401);
  }
});

test('every scope opens a route of its own', () => {
  expect(new Set(ROUTES.map(({ scope }) => scope))).toEqual(new Set([...SCOPES, null]));
});

test('a path that is not there asks for no key', async () => {
  expect((await server.get('/nothing')).status).toBe(404);
  expect((await server.send('PATCH', '/runs')).status).toBe(405);
});

test('the document says of single endpoints what its reader may see', async () => {
  const pathsFor = async (headers = {}) =>
    Object.keys((await server.get('/openapi.json', headers)).json.paths).filter((path) =>
      /^\/endpoints\/(?:echo|other)\//.test(path),
    );
  expect(await pathsFor()).toEqual([]);
  expect(await pathsFor(server.keys.ada.headers)).toEqual(['/endpoints/echo/invoke', '/endpoints/other/invoke']);
  expect(await pathsFor(server.keys.elsewhere.headers)).toEqual(['/endpoints/other/invoke']);
  expect(await pathsFor(server.keys.withoutRead.headers)).toEqual([]);
  expect((await server.get('/docs/json', server.keys.elsewhere.headers)).text).not.toContain('/endpoints/echo/');
});
