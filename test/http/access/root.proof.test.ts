// The ways by which a model, a user of the machine and a bound key could become the server's user,
// which is root here.

import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FIRST_UID, runAs } from '../../../src/replicas/isolation/user.ts';
import { thisMachine } from '../../../src/replicas/isolation/machine.ts';
import { folderForTest, newFolder, removeFolder } from '../../support/folder.ts';
import { send } from '../../support/http.ts';
import { serviceWithKeys } from '../../support/keys.ts';
import { FIXTURES, startTestService, type TestService } from '../../support/service.ts';

const { users } = thisMachine();
const WITHOUT_USERS = users ? '' : ' (skipped: it takes root and setpriv to be another user)';

/** A model that makes the requests which it is given, and tells what they were answered with. */
const ASKS = `
import { readFileSync } from 'node:fs';
export const model = { async invoke({ asked, read }) {
  const uid = process.getuid();
  const tried = (read ?? []).map((file) => { try { readFileSync(file); return 'read'; } catch (error) { return error.code; } });
  const statuses = [];
  for (const { url, method, body } of asked) statuses.push((await fetch(url, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).status);
  return { uid, tried, statuses };
} };`;

let folder: string;
let server: TestService;
beforeAll(async () => {
  folder = await newFolder();
  // Everybody on the machine may look into it, as into /opt.
  mkdirSync(join(folder, 'models'), { mode: 0o755 });
  await promisify(execFile)('chmod', ['755', folder]);
  writeFileSync(join(folder, 'models', 'asks.mjs'), ASKS, { mode: 0o644 });
  server = await startTestService({
    endpoints: { asks: { model: join(folder, 'models', 'asks.mjs'), mode: 'sync', cwd: join(folder, 'models') } },
  });
});
afterAll(async () => {
  await server.stop();
  await removeFolder(folder);
});

const AS_ROOT = { model: ['cat', '/etc/shadow'], isolation: { user: 'server' } };
/** Everything that changes what a server runs, or forgets. */
const changesOf = (url: string) => [
  { url: `${url}/endpoints/evil`, method: 'PUT', body: AS_ROOT },
  { url: `${url}/endpoints/asks`, method: 'PUT', body: AS_ROOT },
  { url: `${url}/endpoints/evil`, method: 'PUT', body: { model: ['id'], env: { LD_PRELOAD: '/tmp/evil.so' } } },
  { url: `${url}/endpoints/asks/rollback`, method: 'POST', body: { version: 1 } },
  { url: `${url}/endpoints/asks/warm`, method: 'POST', body: {} },
  { url: `${url}/endpoints/asks`, method: 'DELETE' },
  { url: `${url}/endpoints/asks/queue`, method: 'DELETE' },
  { url: `${url}/endpoints/asks/cache`, method: 'DELETE' },
  { url: `${url}/endpoints/asks/captures/x`, method: 'DELETE' },
];

