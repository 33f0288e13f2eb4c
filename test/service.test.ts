import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ConfigError } from '../src/config/config-error.ts';
import { gapsOf, levelsOf, thisMachine } from '../src/replicas/isolation/machine.ts';
import { isLoopback } from '../src/http/access/door.ts';
import { inspectModels } from '../src/deploy/examination.ts';
import { startService } from '../src/service.ts';
import { migrateLedger } from '../src/stores/open.ts';
import { folderForTest } from './support/folder.ts';
import { send } from './support/http.ts';
import { startPostgres } from './support/postgres.ts';
import { until } from './support/until.ts';
import { serviceForTest, testConfig, type TestServiceOptions } from './support/service.ts';

const endpoints: TestServiceOptions['endpoints'] = { jobs: { model: './anything.ts', mode: 'async' } };

describe('before anything is started', () => {
  test('every model is looked at, and what it takes is known', async () => {
    const config = testConfig({
      endpoints: { rows: { model: './echo.ts' }, any: { model: './anything.ts' }, program: { model: ['true'] } },
      data: await folderForTest(),
    });
    expect(await inspectModels(config)).toEqual({
      kinds: new Map([
        ['rows', 'rows'],
        ['any', 'any'],
        ['program', 'any'],
      ]),
      mistakes: [],
    });
  });

  test('every model that cannot be used is named, all at once, and nothing is left behind', async () => {
    const data = await folderForTest();
    const [empty, broken] = ['empty.mjs', 'broken.mjs'].map((name) => join(data, name));
    writeFileSync(empty!, 'export const other = 1;');
    writeFileSync(broken!, 'throw new Error("There are no weights.");');
    const config = testConfig({
      endpoints: { ...endpoints, empty: { model: empty! }, broken: { model: broken! } },
      data: join(data, 'data'),
    });
    const refused = startService(config);
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(/2 mistakes/);
    await expect(refused).rejects.toThrow(/endpoints\.empty\.model {2}.*no export named "model"/);
    await expect(refused).rejects.toThrow(/endpoints\.broken\.model {2}.*There are no weights\./);
    expect(readdirSync(data).toSorted()).toEqual(['broken.mjs', 'empty.mjs']);
  });

  test('a model file is looked at as it will be run: in its working folder, with its environment', async () => {
    const folder = await folderForTest();
    writeFileSync(join(folder, 'weights.txt'), 'here');
    const file = join(folder, 'model.mjs');
    writeFileSync(
      file,
      `import { readFileSync } from 'node:fs';
       if (process.env.WEIGHTS === undefined) throw new Error('WEIGHTS is not set.');
       const weights = readFileSync(process.env.WEIGHTS, 'utf8');
       export const model = { invoke: () => weights };`,
    );
    const server = await serviceForTest({
      endpoints: { heavy: { model: file, cwd: folder, env: { WEIGHTS: 'weights.txt' } } },
    });
    expect((await server.post('/invoke', { input: 1 })).json).toMatchObject({ status: 'succeeded', outputs: 'here' });
  });
});

