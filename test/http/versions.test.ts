import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { folderForTest, newFolder, removeFolder } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { isAlive } from '../support/processes.ts';
import { KEPT_COMPILED, serviceForTest, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

let folder: string;
let gates: Gates;
beforeEach(async () => {
  folder = await folderForTest();
  gates = new Gates(folder);
});

const ANYTHING = { model: './anything.ts', mode: 'async' } as const;
/**
 * The same model under a name in its environment, so that a run can tell which version executes it.
 */
const named = (name: string, changes: object = {}) => ({
  ...ANYTHING,
  env: { ...KEPT_COMPILED, NAME: name },
  ...changes,
});
const put = (server: TestService, name: string, endpoint: unknown) =>
  server.send('PUT', `/endpoints/${name}`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(endpoint),
  });
const versions = async (server: TestService, name = 'jobs') =>
  (await server.get(`/endpoints/${name}/versions`)).json.versions as { version: number; state: string }[];
const states = async (server: TestService) => (await versions(server)).map(({ state }) => state);
const activated = (server: TestService, version: number) =>
  until(`version ${version} is active`, async () => (await server.endpoint('jobs')).version === version);
const nameOf = async (server: TestService, runId: string) => (await server.ended(runId)).outputs.NAME as string;

describe('a new version', () => {
  test('takes new runs once it is ready, and those from before finish on the one before, queued ones as well', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    const running = await server.submit('jobs', { do: 'environment', path: gates.path('one') });
    await server.inStatus(running, 'running');
    const queued = await server.submit('jobs', { do: 'environment', path: gates.path('one') });
    const answer = await put(server, 'jobs', named('two'));
    expect(answer.status).toBe(202);
    expect(answer.headers.location).toBe('/endpoints/jobs');
    expect(answer.json.rollout).toEqual({ version: 2, state: 'starting', reason: null });
    await activated(server, 2);
    expect((await server.endpoint('jobs')).rollout).toBeNull();
    const young = await server.submit('jobs', { do: 'environment' });
    expect(await nameOf(server, young)).toBe('two');
    expect(await server.run(running)).toMatchObject({ status: 'running', version: 1, attempts: [{ attempt: 1 }] });
    gates.open('one');
    expect(await Promise.all([running, queued].map((run) => nameOf(server, run)))).toEqual(['one', 'one']);
    expect(await server.run(queued)).toMatchObject({ version: 1, attempts: [{ attempt: 1 }] });
    expect(await server.run(young)).toMatchObject({ version: 2 });
    expect(await states(server)).toEqual(['superseded', 'active']);
  });

  test('that never becomes ready is rolled back and says why, and nothing else changes', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    const file = join(folder, 'broken.mjs');
    writeFileSync(
      file,
      `export const model = { load() { throw new Error('There are no weights.'); }, invoke: () => 1 };`,
    );
    expect((await put(server, 'jobs', named('two', { model: file }))).status).toBe(202);
    const { rollout } = await until('it was given up', async () => {
      const endpoint = await server.endpoint('jobs');
      return endpoint.rollout?.state === 'failed' ? endpoint : null;
    });
    expect(rollout).toMatchObject({ version: 2, reason: expect.stringContaining('There are no weights.') });
    expect(await server.endpoint('jobs')).toMatchObject({ version: 1, trouble: null });
    expect(await nameOf(server, await server.submit('jobs', { do: 'environment' }))).toBe('one');
    expect(await versions(server)).toMatchObject([
      { version: 1, state: 'active', reason: null },
      { version: 2, state: 'failed', reason: expect.stringContaining('There are no weights.') },
    ]);
  });

  test('that is deployed while another is tried takes its place', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    const file = join(folder, 'slow.mjs');
    writeFileSync(
      file,
      `export const model = { load: () => new Promise(() => setInterval(() => {}, 1_000)), invoke: () => 1 };`,
    );
    await put(server, 'jobs', named('two', { model: file }));
    await put(server, 'jobs', named('three'));
    await activated(server, 3);
    expect(await states(server)).toEqual(['superseded', 'failed', 'active']);
  });

  test('of an endpoint whose replicas are lost goes on with what they worked on', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    const run = await server.submit('jobs', { do: 'exit-before-attempt', until: 2, path: gates.path('one') });
    await server.inStatus(run, 'running');
    await put(server, 'jobs', named('two'));
    await activated(server, 2);
    gates.open('one');
    expect(await server.ended(run)).toMatchObject({ status: 'succeeded', version: 1, outputs: { attempt: 2 } });
  });

  test('has limits of its own', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    await put(server, 'jobs', named('two', { queueLimit: 0 }));
    await activated(server, 2);
    expect((await server.post('/endpoints/jobs/invoke', { input: 1 })).status).toBe(429);
  });
});

