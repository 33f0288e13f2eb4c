import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { DeployFile, EndpointFile } from '../../src/config/config-file.ts';
import { deployMistakes, permit, permitOperator, readDeploySettings } from '../../src/config/deploy-rules.ts';
import { resolveEndpoint } from '../../src/config/endpoint.ts';
import type { EndpointSpec } from '../../src/domain/endpoint.ts';
import { folderForTest } from '../support/folder.ts';

let folder: string;
beforeEach(async () => {
  folder = await folderForTest();
  await mkdir(join(folder, 'models'));
  await mkdir(join(folder, 'elsewhere'));
  for (const name of [
    'served.ts',
    'models/new.ts',
    'models/new.py',
    'models/python',
    'elsewhere/evil.ts',
    'elsewhere/x.csv',
  ])
    await writeFile(join(folder, name), '');
  await symlink(join(folder, 'elsewhere', 'evil.ts'), join(folder, 'models', 'link.ts'));
  await symlink(join(folder, 'elsewhere'), join(folder, 'models', 'out'));
});

function specOf(written: EndpointFile): EndpointSpec {
  const { spec, mistakes } = resolveEndpoint('served', written, folder);
  if (spec === null) throw new Error(JSON.stringify(mistakes));
  return spec;
}

/** What is refused of an endpoint, where the configuration has another of that name. */
function refusedOf(written: EndpointFile, deploy: DeployFile = {}, configured: EndpointFile | null = null): string[] {
  const there = configured === null ? null : specOf(configured);
  const permitted = permit(specOf(written), there, readDeploySettings(deploy, folder), true);
  return 'refused' in permitted ? permitted.refused.map(({ pointer }) => pointer) : [];
}

const SERVED: EndpointFile = { model: './served.ts', env: { A: '1' } };

describe('with no more than its endpoints, a configuration lets a key deploy', () => {
  test.each<[string, EndpointFile, EndpointFile]>([
    ['what stands there', SERVED, SERVED],
    ['with other numbers', { ...SERVED, batchSize: 7, replicas: { max: 3 }, timeout: '9s' }, SERVED],
    [
      "as the server's user where it says so",
      { ...SERVED, isolation: { user: 'server' } },
      { ...SERVED, isolation: { user: 'server' } },
    ],
  ])('%s', (_what, written, configured) => {
    expect(refusedOf(written, {}, configured)).toEqual([]);
  });

  test.each<[string, EndpointFile, string]>([
    ['another file', { ...SERVED, model: './models/new.ts' }, 'model'],
    ['a command', { ...SERVED, model: ['sh', '-c', 'id'] }, 'model'],
    ['a server', { ...SERVED, model: { url: 'http://169.254.169.254' } }, 'model.url'],
    ['a variable', { ...SERVED, env: { A: '1', LD_PRELOAD: '/tmp/x.so' } }, 'env.LD_PRELOAD'],
    ['another value of one', { ...SERVED, env: { A: '2' } }, 'env.A'],
    ['one left out', { ...SERVED, env: {} }, 'env.A'],
    ['a folder to be in', { ...SERVED, cwd: '/tmp' }, 'cwd'],
    ['a file to read', { ...SERVED, evaluation: './elsewhere/x.csv' }, 'evaluation'],
    ["the server's user", { ...SERVED, isolation: { user: 'server' } }, 'isolation.user'],
  ])('not with %s', (_what, written, pointer) => {
    expect(refusedOf(written, {}, SERVED)).toEqual([pointer]);
    expect(refusedOf(written)).not.toEqual([]);
  });

  test("no other program under the name of one that runs as the server's user", () => {
    const configured: EndpointFile = { ...SERVED, isolation: { user: 'server' } };
    expect(refusedOf({ ...configured, model: './models/new.ts' }, { allow: ['./models'] }, configured)).toEqual([
      'isolation.user',
    ]);
  });
});

