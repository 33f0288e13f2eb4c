import { expect, onTestFinished, test } from 'vitest';
import { Authenticator } from '../../../src/http/access/authenticator.ts';
import { newKey } from '../../../src/http/access/key-format.ts';
import { OperatorToken } from '../../../src/http/access/operator-token.ts';
import { ANYBODY, type Principal } from '../../../src/domain/access.ts';
import { after, seconds } from '../../../src/domain/time.ts';
import { openSqliteVault } from '../../../src/stores/vault/sqlite.ts';
import type { KeyRecord } from '../../../src/stores/vault/vault.ts';
import { ManualClock } from '../../stores/ledger/manual-clock.ts';
import { folderForTest } from '../../support/folder.ts';

const operator = new OperatorToken('/nowhere/operator-token');

async function setUp(openWithoutKeys = true) {
  const clock = new ManualClock();
  const vault = await openSqliteVault(`${await folderForTest()}/vault.sqlite`);
  onTestFinished(() => vault.close());
  const authenticator = new Authenticator({ vault, clock, openWithoutKeys, operator });
  const add = async (changes: Partial<KeyRecord> = {}): Promise<{ key: string; keyId: string }> => {
    const { key, keyId, digest } = newKey();
    const standing = { keyId, digest, name: 'ci', tenant: 'default', scopes: ['read'], endpoints: null } as const;
    await vault.addKey({ ...standing, createdAt: clock.now(), expiresAt: null, revokedAt: null, ...changes });
    return { key, keyId };
  };
  const presentNow = (authorization: string[], address = '10.0.0.1'): Principal | Promise<Principal> =>
    authenticator.authenticate({ authorization, address });
  const present = async (authorization: string[], address?: string) => presentNow(authorization, address);
  const tryKey = async (key: string, address?: string) => present([`Bearer ${key}`], address);
  return { clock, vault, add, presentNow, present, tryKey };
}

const problemOf = (asked: Promise<Principal>) =>
  asked.then(
    () => null,
    (error: unknown) => error as { slug: string; message: string; extras: { headers: Record<string, string> } },
  );

test('while no key was ever made, everybody is let in where that is allowed, and nobody elsewhere', async () => {
  const [open, closed] = [await setUp(true), await setUp(false)];
  expect(await open.present([])).toBe(ANYBODY);
  await expect(closed.present([])).rejects.toMatchObject({ slug: 'unauthorized' });
});

test('the first key closes the door within two seconds, while the server runs', async () => {
  const { clock, add, present, tryKey } = await setUp();
  expect(await present([])).toBe(ANYBODY);
  const { key } = await add();
  clock.advance(seconds(2));
  await expect(present([])).rejects.toMatchObject({ slug: 'unauthorized' });
  expect(await tryKey(key)).toMatchObject({ tenant: 'default' });
});

test('a key is the principal that it was made for', async () => {
  const { add, tryKey } = await setUp();
  const { key, keyId } = await add({ tenant: 'acme', scopes: ['invoke', 'manage'], endpoints: ['a'] });
  expect(await tryKey(key)).toEqual({ keyId, tenant: 'acme', scopes: ['invoke', 'manage'], endpoints: ['a'] });
});

test('a key that was read lately is told without a promise, and while newer ones are read', async () => {
  const { clock, add, presentNow } = await setUp();
  const { key } = await add();
  await presentNow([`Bearer ${key}`]);
  expect(presentNow([`Bearer ${key}`])).not.toBeInstanceOf(Promise);
  clock.advance(seconds(1.5));
  // This one has them read anew, and does not wait for that.
  expect(presentNow([`Bearer ${key}`])).not.toBeInstanceOf(Promise);
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(seconds(1));
  expect(presentNow([`Bearer ${key}`])).not.toBeInstanceOf(Promise);
});

test('a key that was revoked is refused within two seconds', async () => {
  const { clock, vault, add, tryKey } = await setUp();
  const { key, keyId } = await add();
  expect(await tryKey(key)).toMatchObject({ keyId });
  await vault.revokeKey(keyId, clock.now());
  clock.advance(seconds(2));
  await expect(tryKey(key)).rejects.toMatchObject({ slug: 'unauthorized' });
});

test('a key that has expired is refused at once, also where it is remembered', async () => {
  const { clock, add, tryKey } = await setUp();
  const { key } = await add({ expiresAt: after(clock.now(), seconds(1)) });
  clock.advance(seconds(0.999));
  expect(await tryKey(key)).toMatchObject({ tenant: 'default' });
  clock.advance(seconds(0.001));
  await expect(tryKey(key)).rejects.toMatchObject({ slug: 'unauthorized' });
});

