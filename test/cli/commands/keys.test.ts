import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readKey } from '../../../src/http/access/key-format.ts';
import { databaseEnvironment, onPostgres } from '../../support/database.ts';
import { folderForTest } from '../../support/folder.ts';
import { serviceForTest } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { commandHere } from '../command-here.ts';

const endpoints = { jobs: { model: './anything.ts', mode: 'async' } } as const;

async function claimcheck(data: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const store = { CLAIMCHECK_DATA: data, ...(await databaseEnvironment(data)) };
  return commandHere('http://127.0.0.1:9', args, '', { ...store, ...environment });
}

describe('claimcheck keys create', () => {
  test('prints the key alone, and once; what it is good for goes to standard error, without it', async () => {
    const data = await folderForTest();
    const { code, stdout, stderr } = await claimcheck(data, ['keys', 'create', '--name', 'ci']);
    expect(code).toBe(0);
    const { keyId, secret } = readKey(stdout.trimEnd())!;
    expect(stderr).toContain(
      `Key ${keyId} (ci): invoke and read at all endpoints, for tenant default, until it is revoked.`,
    );
    expect(stderr).toContain('CLAIMCHECK_API_KEY');
    expect(stderr).not.toContain(secret);
    const list = await claimcheck(data, ['keys', 'list', '--json']);
    expect(list.stdout).not.toContain(secret);
    expect(JSON.parse(list.stdout)).toMatchObject([{ key_id: keyId, name: 'ci', state: 'usable', expires_at: null }]);
  });

  test('takes scopes, endpoints, a tenant and an end', async () => {
    const args =
      '--name ops --scope manage --scope read --scope read --endpoint a --endpoint b --tenant acme --expires 90d';
    const { stdout, stderr } = await claimcheck(await folderForTest(), [
      'keys',
      'create',
      '--json',
      ...args.split(' '),
    ]);
    // A key may be made before its endpoint is deployed, and its name may be a slip.
    expect(stderr).toContain('No endpoint is called a or b so far: there is none yet.');
    const made = JSON.parse(stdout) as Record<string, string>;
    expect(made).toMatchObject({ scopes: ['read', 'manage'], endpoints: ['a', 'b'], tenant: 'acme', state: 'usable' });
    expect(Date.parse(made['expires_at']!) - Date.parse(made['created_at']!)).toBe(90 * 86_400_000);
    expect(readKey(made['key']!)!.keyId).toBe(made['key_id']);
  });

  test.each([
    [['--name', ''], 'line of 1 to 100'],
    [['--name', 'two\nlines'], 'line of 1 to 100'],
    [[], '--name'],
    [['--name', 'x', '--scope', 'everything'], 'invoke, read, manage'],
    [['--name', 'x', '--endpoint', 'Not A Name'], 'name of an endpoint'],
    [['--name', 'x', '--tenant', '../x'], '1 to 64'],
    [['--name', 'x', '--expires', '0s'], '90d'],
    [['--name', 'x', '--expires', 'tomorrow'], '90d'],
  ])('refuses %j as wrong usage, and makes none', async (args, sentence) => {
    const data = await folderForTest();
    const { code, stdout, stderr } = await claimcheck(data, ['keys', 'create', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(sentence);
    expect((await claimcheck(data, ['keys', 'list', '--json'])).stdout).toBe('[]\n');
  });
});

test('claimcheck keys list shows every key that was made, and how each stands', async () => {
  const data = await folderForTest();
  expect((await claimcheck(data, ['keys', 'list'])).stdout).toContain('No key was made yet.');
  const made = await claimcheck(data, ['keys', 'create', '--name', 'first']);
  const { keyId } = readKey(made.stdout.trimEnd())!;
  await claimcheck(data, ['keys', 'create', '--name', 'second', '--expires', '1ms']);
  await claimcheck(data, ['keys', 'revoke', keyId]);
  const lines = (await claimcheck(data, ['keys', 'list'])).stdout.trimEnd().split('\n');
  expect(lines.map((line) => line.split(/ {2,}/).at(1))).toEqual(['STATE', 'revoked', 'expired']);
});

describe('claimcheck keys revoke', () => {
  test('revokes a key, says so when it was revoked before, and fails where there is none', async () => {
    const data = await folderForTest();
    const made = await claimcheck(data, ['keys', 'create', '--name', 'ci']);
    const { keyId } = readKey(made.stdout.trimEnd())!;
    expect(await claimcheck(data, ['keys', 'revoke', keyId])).toMatchObject({
      code: 0,
      stdout: `Revoked key ${keyId}. Within 5 seconds no server takes it any more.\n`,
    });
    expect(await claimcheck(data, ['keys', 'revoke', keyId])).toMatchObject({
      code: 0,
      stdout: `Key ${keyId} was revoked before.\n`,
    });
    expect(await claimcheck(data, ['keys', 'revoke', '000000000000'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no key 000000000000 here.'),
    });
  });

  test('takes an id and no whole key, which it does not repeat', async () => {
    const data = await folderForTest();
    const key = (await claimcheck(data, ['keys', 'create', '--name', 'ci'])).stdout.trimEnd();
    const { code, stdout, stderr } = await claimcheck(data, ['keys', 'revoke', key]);
    expect(code).toBe(2);
    expect(stderr).toContain('That is a key, and not its id.');
    expect(stdout + stderr).not.toContain(readKey(key)!.secret);
  });
});

test('a key that is made and revoked beside a server counts there, and the command line takes it from its environment', async () => {
  const server = await serviceForTest({ endpoints });
  const run = (args: readonly string[], key?: string) =>
    commandHere(server.url, args, '', key === undefined ? {} : { CLAIMCHECK_API_KEY: key });
  expect((await run(['runs', 'list'])).code).toBe(0);
  const made = await claimcheck(server.data, ['keys', 'create', '--name', 'me']);
  const key = made.stdout.trimEnd();
  await until('a key is asked for', async () => (await server.get('/runs')).status === 401);
  const without = await run(['runs', 'list']);
  expect([without.code, without.stdout]).toEqual([77, '']);
  expect(without.stderr).toContain('unauthorized: This server asks for an API key');
  expect(without.stderr).toContain('CLAIMCHECK_API_KEY');
  expect((await run(['runs', 'list'], key)).code).toBe(0);
  const scopeless = await run(['purge', 'jobs'], key);
  expect([scopeless.code, scopeless.stderr]).toEqual([77, expect.stringContaining('this needs manage')]);
  await claimcheck(server.data, ['keys', 'revoke', readKey(key)!.keyId]);
  await until('it is refused', async () => (await run(['runs', 'list'], key)).code === 77);
});

test('a key that no header can carry is told of without showing it', async () => {
  const server = await serviceForTest({ endpoints });
  for (const key of ['canary\nx', 'canary \u2713', 'two canaries']) {
    const { code, stderr } = await commandHere(server.url, ['runs', 'list'], '', { CLAIMCHECK_API_KEY: key });
    expect(code).toBe(2);
    expect(stderr).toContain('The API key');
    expect(stderr).not.toContain('canar');
  }
});

test.skipIf(onPostgres)('a vault is a file of its own, which is its maker’s alone', async () => {
  const data = await folderForTest();
  await claimcheck(data, ['keys', 'create', '--name', 'ci']);
  expect(readdirSync(data)).toEqual(['vault.sqlite']);
  expect(statSync(join(data, 'vault.sqlite')).mode & 0o777).toBe(0o600);
});