describe('what is allowed under deploy', () => {
  const MODELS: DeployFile = {
    allow: ['./models', ['python3', 'serve.py'], { url: 'http://10.0.0.7:8080/' }],
    env: ['B'],
  };

  test.each<[string, EndpointFile]>([
    ['a file in a folder', { model: './models/new.ts' }],
    ['a Python file with the usual interpreter', { model: './models/new.py' }],
    ['one with an interpreter in it', { model: './models/new.py', python: './models/python' }],
    ['a command, word for word', { model: ['python3', 'serve.py'] }],
    ['a server', { model: { url: 'http://10.0.0.7:8080' } }],
    ['a variable by its name', { model: './models/new.ts', env: { B: '1' } }],
    ['a folder to be in', { model: './models/new.ts', cwd: './models' }],
  ])('holds for %s', (_what, written) => {
    expect(refusedOf(written, MODELS)).toEqual([]);
  });

  test.each<[string, EndpointFile, string]>([
    ['a link that leads out', { model: './models/link.ts' }, 'model'],
    ['a folder that leads out', { model: './models/out/evil.ts' }, 'model'],
    ['a folder whose name begins alike', { model: './models/../elsewhere/evil.ts' }, 'model'],
    ['a word more in a command', { model: ['python3', 'serve.py', '--root'] }, 'model'],
    ['the same command by another path', { model: ['/tmp/python3', 'serve.py'] }, 'model'],
    ['another port', { model: { url: 'http://10.0.0.7:8081' } }, 'model.url'],
    ['another interpreter', { model: './models/new.py', python: '/bin/sh' }, 'python'],
    ['another variable', { model: './models/new.ts', env: { PATH: '/tmp' } }, 'env.PATH'],
    ["the server's user", { model: './models/new.ts', isolation: { user: 'server' } }, 'isolation.user'],
  ])('does not hold for %s', (_what, written, pointer) => {
    expect(refusedOf(written, MODELS)).toEqual([pointer]);
  });

  test("users of it hold for the server's user", () => {
    const deploy: DeployFile = { ...MODELS, users: ['own', 'server'] };
    expect(refusedOf({ model: './models/new.ts', isolation: { user: 'server' } }, deploy)).toEqual([]);
  });

  test('an endpoint that says nothing of its user gets one of its own for good, also when its files change', () => {
    const settings = readDeploySettings(MODELS, folder);
    expect(permit(specOf({ model: './models/new.ts' }), null, settings, true)).toMatchObject({ spec: { user: 'own' } });
    expect(permit(specOf({ model: './models/new.ts' }), null, settings, false)).toMatchObject({ spec: { user: null } });
  });

  test.each(['LD_PRELOAD', 'PATH', 'BASH_ENV', 'LD_LIBRARY_PATH', 'CLAIMCHECK_SOCKET'])(
    '%s is left to no key, since it steers what starts a replica',
    (name) => expect(deployMistakes({ env: [name] })).toMatchObject([{ pointer: 'deploy.env.0' }]),
  );
});

describe("with the operator's token", () => {
  const AS_SERVER: EndpointFile = { ...SERVED, isolation: { user: 'server' } };
  const COMMAND: EndpointFile = { model: ['sh', '-c', 'id'], env: { THREADS: '2' }, cwd: '/tmp' };

  test.each<[string, EndpointFile, EndpointFile | null, DeployFile]>([
    ['any program', COMMAND, SERVED, {}],
    ['any program as a user of its own', { ...COMMAND, isolation: { user: 'own' } }, null, {}],
    ["the server's user where the endpoint of that name has it", AS_SERVER, AS_SERVER, {}],
    ["the server's user where deploy.users has it", AS_SERVER, null, { users: ['own', 'server'] }],
  ])('%s is let through as it is', (_what, written, configured, deploy) => {
    const spec = specOf(written);
    const there = configured === null ? null : specOf(configured);
    expect(permitOperator(spec, there, readDeploySettings(deploy, folder), true)).toEqual({ spec });
  });

  const LOADED: EndpointFile = { ...COMMAND, env: { LD_PRELOAD: '/tmp/any.so', PATH: '/tmp' } };
  const permitLoaded = (configured: EndpointFile | null, hasOwnUsers: boolean) =>
    permitOperator(
      specOf(LOADED),
      configured === null ? null : specOf(configured),
      readDeploySettings({}, folder),
      hasOwnUsers,
    );

  test('nobody loads or finds what starts a replica while it is the server’s user, where replicas have their own', () => {
    expect(permitLoaded(null, true)).toMatchObject({
      refused: [{ pointer: 'env.LD_PRELOAD' }, { pointer: 'env.PATH' }],
    });
    expect(permitLoaded({ ...COMMAND, env: { PATH: '/tmp' } }, true)).toMatchObject({
      refused: [{ pointer: 'env.LD_PRELOAD' }],
    });
    expect(permitLoaded(LOADED, true)).toEqual({ spec: specOf(LOADED) });
    expect(permitLoaded(null, false)).toEqual({ spec: specOf(LOADED) });
  });

  test.each<[string, EndpointFile | null]>([
    ['for a name that the configuration does not have', null],
    ['for one that says nothing of its user there', SERVED],
    ['for one that has its own there', { ...SERVED, isolation: { user: 'own' } }],
  ])("nobody gets the server's user %s", (_what, configured) => {
    const there = configured === null ? null : specOf(configured);
    expect(permitOperator(specOf(AS_SERVER), there, readDeploySettings({}, folder), true)).toMatchObject({
      refused: [{ pointer: 'isolation.user', detail: expect.stringContaining('deploy.users') as string }],
    });
  });
});
