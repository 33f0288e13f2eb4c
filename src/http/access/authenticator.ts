// From what a request carries to whom it is made for. With a value and not a promise where the keys
// are known: this is on the path of every submit.

import type { Clock } from '../../system/clock.ts';
import { ANYBODY, OPERATOR, type Principal } from '../../domain/access.ts';
import { ServiceError } from '../../domain/errors.ts';
import type { Instant } from '../../domain/time.ts';
import type { KeyRecord, Vault } from '../../stores/vault/vault.ts';
import { isSecretOf, type PresentedKey, readKey } from './key-format.ts';
import { type Keys, KeyRing } from './key-ring.ts';
import type { OperatorToken } from './operator-token.ts';
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
export interface AuthenticatorDeps {
  readonly vault: Pick<Vault, 'keys'>;
  readonly clock: Clock;
  /**
   * Whether everybody is let in while no key was ever made: true where nobody else can reach the
   * server, or it was told so.
   */
  readonly openWithoutKeys: boolean;
  readonly operator: OperatorToken;
}

/** Tells principals from their keys. */
export class Authenticator {
  readonly #ring: KeyRing;
  readonly #throttle: Throttle;
  readonly #clock: Clock;
  readonly #operator: OperatorToken;
  /**
   * Never true again once it was false: were the vault lost while the server runs, it would stay
   * closed.
   */
  #open: boolean;

  constructor({ vault, clock, openWithoutKeys, operator }: AuthenticatorDeps) {
    this.#ring = new KeyRing(vault, clock);
    this.#throttle = new Throttle(clock);
    this.#clock = clock;
    this.#operator = operator;
    this.#open = openWithoutKeys;
  }

  /**
   * On whose behalf a request is made; at once where the keys are known.
   *
   * @throws ServiceError `unauthorized`, in the same words for everything that is wrong with a key;
   *   `too-many-attempts`. Rejects with them, too
   */
  authenticate(credentials: Credentials): Principal | Promise<Principal> {
    const keys = this.#ring.current();
    return keys instanceof Promise
      ? keys.then((read) => this.#principalOf(credentials, read))
      : this.#principalOf(credentials, keys);
  }

  /**
   * What a caller without a key is told that would change something on a server that has none;
   * `isHere` says whether it is on the server's machine.
   */
  refusalOfChange(isHere: boolean): ServiceError {
    // A path of this machine means nothing elsewhere, and is nobody's business there.
    const place = isHere ? this.#operator.file : null;
    return new ServiceError(
      'unauthorized',
      `There is no key on this server, so anybody who reaches it may invoke and read; changes ask for the operator's token. ${
        place === null
          ? "It lies in the server's data folder, on its machine."
          : `It is the first line of ${place}, which the server's user can read; on this machine the command line and the client take it from there.`
      } Or make a key: ${CREATE_KEY}`,
      {
        headers: { 'www-authenticate': 'Bearer realm="claimcheck"' },
        ...(place !== null && { members: { token_file: place } }),
      },
    );
  }

  #principalOf(credentials: Credentials, keys: Keys): Principal {
    // One that was revoked, or has expired, is a key too: revoking the last one must not open the
    // door.
    if (keys.size > 0) this.#open = false;
    const { authorization, address } = credentials;
    if (authorization.length === 0) {
      if (this.#open) return ANYBODY;
      throw unauthorized('This server asks for an API key, and the request carries none:', '');
    }
    const presented = presentedKey(authorization);
    if (presented !== null && this.#operator.is(presented)) return OPERATOR;
    if (this.#open) return ANYBODY;
    const key = presented === null ? null : this.#keyOf(presented, keys);
    if (key !== null) return { keyId: key.keyId, tenant: key.tenant, scopes: key.scopes, endpoints: key.endpoints };
    const wait = this.#throttle.failed(address);
    if (wait === null)
      throw unauthorized(
        'The API key of the request is not valid here: it was mistyped or cut off, is of another server, was revoked, or has expired;',
        ', error="invalid_token"',
      );
    throw new ServiceError(
      'too-many-attempts',
      'Too many keys that are not valid came from this address. A valid one is still taken; try another after the time in Retry-After.',
      { headers: { 'retry-after': String(Math.ceil(wait / 1_000)) } },
    );
  }

  /**
   * The key that was presented, if it is one and counts now. An id that is not known takes the way
   * of a secret that is wrong.
   */
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

/** The command that makes a key which may do all there is. */
const CREATE_KEY =
  "`claimcheck keys create --name <name> --scope invoke --scope read --scope manage`, on the server's machine.";

/** @param what what is wrong; a sentence goes on behind it */
function unauthorized(what: string, challenge: string): ServiceError {
  return new ServiceError(
    'unauthorized',
    `${what} send a valid one as "Authorization: Bearer <key>" (the command line and the client take it from CLAIMCHECK_API_KEY). One is made with ${CREATE_KEY}`,
    { headers: { 'www-authenticate': `Bearer realm="claimcheck"${challenge}` } },
  );
}