describe('a server', () => {
  test('says where it listens, which endpoints it has, where its ledger is and how that writes', async () => {
    const { service, data } = await serviceForTest({ endpoints, database: null });
    expect(service.ledger).toBe(join(data, 'ledger.sqlite'));
    expect(service.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(service.endpoints).toMatchObject([{ spec: { name: 'jobs' }, version: 1, takes: 'any' }]);
    expect(service.stats().commits).toBeGreaterThan(0);
    expect(service.stats().calls).toBeGreaterThanOrEqual(service.stats().commits);
  });

  test('writes runs that come together in fewer commits than there are runs', async () => {
    const server = await serviceForTest({ endpoints });
    const before = server.service.stats();
    await Promise.all(Array.from({ length: 64 }, () => server.submit('jobs', 1)));
    const after = server.service.stats();
    expect(after.calls - before.calls).toBeGreaterThan(after.commits - before.commits);
  });

  test('has its replicas die with it, and leaves nothing in the temporary folder', async () => {
    const sockets = (): string[] => readdirSync(tmpdir()).filter((name) => /^claimcheck-\w{6}$/.test(name));
    const before = sockets();
    const server = await serviceForTest({ endpoints });
    await server.ended(await server.submit('jobs', 1));
    const mine = sockets().filter((name) => !before.includes(name));
    expect(mine.length).toBeGreaterThan(0);
    await server.stop();
    // Other tests start servers, too: what matters is that one of those that came is gone.
    expect(sockets().filter((name) => mine.includes(name)).length).toBeLessThan(mine.length);
  });

  test('says what keeps its replicas apart, and what of that a reader would miss', async () => {
    const folder = await folderForTest();
    const file = join(folder, 'model.mjs');
    writeFileSync(file, 'export const model = { invoke: () => 1 };');
    const written = { closed: { model: file, replicas: { memory: '64MiB' } } };
    const { service } = await serviceForTest({ endpoints: { ...endpoints, ...written } });
    expect(service.isolation).toEqual(levelsOf(thisMachine()));
    const gaps = gapsOf(thisMachine());
    expect(service.cautions.slice(0, gaps.length)).toEqual(gaps);
    const cautions = service.cautions.slice(gaps.length).join('\n');
    const { users, cgroups } = thisMachine();
    expect(cautions.includes(`cannot read ${folder}`)).toBe(users);
    expect(cautions.includes('replicas.memory of closed is not kept')).toBe(cgroups.folders.memory === undefined);
  });

  test('cautions that others may look into its data, where replicas are such others, and changes nothing', async () => {
    const data = await folderForTest();
    chmodSync(data, 0o755);
    const { service } = await serviceForTest({ endpoints, data });
    expect(service.cautions.some((caution) => caution.includes(`chmod o= ${data}`))).toBe(thisMachine().users);
    expect(statSync(data).mode & 0o777).toBe(0o755);
  });

  test('that cannot keep the promise of a user of its own does not start', async () => {
    const folder = await folderForTest();
    const file = join(folder, 'model.mjs');
    writeFileSync(file, 'export const model = { invoke: () => 1 };');
    const written = { closed: { model: file, isolation: { user: 'own' } } } as const;
    const refused = startService(testConfig({ endpoints: written, data: join(folder, 'data') }));
    await expect(refused).rejects.toThrow(/endpoints\.closed\.isolation\.user {2}is 'own'/);
  });

  test('can be stopped twice', async () => {
    const { service } = await serviceForTest({ endpoints });
    await Promise.all([service.stop(AbortSignal.abort()), service.stop(AbortSignal.abort())]);
  });

  test('listens on IPv6 where it is told to, and says so', async () => {
    const data = await folderForTest();
    const service = await startService({ ...testConfig({ endpoints, data }), host: '::1' });
    onTestFinished(() => service.stop(AbortSignal.abort()));
    expect(service.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    const answer = await fetch(`${service.url}/health`);
    expect(answer.status).toBe(200);
  });

  test('that may be reached from elsewhere answers for any host, and one on the loopback for its own alone', async () => {
    const data = await folderForTest();
    const open = await startService({ ...testConfig({ endpoints, data }), host: '0.0.0.0', insecure: true });
    onTestFinished(() => open.stop(AbortSignal.abort()));
    const url = open.url.replace('0.0.0.0', '127.0.0.1');
    expect((await send(url, 'GET', '/health', { headers: { host: 'models.example' } })).status).toBe(200);
  });
});

describe('a server that cannot start', () => {
  test('because its port is taken says so, and has released its data folder', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void taken.close());
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const config = testConfig({ endpoints, data: await folderForTest() });
    await expect(startService({ ...config, port })).rejects.toThrow(
      `Port ${port} is taken on 127.0.0.1. Stop what uses it, or choose another with --port.`,
    );
    const second = await startService(config);
    await second.stop(AbortSignal.abort());
  });

  test('because its address is not of this machine says so', async () => {
    const config = testConfig({ endpoints, data: await folderForTest() });
    await expect(startService({ ...config, host: '192.0.2.1', insecure: true })).rejects.toThrow(
      /cannot listen on 192\.0\.2\.1/,
    );
  });

  test('because its data folder is a file says so, with the path', async () => {
    const file = join(await folderForTest(), 'data');
    writeFileSync(file, '');
    await expect(startService(testConfig({ endpoints, data: file }))).rejects.toThrow(file);
  });
});

test('a ledger in Postgres is brought to the newest schema, and named without its password', async () => {
  const postgres = await startPostgres();
  onTestFinished(() => postgres.stop());
  const config = { database: await postgres.newDatabase(), data: await folderForTest() };
  const first = await migrateLedger(config);
  expect(Number.parseInt(first.applied.at(-1)!, 10)).toBe(first.schema);
  expect(first.applied.length).toBeGreaterThan(0);
  const { host, pathname } = new URL(config.database);
  expect(first.ledger).toBe(`postgres://${host}${pathname}`);
  expect(await migrateLedger(config)).toEqual({ ...first, applied: [] });
  expect(readdirSync(config.data)).toEqual([]);
});

test.each([
  ['localhost', true],
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['::1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['192.168.1.5', false],
  ['example.com', false],
  ['127.0.0.1.example.com', false],
])('that only this machine reaches %s is %s', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback);
});

test('what Node has compiled for one replica of an endpoint is there for the next one', async () => {
  const server = await serviceForTest({ endpoints });
  const { outputs } = await server.ended(await server.submit('jobs', { do: 'environment' }));
  const folder = outputs.NODE_COMPILE_CACHE as string;
  await until('it is there', () => readdirSync(folder, { recursive: true }).length > 1);
});

test('a server that listens to other machines and asks for no keys lets nobody deploy without its token, and says so', async () => {
  const config = testConfig({ endpoints, data: await folderForTest(), host: '0.0.0.0', insecure: true });
  const service = await startService(config);
  onTestFinished(() => service.stop());
  const url = `http://127.0.0.1:${new URL(service.url).port}`;
  const headers = { 'content-type': 'application/json' };
  const body = '{"model":"./anything.ts"}';
  for (const [method, path] of [
    ['PUT', '/endpoints/jobs'],
    ['POST', '/endpoints/jobs/rollback'],
  ] as const) {
    const answer = await send(url, method, path, { headers, body: method === 'PUT' ? body : '{}' });
    expect(answer).toMatchObject({
      status: 401,
      json: { detail: expect.stringContaining("changes ask for the operator's token") },
    });
  }
  expect((await send(url, 'GET', '/endpoints/jobs/versions')).json.versions).toMatchObject([{ version: 1 }]);
});