describe.skipIf(!users)(`on a server of root without keys${WITHOUT_USERS}`, () => {
  test('a confined model can neither deploy nor read the token', async () => {
    const token = join(server.data, 'operator-token');
    expect(
      statSync(
        readdirSync(server.data)
          .map((name) => join(server.data, name))
          .find((file) => file.startsWith(token))!,
      ).mode & 0o777,
    ).toBe(0o600);
    const { json } = await server.post('/endpoints/asks/invoke', {
      input: { asked: changesOf(server.url), read: [token, join(server.data, 'vault.sqlite')] },
    });
    expect(json.outputs).toEqual({
      uid: FIRST_UID,
      tried: ['EACCES', 'EACCES'],
      statuses: changesOf(server.url).map(() => 401),
    });
  });

  test('another user of the machine can neither, with fetch, with our client, and with our command line', async () => {
    const [command, ...rest] = ['setpriv', ...runAs(65_534).slice(1), process.execPath] as const;
    const asUser = (...argv: string[]) =>
      promisify(execFile)(command, [...rest, ...argv], {
        cwd: '/',
        env: { PATH: process.env['PATH'], CLAIMCHECK_URL: server.url },
      });
    const script = `Promise.all(${JSON.stringify(changesOf(server.url))}.map(({ url, method, body }) => fetch(url, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }))).then((all) => console.log(all.map(({ status }) => status).join()))`;
    expect((await asUser('-e', script)).stdout.trim()).toBe(
      changesOf(server.url)
        .map(() => 401)
        .join(),
    );
    const main = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
    const refused = await asUser(main, 'purge', 'asks').catch((error: { code: number; stderr: string }) => error);
    expect(refused).toMatchObject({ code: 77, stderr: expect.stringContaining("the operator's token") as string });
  });

  test("the operator's token deploys any program, but none as the server's user", async () => {
    const put = (name: string, body: object) =>
      server.send('PUT', `/endpoints/${name}`, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect(await put('evil', AS_ROOT)).toMatchObject({
      status: 403,
      json: {
        errors: [{ pointer: '/isolation/user' }],
        detail: expect.stringContaining('deploy: { users: [own, server] }') as string,
      },
    });
    expect((await put('asks', AS_ROOT)).status).toBe(403);
    const preloaded = { model: ['sh'], env: { LD_PRELOAD: '/tmp/any.so' } };
    expect(await put('evil', preloaded)).toMatchObject({
      status: 403,
      json: {
        errors: [{ pointer: '/env/LD_PRELOAD' }],
        detail: expect.stringContaining('or deploy it without env.LD_PRELOAD.') as string,
      },
    });
    const file = join(folder, 'models', 'asks.mjs');
    const cwd = join(folder, 'models');
    expect((await put('other', { model: file, cwd, env: { ANY: '1' }, mode: 'sync' })).status).toBe(201);
    const { json } = await server.post('/endpoints/other/invoke', { input: { asked: [], read: ['/etc/shadow'] } });
    expect(json.outputs).toMatchObject({ uid: FIRST_UID + 1, tried: ['EACCES'] });
  });

  test('the user of the server needs nothing but the command', async () => {
    const main = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'purge', 'asks'], {
      env: { ...process.env, CLAIMCHECK_URL: server.url },
    });
    expect(stdout).toBe('Cancelled 0 queued runs of asks.\n');
  });
});

describe.skipIf(!users)(`a key${WITHOUT_USERS}`, () => {
  test.each([
    ['bound to one endpoint', ['asks']],
    ['that manages all endpoints', null],
  ])('%s deploys nothing beyond what the configuration has', async (_what, bound) => {
    const guarded = await serviceWithKeys(
      { endpoints: { asks: { model: './anything.ts', mode: 'sync' } } },
      { key: { scopes: ['manage', 'read', 'invoke'], endpoints: bound } },
    );
    const { headers } = guarded.keys.key;
    const closed = await folderForTest();
    const put = (body: object) =>
      send(guarded.url, 'PUT', '/endpoints/asks', {
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const own = { model: join(FIXTURES, 'anything.ts') };
    writeFileSync(join(closed, 'mine.ts'), readFileSync(own.model));
    for (const body of [
      AS_ROOT,
      { ...own, isolation: { user: 'server' } },
      { ...own, env: { NODE_OPTIONS: '--import=/tmp/evil.mjs' } },
      { ...own, env: { PATH: '/tmp' } },
      // A folder that its own user cannot enter makes it the server's user where nobody says
      // otherwise.
      { ...own, cwd: closed },
      { model: join(closed, 'mine.ts') },
      { model: { url: 'http://127.0.0.1:9' } },
      { ...own, evaluation: '/etc/shadow.csv' },
    ]) {
      const { status, json } = await put(body);
      expect([body, status, json.type]).toEqual([body, 403, 'https://claimcheck.dev/problems/forbidden']);
    }
  });
});
