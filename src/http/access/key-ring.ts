// The keys of a server as it last read them, at most KEYS_AGE_MAX ago: so a request costs no look
// into the vault, a key that was revoked is refused soon everywhere, and keys that nobody has made
// cost no more than those that somebody has.

import type { Clock } from '../../system/clock.ts';
import { elapsed, type Moment, seconds } from '../../domain/time.ts';
import type { KeyRecord, Vault } from '../../stores/vault/vault.ts';

/**
 * How old what is believed of the keys may be. A revocation counts everywhere by then; 5 s are
 * promised.
 */
const KEYS_AGE_MAX = seconds(2);
/**
 * From this age on they are read anew while what is known still counts, so that no request of a
 * busy server waits for them.
 */
const KEYS_FRESH = seconds(1);

/** The keys, by their ids. */
export type Keys = ReadonlyMap<string, KeyRecord>;

/** See the head of this file. */
export class KeyRing {
  readonly #vault: Pick<Vault, 'keys'>;
  readonly #clock: Clock;
  #keys: Keys = new Map();
  /** When what is known was asked for; null before the first time. */
  #asOf: Moment | null = null;
  #reading: Promise<Keys> | null = null;

  constructor(vault: Pick<Vault, 'keys'>, clock: Clock) {
    this.#vault = vault;
    this.#clock = clock;
  }

  /** The keys, at once where they were read lately. */
  current(): Keys | Promise<Keys> {
    const age = this.#asOf === null ? KEYS_AGE_MAX : elapsed(this.#asOf, this.#clock.steady());
    const isUsable = age < KEYS_AGE_MAX;
    if (isUsable && age < KEYS_FRESH) return this.#keys;
    this.#reading ??= this.#read();
    // Callers that wait for them are told why they cannot be read; others find them too old in a
    // second.
    if (isUsable) this.#reading.catch(() => {});
    return isUsable ? this.#keys : this.#reading;
  }

  async #read(): Promise<Keys> {
    const asOf = this.#clock.steady();
    try {
      this.#keys = new Map((await this.#vault.keys()).map((key) => [key.keyId, key]));
      this.#asOf = asOf;
      return this.#keys;
    } finally {
      this.#reading = null;
    }
  }
}
