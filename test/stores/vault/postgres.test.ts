import { describe, expect, test } from 'vitest';
import { openPostgresLedger } from '../../../src/stores/ledger/postgres/driver.ts';
import { openPostgresVault } from '../../../src/stores/vault/postgres.ts';
import { onPostgres } from '../../support/database.ts';
import { ask, networkTo } from '../../support/postgres.ts';
import { databaseForEachTest } from '../../support/postgres-test.ts';
import { describeVault, keyRecord } from './conformance.ts';

// A Postgres takes a while to start; `npm run test:postgres` is for those.
describe.runIf(onPostgres)('on Postgres', () => {
  const url = databaseForEachTest();

  describeVault('Postgres', () => openPostgresVault(url()));

  test('a vault is made by many at once, before the ledger is there, and never migrates it', async () => {
    const vaults = await Promise.all(Array.from({ length: 6 }, () => openPostgresVault(url())));
    await vaults[0]!.addKey(keyRecord());
    expect(await vaults[5]!.keys()).toHaveLength(1);
    expect(await ask(url(), `SELECT to_regnamespace('claimcheck') AS ledger`)).toEqual([{ ledger: null }]);
    await Promise.all(vaults.map((vault) => vault.close()));
    await (await openPostgresLedger(url())).close();
  });

  test('a role that may use the tables, and make none, opens a vault that is there', async () => {
    await (await openPostgresVault(url())).close();
    const role = new URL(url()).pathname.slice(1);
    await ask(
      url(),
      `CREATE ROLE ${role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA claimcheck_vault TO ${role};
       GRANT SELECT ON ALL TABLES IN SCHEMA claimcheck_vault TO ${role}`,
    );
    const theirs = new URL(url());
    theirs.username = role;
    theirs.password = 'x';
    const vault = await openPostgresVault(theirs.href);
    expect(await vault.keys()).toEqual([]);
    await vault.close();
    await ask(url(), `DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  test('a key is revoked, and a secret made, though the answer is lost on its way', async () => {
    const network = await networkTo(url());
    const vault = await openPostgresVault(network.url);
    const key = keyRecord();
    await vault.addKey(key);
    network.loseNextAnswer();
    expect(await vault.revokeKey(key.keyId, key.createdAt)).not.toBe('unknown');
    expect((await vault.key(key.keyId))!.revokedAt).toBe(key.createdAt);
    network.loseNextAnswer();
    expect(await vault.signingSecrets('scores', key.createdAt)).toHaveLength(1);
    await vault.close();
    await network.close();
  });

  test('a database that cannot be had is told of without its password', async () => {
    const wrong = new URL(url());
    wrong.password = 'canary';
    await expect(openPostgresVault(wrong.href)).rejects.toThrow(/does not let the user "postgres" in/);
    await expect(openPostgresVault(wrong.href)).rejects.not.toThrow(/canary/);
  });
});
