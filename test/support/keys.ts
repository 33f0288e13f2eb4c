// API keys for tests: made in the vault of a data folder, as the command line makes them.

import { onTestFinished } from 'vitest';
import { newKey } from '../../src/http/access/key-format.ts';
import { systemClock } from '../../src/system/clock.ts';
import { openVault } from '../../src/stores/open.ts';
import type { KeyRecord } from '../../src/stores/vault/vault.ts';
import { databaseOf, dropDatabase } from './database.ts';
import { newFolder, removeFolder, type WhenDone } from './folder.ts';
import { startTestService, type TestService, type TestServiceOptions } from './service.ts';

/** A key, and how a request presents it. */
export interface TestKey {
  readonly key: string;
  readonly keyId: string;
  readonly headers: { readonly authorization: string };
}

/** What a test may choose of a key; good for everything, everywhere and for ever, unless told. */
export type KeyChoice = Partial<Omit<KeyRecord, 'keyId' | 'digest'>>;

/** Makes a key in a data folder. */
export async function makeKey(data: string, choice: KeyChoice = {}): Promise<TestKey> {
  const { key, keyId, digest } = newKey();
  const vault = await openVault({ data, database: await databaseOf(data) });
  await vault.addKey({
    keyId,
    digest,
    name: 'test',
    tenant: 'default',
    scopes: ['invoke', 'read', 'manage'],
    endpoints: null,
    createdAt: systemClock.now(),
    expiresAt: null,
    revokedAt: null,
    ...choice,
  });
  await vault.close();
  return { key, keyId, headers: { authorization: `Bearer ${key}` } };
}

/** Revokes a key in a data folder. */
export async function revokeKey(data: string, { keyId }: TestKey): Promise<void> {
  const vault = await openVault({ data, database: await databaseOf(data) });
  await vault.revokeKey(keyId, systemClock.now());
  await vault.close();
}

/** Starts a server that has keys from its start, by the names that the test gives them. */
export async function serviceWithKeys<Name extends string>(
  options: TestServiceOptions,
  choices: Readonly<Record<Name, KeyChoice>>,
  whenDone: WhenDone = onTestFinished,
): Promise<TestService & { readonly keys: Readonly<Record<Name, TestKey>> }> {
  const data = await newFolder();
  const names = Object.keys(choices) as Name[];
  const made: [Name, TestKey][] = [];
  for (const name of names) made.push([name, await makeKey(data, choices[name])]);
  const server = await startTestService({ ...options, data });
  whenDone(async () => {
    await server.stop();
    await dropDatabase(data);
    await removeFolder(data);
  });
  return { ...server, keys: Object.fromEntries(made) as Record<Name, TestKey> };
}