test('with its last key revoked, or expired, a server stays closed', async () => {
  const { clock, vault, add, present } = await setUp();
  const { keyId } = await add();
  await add({ expiresAt: clock.now() });
  await vault.revokeKey(keyId, clock.now());
  await expect(present([])).rejects.toMatchObject({ slug: 'unauthorized' });
});

test('the answer is the same for everything that is wrong with a key', async () => {
  const { clock, vault, add, present, tryKey } = await setUp();
  const { key } = await add();
  const revoked = await add();
  await vault.revokeKey(revoked.keyId, clock.now());
  const expired = await add({ expiresAt: clock.now() });
  const other = newKey().key;
  const wrong = [
    revoked.key,
    expired.key,
    other,
    `${key.slice(0, 17)}${other.slice(17)}`,
    key.slice(0, -1),
    key.toUpperCase(),
    `${key}x`,
    '',
    'ｃｃｋ_look-alike',
    'x'.repeat(1_000_000),
  ];
  const problems = await Promise.all(wrong.map((one) => problemOf(tryKey(one))));
  expect(
    new Set(problems.map((problem) => JSON.stringify([problem!.slug, problem!.message, problem!.extras]))).size,
  ).toBe(1);
  expect(problems[0]!.extras.headers['www-authenticate']).toBe('Bearer realm="claimcheck", error="invalid_token"');
  const without = await problemOf(present([]));
  expect(without!.message).toMatch(/carries none/);
  expect(problems[0]!.message).toMatch(/mistyped or cut off, is of another server, was revoked, or has expired/);
  expect(without!.extras.headers['www-authenticate']).toBe('Bearer realm="claimcheck"');
  for (const problem of problems) expect(JSON.stringify(problem)).not.toContain('cck_');
});

test.each(['Basic Zm9vOmJhcg==', 'Bearer', 'Bearer ', 'Digest x', '', 'bearer'])('%j is no key', async (header) => {
  const { add, present } = await setUp(false);
  await add();
  await expect(present([header])).rejects.toMatchObject({ slug: 'unauthorized' });
});

test('two keys are none, though each of them is valid', async () => {
  const { add, present } = await setUp();
  const keys = [await add(), await add()];
  await expect(present(keys.map(({ key }) => `Bearer ${key}`))).rejects.toMatchObject({ slug: 'unauthorized' });
});

test('the scheme is not case sensitive, and spaces before the key do not count', async () => {
  const { add, present } = await setUp();
  const { key } = await add();
  expect(await present([`bEARER   ${key}`])).toMatchObject({ tenant: 'default' });
});

test('a storm of keys that are not valid is slowed down, and stands in the way of nobody who has one', async () => {
  const { add, present, tryKey } = await setUp();
  const { key, keyId } = await add();
  const guesses = await Promise.all(Array.from({ length: 50 }, () => problemOf(tryKey(newKey().key))));
  expect(guesses.slice(0, 20).every((problem) => problem!.slug === 'unauthorized')).toBe(true);
  expect(guesses.slice(20).every((problem) => problem!.slug === 'too-many-attempts')).toBe(true);
  expect(guesses[20]!.extras.headers).toEqual({ 'retry-after': '1' });
  expect(await tryKey(key)).toMatchObject({ keyId });
  expect(await tryKey(key, '10.0.0.2')).toMatchObject({ keyId });
  await expect(tryKey(newKey().key, '10.0.0.2')).rejects.toMatchObject({ slug: 'unauthorized' });
  // A caller that presents none has not guessed.
  expect(await problemOf(present([]))).toMatchObject({ slug: 'unauthorized' });
});

test('while the vault cannot be read nobody is let in, and as before once it can', async () => {
  const { clock, vault } = await setUp();
  let isBroken = false;
  const authenticator = new Authenticator({
    vault: { keys: () => (isBroken ? Promise.reject(new Error('The disk is gone.')) : vault.keys()) },
    clock,
    openWithoutKeys: true,
    operator,
  });
  const asked = async (): Promise<Principal> => authenticator.authenticate({ authorization: [], address: '10.0.0.1' });
  expect(await asked()).toBe(ANYBODY);
  isBroken = true;
  clock.advance(seconds(1));
  expect(await asked()).toBe(ANYBODY);
  clock.advance(seconds(1));
  await expect(asked()).rejects.toThrow('The disk is gone.');
  isBroken = false;
  expect(await asked()).toBe(ANYBODY);
});
