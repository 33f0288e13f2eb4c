// The port to what gives access: API keys, and the secrets that webhooks are signed with. Small,
// read often, and written by the command line while servers run, which is why it is no part of the
// ledger: an embedded ledger has one process.

import type { Scope } from '../../domain/access.ts';
import type { Instant } from '../../domain/time.ts';

/** A key as it is kept: what is presented is never stored, only what it hashes to. */
export interface KeyRecord {
  /** The public half, by which it is found, listed and revoked. */
  readonly keyId: string;
  /**
   * SHA-256 of the secret half, in hexadecimal. Fast on purpose: the secret is random, so there is
   * nothing to guess.
   */
  readonly digest: string;
  /** What it is for, in its maker's words. */
  readonly name: string;
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  /** Names of the endpoints that it may use; null for all. */
  readonly endpoints: readonly string[] | null;
  readonly createdAt: Instant;
  readonly expiresAt: Instant | null;
  readonly revokedAt: Instant | null;
}

/** A secret that an endpoint's webhooks are signed with. */
export interface SigningSecret {
  readonly endpoint: string;
  /** `whsec_` and 24 to 64 bytes in base64, as Standard Webhooks has it. */
  readonly secret: string;
  readonly createdAt: Instant;
  /** When it is no longer signed with, because another has taken its place; null for the newest. */
  readonly expiresAt: Instant | null;
}

/** The outcome of a revocation. */
export type Revoked = 'revoked' | 'already-revoked' | 'unknown';

/**
 * See the head of this file. Several processes may have it open; what one of them writes, the
 * others read at once.
 */
export interface Vault {
  addKey(key: KeyRecord): Promise<void>;
  key(keyId: string): Promise<KeyRecord | null>;
  /** Every key, oldest first, those that were revoked or have expired among them. */
  keys(): Promise<readonly KeyRecord[]>;
  revokeKey(keyId: string, at: Instant): Promise<Revoked>;
  /**
   * Names of the endpoints that have a secret, as has each that a server was started with or that
   * was deployed through one; in their order.
   */
  signingEndpoints(): Promise<readonly string[]>;
  /**
   * The secrets of an endpoint that are signed with now, newest first; one is made and kept where
   * there is none.
   */
  signingSecrets(endpoint: string, now: Instant): Promise<readonly SigningSecret[]>;
  /**
   * Makes a new secret for an endpoint; those before it are signed with until `until`, so that
   * receivers have time to change over.
   */
  rotateSigningSecret(endpoint: string, now: Instant, until: Instant): Promise<SigningSecret>;
  close(): Promise<void>;
}