describe('of several deployments, the one that was asked for last has the last word:', () => {
  /** A model that is not loaded before its gate opens. */
  const slowModel = (gate: string): string => {
    const file = join(folder, 'gated.mjs');
    const source = `import { existsSync } from 'node:fs';
      const opens = async () => { while (!existsSync(${JSON.stringify(gates.path(gate))})) await new Promise((resolve) => setTimeout(resolve, 5)); };
      export const model = { load: opens, invoke: () => 1 };`;
    writeFileSync(file, source);
    return file;
  };

  test('the version from before, deployed again, stays although another one was being tried', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    expect((await put(server, 'jobs', named('two', { model: slowModel('bad') }))).status).toBe(202);
    const again = await put(server, 'jobs', named('one'));
    expect(again).toMatchObject({ status: 200, json: { version: 1, rollout: null } });
    gates.open('bad');
    expect(await versions(server)).toMatchObject([
      { version: 1, state: 'active' },
      { version: 2, state: 'failed', reason: 'Version 1 was deployed again before it was ready.' },
    ]);
    expect(await nameOf(server, await server.submit('jobs', { do: 'environment' }))).toBe('one');
  });

  test('also where nobody waits for the answer to the one before', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    const bad = named('two', { model: slowModel('bad') });
    const answers = await Promise.all([bad, named('one'), bad, named('one')].map((each) => put(server, 'jobs', each)));
    expect(answers.map(({ status }) => status)).toEqual([202, 200, 202, 200]);
    gates.open('bad');
    expect(await states(server)).toEqual(['active', 'failed']);
  });

  test('a version that is being tried goes on when it is deployed again', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    const next = named('two', { model: slowModel('good') });
    expect((await put(server, 'jobs', next)).status).toBe(202);
    expect(await put(server, 'jobs', next)).toMatchObject({
      status: 202,
      json: { rollout: { version: 2, state: 'starting' } },
    });
    expect(await states(server)).toEqual(['active', 'starting']);
    gates.open('good');
    await activated(server, 2);
    expect(await states(server)).toEqual(['superseded', 'active']);
  });

  test('a new endpoint that several deploy at once is made once', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    const answers = await Promise.all(
      [1, 2, 3].map(() => put(server, 'more', named('more', { replicas: { min: 1 } }))),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 201]);
    await until('its replica is ready', async () => (await server.endpoint('more')).replicas.current > 0);
    expect((await server.endpoint('more')).replicas).toMatchObject({ current: 1, desired: 1 });
    expect(await versions(server, 'more')).toHaveLength(1);
  });

  test('of two new endpoints that want to be the default, one is', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    const answers = await Promise.all(
      ['more', 'other'].map((name) => put(server, name, named(name, { default: true }))),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 422]);
  });
});

