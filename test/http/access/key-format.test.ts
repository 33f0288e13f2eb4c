import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isKeyId, isSecretOf, newKey, readKey } from '../../../src/http/access/key-format.ts';

test('a new key is read back as its parts, and its digest is of its secret', () => {
  const { key, keyId, digest } = newKey();
  expect(key).toMatch(/^cck_[0-9a-z]{12}_[0-9a-z]{39}$/);
  const presented = readKey(key);
  expect(presented?.keyId).toBe(keyId);
  expect(isSecretOf(presented!.secret, digest)).toBe(true);
  expect(isKeyId(keyId)).toBe(true);
});

test('no two keys have the same id or secret', () => {
  const keys = Array.from({ length: 1_000 }, newKey);
  expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(1_000);
  expect(new Set(keys.map(({ digest }) => digest)).size).toBe(1_000);
});

test('a secret is nobody else’s, and nobody’s where the key is not known', () => {
  const { key, digest } = newKey();
  expect(isSecretOf(readKey(newKey().key)!.secret, digest)).toBe(false);
  expect(isSecretOf(readKey(key)!.secret, null)).toBe(false);
});

test('a key with one character changed, wherever, is told apart without asking anybody', () => {
  const { key } = newKey();
  for (let at = 0; at < key.length; at += 1) {
    for (const other of '0az_Z \0é') {
      if (other === key[at]) continue;
      expect(readKey(`${key.slice(0, at)}${other}${key.slice(at + 1)}`), `${other} at ${at}`).toBeNull();
    }
  }
});

test('a key that was cut off, made longer, turned into capitals or doubled is none', () => {
  const { key, keyId } = newKey();
  for (let end = 0; end < key.length; end += 1) expect(readKey(key.slice(0, end))).toBeNull();
  for (const text of [`${key}\n`, `${key} `, ` ${key}`, key.toUpperCase(), `${key}${key}`, `Bearer ${key}`, keyId])
    expect(readKey(text)).toBeNull();
});

test('no text that is not a key is taken for one', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => readKey(text) === null));
});
