// What an API key looks like: `cck_<id>_<secret><checksum>`. The checksum tells a key that was cut
// off or mistyped from one that is not known, without asking anybody; and with the prefix it lets
// scanners find keys that lie where they should not.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { sha256 } from '../../domain/digest.ts';

/**
 * Crockford's base32 in lower case: 5 bits a character, none that is mistaken for another.
 * https://www.crockford.com/base32.html
 */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
/** 60 bits: no two keys ever have the same id. */
const ID_LENGTH = 12;
/** 160 bits: nothing to guess. */
const SECRET_LENGTH = 32;
/** 35 bits, for the 32 of a CRC-32. */
const CHECKSUM_LENGTH = 7;

const some = (length: number): string => `[0-9a-hjkmnp-tv-z]{${length}}`;
const KEY = new RegExp(`^cck_(${some(ID_LENGTH)})_(${some(SECRET_LENGTH)})(${some(CHECKSUM_LENGTH)})$`);
const KEY_ID = new RegExp(`^${some(ID_LENGTH)}$`);
/**
 * The digest that a key of an unknown id is held against, so that it takes as long to refuse as a
 * wrong secret. No secret is known to have it.
 */
const NOBODYS_DIGEST = '0'.repeat(64);

/** A key as it was presented: taken apart, and not yet known to be anybody's. */
export interface PresentedKey {
  readonly keyId: string;
  readonly secret: string;
}

/** A new key, and what of it is kept. */
export interface NewKey {
  /** The whole key, to be shown once. */
  readonly key: string;
  readonly keyId: string;
  /** SHA-256 of its secret, in hexadecimal. */
  readonly digest: string;
}

/** Makes a key. */
export function newKey(): NewKey {
  const keyId = randomText(ID_LENGTH);
  const secret = randomText(SECRET_LENGTH);
  return { key: `${stem(keyId, secret)}${checksumOf(keyId, secret)}`, keyId, digest: sha256(secret) };
}

/** Takes a key apart; null for text that was never one, or was cut off or mistyped since. */
export function readKey(text: string): PresentedKey | null {
  const [, keyId, secret, checksum] = KEY.exec(text) ?? [];
  if (keyId === undefined || secret === undefined) return null;
  return checksumOf(keyId, secret) === checksum ? { keyId, secret } : null;
}

/** Whether text is the id of a key. */
export const isKeyId = (text: string): boolean => KEY_ID.test(text);

/**
 * Whether a secret is the one that a digest was made of; null stands for a key that is not known,
 * and takes as long.
 */
export function isSecretOf(secret: string, digest: string | null): boolean {
  return timingSafeEqual(Buffer.from(sha256(secret)), Buffer.from(digest ?? NOBODYS_DIGEST));
}

const stem = (keyId: string, secret: string): string => `cck_${keyId}_${secret}`;

function checksumOf(keyId: string, secret: string): string {
  let rest = crc32(stem(keyId, secret));
  let text = '';
  for (let place = 0; place < CHECKSUM_LENGTH; place += 1) {
    text = ALPHABET[rest % ALPHABET.length]! + text;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return text;
}

/** 32 divides 256, so every character is as likely as any other. */
const randomText = (length: number): string =>
  Array.from(randomBytes(length), (byte) => ALPHABET[byte % ALPHABET.length]).join('');