describe('a deployment', () => {
  test('of what is active already changes nothing', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    expect(await put(server, 'jobs', named('one'))).toMatchObject({ status: 200, json: { version: 1, rollout: null } });
    expect(await states(server)).toEqual(['active']);
  });

  test('of a new name makes an endpoint, which takes runs at once', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    expect(await put(server, 'more', named('more'))).toMatchObject({ status: 201, json: { name: 'more', version: 1 } });
    expect(await nameOf(server, await server.submit('more', { do: 'environment' }))).toBe('more');
  });

  test.each([
    ['is no JSON', '{"model"', 400, []],
    ['is no endpoint', [], 422, ['']],
    ['has no model', { mode: 'async' }, 422, ['/model']],
    ['names a key that there is not', named('x', { batchsize: 3 }), 422, ['/batchsize']],
    ['names a file that is not there', { model: './nowhere.ts' }, 422, ['/model']],
    ['has a duration that is none', named('x', { timeout: 'soon' }), 422, ['/timeout']],
    ['wants more replicas than it may have', named('x', { replicas: { min: 3 } }), 422, ['/replicas/min']],
  ])('that %s is refused with its place, and nothing is deployed', async (_what, written, status, pointers) => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    const body = typeof written === 'string' ? written : JSON.stringify(written);
    const answer = await server.send('PUT', '/endpoints/jobs', {
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(status);
    expect((answer.json.errors ?? []).map((error: { pointer: string }) => error.pointer)).toEqual(pointers);
    expect(await states(server)).toEqual(['active']);
  });

  test('under a name that is none, or of a second default endpoint, is refused', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one', { default: true }) } });
    expect((await put(server, 'No%20name', named('x'))).status).toBe(422);
    expect((await put(server, 'other', named('x', { default: true }))).json.errors).toMatchObject([
      { pointer: '/default' },
    ]);
  });

  test('of a model that cannot be imported is refused', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    const file = join(folder, 'empty.mjs');
    writeFileSync(file, 'export const other = 1;');
    const { status, json } = await put(server, 'jobs', { model: file });
    expect(status).toBe(422);
    expect(json.errors).toMatchObject([
      { pointer: '/model', detail: expect.stringContaining('no export named "model"') },
    ]);
  });
});

describe('a rollback', () => {
  test('goes back to the version that was active last, under its own number', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    await put(server, 'jobs', named('two'));
    await activated(server, 2);
    expect((await server.send('POST', '/endpoints/jobs/rollback')).status).toBe(202);
    await activated(server, 1);
    expect(await nameOf(server, await server.submit('jobs', { do: 'environment' }))).toBe('one');
    expect(await states(server)).toEqual(['active', 'superseded']);
  });

  test('goes back to any version that is named, and to none that there is not', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    await put(server, 'jobs', named('two'));
    await activated(server, 2);
    await put(server, 'jobs', named('three'));
    await activated(server, 3);
    await server.post('/endpoints/jobs/rollback', { version: 1 });
    await activated(server, 1);
    const unknown = await server.post('/endpoints/jobs/rollback', { version: 9 });
    expect(unknown).toMatchObject({ status: 422, json: { errors: [{ pointer: '/version' }] } });
  });

  test('where nothing was before is refused', async () => {
    const server = await serviceForTest({ endpoints: { jobs: named('one') } });
    const answer = await server.send('POST', '/endpoints/jobs/rollback');
    expect(answer.status).toBe(422);
    expect(answer.json.detail).toContain('No version of jobs came before');
  });

  test('to a version whose model file has changed since is refused, since it would be another', async () => {
    const file = join(folder, 'model.mjs');
    writeFileSync(file, 'export const model = { invoke: () => 1 };');
    const server = await serviceForTest({ endpoints: { jobs: { model: file, mode: 'async' } } });
    writeFileSync(file, 'export const model = { invoke: () => 2 };');
    await put(server, 'jobs', { model: file, mode: 'async' });
    await activated(server, 2);
    expect((await server.ended(await server.submit('jobs', 0))).outputs).toBe(2);
    const answer = await server.send('POST', '/endpoints/jobs/rollback');
    expect(answer.status).toBe(422);
    expect(answer.json.detail).toContain('The model of version 1 has changed since it was deployed');
  });
});

