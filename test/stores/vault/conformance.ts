// What every vault must do, in a file or a database.

import { beforeEach, describe, expect, test } from 'vitest';
import { newKey } from '../../../src/http/access/key-format.ts';
import { after, days, hours, instant, milliseconds } from '../../../src/domain/time.ts';
import type { KeyRecord, Vault } from '../../../src/stores/vault/vault.ts';

const NOW = instant(Date.UTC(2026, 0, 1));
const LATER = after(NOW, hours(1));

/** A record of a new key, with changes that the test cares about. */
export function keyRecord(changes: Partial<KeyRecord> = {}): KeyRecord {
  const { keyId, digest } = newKey();
  return {
    keyId,
    digest,
    name: 'ci',
    tenant: 'default',
    scopes: ['invoke', 'read'],
    endpoints: null,
    createdAt: NOW,
    expiresAt: null,
    revokedAt: null,
    ...changes,
  };
}

/**
 * `open` answers a vault on the store of the test that is running, as another process would have
 * it.
 */
export function describeVault(name: string, open: () => Promise<Vault>): void {
  describe(`a vault in ${name}`, () => {
    let vault: Vault;
    let other: Vault;
    beforeEach(async () => {
      vault = await open();
      other = await open();
      return () => Promise.all([vault.close(), other.close()]);
    });

    test('gives a key back as it was added, with any rights', async () => {
      const keys = [
        keyRecord(),
        keyRecord({ createdAt: LATER, scopes: ['manage'], endpoints: ['a', 'b'], expiresAt: after(NOW, days(90)) }),
        keyRecord({ createdAt: after(LATER, hours(1)), name: 'Zoë’s "laptop"', tenant: 'acme', endpoints: [] }),
      ];
      for (const key of keys.toReversed()) await vault.addKey(key);
      expect(await other.keys()).toEqual(keys);
      for (const key of keys) expect(await other.key(key.keyId)).toEqual(key);
    });

    test('knows no key that nobody has added', async () => {
      expect(await vault.key('unknown')).toBeNull();
      expect(await vault.keys()).toEqual([]);
    });

    test('takes an id once, and keeps the first', async () => {
      const key = keyRecord();
      await vault.addKey(key);
      await expect(other.addKey({ ...key, name: 'another' })).rejects.toThrow(/unique/i);
      expect(await vault.keys()).toEqual([key]);
    });

    test('revokes a key once, for everybody who has it open, and keeps when', async () => {
      const [key, standing] = [keyRecord(), keyRecord({ createdAt: LATER })];
      await vault.addKey(key);
      await vault.addKey(standing);
      expect(await vault.revokeKey(key.keyId, LATER)).toBe('revoked');
      expect(await other.revokeKey(key.keyId, after(LATER, hours(1)))).toBe('already-revoked');
      expect(await other.revokeKey('unknown', LATER)).toBe('unknown');
      expect(await other.keys()).toEqual([{ ...key, revokedAt: LATER }, standing]);
    });

    test('makes a signing secret when an endpoint is first asked for, and keeps it', async () => {
      const [secret, ...others] = await vault.signingSecrets('scores', NOW);
      expect(others).toEqual([]);
      expect(secret).toMatchObject({ endpoint: 'scores', createdAt: NOW, expiresAt: null });
      expect(secret!.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
      expect(await other.signingSecrets('scores', LATER)).toEqual([secret]);
      const [another] = await vault.signingSecrets('other', NOW);
      expect(another!.secret).not.toBe(secret!.secret);
    });

    test('knows the endpoints that have a secret, once each', async () => {
      expect(await vault.signingEndpoints()).toEqual([]);
      await vault.signingSecrets('scores', NOW);
      await vault.rotateSigningSecret('scores', NOW, LATER);
      await vault.signingSecrets('other', NOW);
      expect(await other.signingEndpoints()).toEqual(['other', 'scores']);
    });

    test('makes one signing secret, however many ask for the first at once', async () => {
      const asked = await Promise.all(
        [...Array(20).keys()].map((at) => [vault, other][at % 2]!.signingSecrets('scores', NOW)),
      );
      expect(new Set(asked.map((secrets) => JSON.stringify(secrets))).size).toBe(1);
    });

    test('signs with the old secret and the new one until receivers had time to change over', async () => {
      const [first] = await vault.signingSecrets('scores', NOW);
      const second = await other.rotateSigningSecret('scores', NOW, LATER);
      const before = after(LATER, milliseconds(-1));
      expect(await vault.signingSecrets('scores', before)).toEqual([second, { ...first, expiresAt: LATER }]);
      expect(await vault.signingSecrets('scores', LATER)).toEqual([second]);
    });

    test('leaves an old secret the end it has when it is rotated once more', async () => {
      const [first] = await vault.signingSecrets('scores', NOW);
      const second = await vault.rotateSigningSecret('scores', NOW, LATER);
      const end = after(LATER, hours(1));
      const third = await vault.rotateSigningSecret('scores', NOW, end);
      expect(await vault.signingSecrets('scores', NOW)).toEqual([
        third,
        { ...second, expiresAt: end },
        { ...first, expiresAt: LATER },
      ]);
    });

    test('rotates the secret of an endpoint that never had one', async () => {
      const secret = await vault.rotateSigningSecret('scores', NOW, LATER);
      expect(await vault.signingSecrets('scores', NOW)).toEqual([secret]);
    });

    test('has one newest secret after rotations at once', async () => {
      await Promise.all([vault, other, vault, other].map((one) => one.rotateSigningSecret('scores', NOW, LATER)));
      const secrets = await vault.signingSecrets('scores', NOW);
      expect(secrets.map(({ expiresAt }) => expiresAt)).toEqual([null, LATER, LATER, LATER]);
    });
  });
}
