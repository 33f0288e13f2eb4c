// From what a request carries to whom it is made for. With a value and not a promise where the keys are known: this is on the path of
// every submit.

import type { Clock } from '../clock.ts';
import { ANYBODY, type Principal } from '../domain/access.ts';
import { ServiceError } from '../domain/errors.ts';
import type { Instant } from '../domain/time.ts';
import type { KeyRecord, Vault } from '../vault/vault.ts';
import { isSecretOf, type PresentedKey, readKey } from './key-format.ts';
import { type Keys, KeyRing } from './key-ring.ts';
import { Throttle } from './throttle.ts';

/** Longest header that is looked at: a key has 56 characters. */
const HEADER_LENGTH_MAX = 200;

/** What a request carries. */
export interface Credentials {
  /** Every Authorization header it has, as it came. */
  readonly authorization: readonly string[];
  /** Where it comes from: the address at the other end of the connection. */
  readonly address: string;
}

/** What an authenticator works with. */
export interface AuthenticatorParts {
  readonly vault: Pick<Vault, 'keys'>;
  readonly clock: Clock;
  /** Whether everybody is let in while no key was ever made: true where nobody else can reach the server, or it was told so. */
  readonly openWithoutKeys: boolean;
}

/** Tells principals from their keys. */
export class Authenticator {
  readonly #ring: KeyRing;
  readonly #throttle: Throttle;
  readonly #clock: Clock;
  /** Never true again once it was false: were the vault lost while the server runs, it would stay closed. */
  #open: boolean;

  constructor({ vault, clock, openWithoutKeys }: AuthenticatorParts) {
    this.#ring = new KeyRing(vault, clock);
    this.#throttle = new Throttle(clock);
    this.#clock = clock;
    this.#open = openWithoutKeys;
  }

  /**
   * On whose behalf a request is made; at once where the keys are known.
   *
   * @throws ServiceError `unauthorized`, in the same words for whatever is wrong with a key; `too-many-attempts`. Rejects with them, too
   */
  authenticate(credentials: Credentials): Principal | Promise<Principal> {
    const keys = this.#ring.current();
    return keys instanceof Promise
      ? keys.then((read) => this.#principalOf(credentials, read))
      : this.#principalOf(credentials, keys);
  }

  #principalOf(credentials: Credentials, keys: Keys): Principal {
    // One that was revoked, or has expired, is a key too: revoking the last one must not open the door.
    if (keys.size > 0) this.#open = false;
    if (this.#open) return ANYBODY;
    const { authorization, address } = credentials;
    if (authorization.length === 0) throw unauthorized('Bearer realm="claimcheck"');
    const presented = presentedKey(authorization);
    const key = presented === null ? null : this.#keyOf(presented, keys);
    if (key !== null) return { keyId: key.keyId, tenant: key.tenant, scopes: key.scopes, endpoints: key.endpoints };
    const wait = this.#throttle.failed(address);
    if (wait === null) throw unauthorized('Bearer realm="claimcheck", error="invalid_token"');
    throw new ServiceError(
      'too-many-attempts',
      'Too many keys that are not valid came from this address. A valid one is still taken; try another after the time in Retry-After.',
      { headers: { 'retry-after': String(Math.ceil(wait / 1_000)) } },
    );
  }

  /** The key that was presented, if it is one and counts now. An id that is not known takes the way of a secret that is wrong. */
  #keyOf({ keyId, secret }: PresentedKey, keys: Keys): KeyRecord | null {
    const key = keys.get(keyId) ?? null;
    const isRight = isSecretOf(secret, key?.digest ?? null);
    return key !== null && isRight && isUsable(key, this.#clock.now()) ? key : null;
  }
}

/** Whether a key is taken now: it was not revoked and has not expired. */
export function isUsable({ revokedAt, expiresAt }: KeyRecord, now: Instant): boolean {
  return revokedAt === null && (expiresAt === null || now < expiresAt);
}

/** A second header would be a second opinion. */
function presentedKey([header, ...others]: readonly string[]): PresentedKey | null {
  if (header === undefined || others.length > 0 || header.length > HEADER_LENGTH_MAX) return null;
  const token = /^bearer +(\S+)$/i.exec(header)?.[1];
  return token === undefined ? null : readKey(token);
}

function unauthorized(challenge: string): ServiceError {
  return new ServiceError(
    'unauthorized',
    'This server asks for an API key: send a valid one as "Authorization: Bearer <key>" (the command line and the client take it from CLAIMCHECK_API_KEY). `claimcheck keys create` makes one, on the server\'s machine.',
    { headers: { 'www-authenticate': challenge } },
  );
}