describe('a server that starts again', () => {
  const restarted = async (first: object, second: object, between: (server: TestService) => Promise<void>) => {
    const data = await newFolder();
    try {
      const before = await serviceForTest({ endpoints: { jobs: first as never }, data });
      await between(before);
      await before.stop();
      return await serviceForTest({ endpoints: { jobs: second as never }, data });
    } finally {
      await removeFolder(join(data, 'nothing'));
    }
  };
  const AS_SERVER = named('one', { isolation: { user: 'server' } });

  test("goes back to nothing that ran as the server's user, once its configuration does not say so any more", async () => {
    const server = await restarted(AS_SERVER, named('two'), () => Promise.resolve());
    for (const answer of [
      await put(server, 'jobs', AS_SERVER),
      await server.send('POST', '/endpoints/jobs/rollback'),
      await server.post('/endpoints/jobs/rollback', { version: 1 }),
    ])
      expect(answer).toMatchObject({
        status: 403,
        json: { detail: expect.stringContaining('deploy: { users: [own, server] }') as string },
      });
  });

  const deployTwo = async (server: TestService): Promise<void> => {
    await put(server, 'jobs', named('two'));
    await activated(server, 2);
    await put(server, 'more', named('more'));
  };

  test('goes on with what was deployed through it, where the configuration says what it said before', async () => {
    const server = await restarted(named('one'), named('one'), deployTwo);
    expect(await server.endpoint('jobs')).toMatchObject({ version: 2 });
    expect(await nameOf(server, await server.submit('jobs', { do: 'environment' }))).toBe('two');
    expect(await nameOf(server, await server.submit('more', { do: 'environment' }))).toBe('more');
  });

  test('takes the configuration where that says something new', async () => {
    const server = await restarted(named('one'), named('three'), deployTwo);
    expect(await server.endpoint('jobs')).toMatchObject({ version: 3 });
    expect(await states(server)).toEqual(['superseded', 'superseded', 'active']);
  });

  test('executes what an older version has left queued by the version that is active', async () => {
    let left = '';
    const server = await restarted(named('one'), named('two'), async (before) => {
      left = await before.submit('jobs', { do: 'environment', path: gates.path('one') });
      await before.inStatus(left, 'running');
    });
    gates.open('one');
    expect(await nameOf(server, left)).toBe('two');
    expect(await server.run(left)).toMatchObject({ version: 2 });
  });
});

describe('an endpoint that is taken away', () => {
  const remove = (server: TestService, query = '') => server.send('DELETE', `/endpoints/more${query}`);

  test('is gone with its replicas, and what it did stays; deployed again, it goes on', async () => {
    const server = await serviceForTest({ endpoints: { jobs: ANYTHING } });
    expect((await put(server, 'more', named('one'))).status).toBe(201);
    const pid = (await server.ended(await server.submit('more', { do: 'pid' }))).outputs as number;
    const ended = await server.submit('more', { do: 'environment' });
    expect(await nameOf(server, ended)).toBe('one');
    expect(await remove(server)).toMatchObject({ status: 204, text: '' });
    await until('its replica has ended', () => !isAlive(pid));
    expect(await server.get('/endpoints/more')).toMatchObject({ status: 404 });
    expect(await server.post('/endpoints/more/invoke', { input: 1 })).toMatchObject({ status: 404 });
    expect(await remove(server)).toMatchObject({ status: 404 });
    expect(await server.run(ended)).toMatchObject({ status: 'succeeded', endpoint: 'more', outputs: { NAME: 'one' } });
    expect((await put(server, 'more', named('one'))).json).toMatchObject({ version: 1 });
    expect(await nameOf(server, await server.submit('more', { do: 'environment' }))).toBe('one');
  });

  test('does not go while anything of it is open, unless it is told to cancel that', async () => {
    const server = await serviceForTest({ endpoints: { jobs: ANYTHING } });
    await put(server, 'more', named('one'));
    const running = await server.submit('more', { path: gates.path('more') });
    await server.inStatus(running, 'running');
    const queued = await server.submit('more', { path: gates.path('more') });
    const refused = await remove(server);
    expect(refused).toMatchObject({ status: 409 });
    expect(refused.json.type).toMatch(/endpoint-in-use$/);
    expect(await server.endpoint('more')).toMatchObject({ running: 1, queued: 1 });
    expect(await remove(server, '?force=true')).toMatchObject({ status: 204 });
    for (const run of [running, queued]) expect(await server.run(run)).toMatchObject({ status: 'cancelled' });
  });

  test('does not come back with the next start, and one that the configuration names does not go', async () => {
    const data = await newFolder();
    try {
      const first = await serviceForTest({ endpoints: { jobs: ANYTHING }, data });
      await put(first, 'more', named('one'));
      expect(await first.send('DELETE', '/endpoints/jobs')).toMatchObject({
        status: 409,
        json: { detail: expect.stringContaining('configuration') as string },
      });
      await remove(first);
      await first.stop();
      const second = await serviceForTest({ endpoints: { jobs: ANYTHING }, data });
      expect((await second.get('/endpoints')).json.endpoints).toMatchObject([{ name: 'jobs' }]);
      await second.stop();
    } finally {
      await removeFolder(data);
    }
  });
});
