// Where a caller may send this server, and what can be told of an address before anybody connects
// to it.

import { isIP } from 'node:net';
import { AllowList, isOwn, isPublic } from './addresses.ts';

/** What a configuration says of the addresses that callers name. */
export interface EgressSettings {
  /** Whether `http://` is refused. */
  readonly httpsOnly: boolean;
  /** Networks, addresses and names that may be reached though they are not public. */
  readonly allow: readonly string[];
}

/** An address that a caller has named, once its form has been found fit. */
export interface Target {
  /** Without a fragment, and in the one spelling that there is for each address. */
  readonly url: URL;
  /**
   * The name, in lower case and without a full stop at its end, or the literal address without
   * brackets.
   */
  readonly host: string;
  readonly port: number;
}

/**
 * A target, or why there is none: a phrase that goes on from the name of what was read, as in "must
 * be …".
 */
export type ReadTarget = { readonly target: Target } | { readonly refusal: string };

/**
 * Ports from 1024 up at which other things than HTTP listen: those that browsers refuse, and the
 * common databases'.
 */
const OTHER_SERVICES: ReadonlySet<number> = new Set([
  1_433, 1_521, 1_719, 1_720, 1_723, 2_049, 3_306, 3_659, 4_045, 4_190, 5_060, 5_061, 5_432, 6_000, 6_379, 6_566, 6_665,
  6_666, 6_667, 6_668, 6_669, 6_679, 6_697, 10_080, 11_211, 27_017,
]);

/**
 * Endings of names that mean a machine or its network, and never the Internet (RFC 6761, RFC 6762,
 * and ICANN's for private use).
 */
const PRIVATE_NAMES = ['localhost', 'local', 'internal'];

/** Longest URL that is taken, in characters. */
const URL_LENGTH_MAX = 2_048;

/** See the head of this file. */
export class EgressRules {
  readonly #httpsOnly: boolean;
  readonly #allow: AllowList;
  readonly #ownPort: () => number | null;

  /** @param ownPort the port that this server listens at, or null as long as it does not */
  constructor({ httpsOnly, allow }: EgressSettings, ownPort: () => number | null) {
    this.#httpsOnly = httpsOnly;
    this.#allow = new AllowList(allow);
    this.#ownPort = ownPort;
  }

  /** Reads a URL, and refuses it for everything that can be told before its name is looked up. */
  read(text: string): ReadTarget {
    const url = text.length > URL_LENGTH_MAX ? null : URL.parse(text);
    if (url === null) return { refusal: `must be a URL of at most ${URL_LENGTH_MAX} characters` };
    if (url.protocol !== 'https:' && (url.protocol !== 'http:' || this.#httpsOnly))
      return { refusal: `must begin with https://${this.#httpsOnly ? '' : ' or http://'}` };
    if (url.username !== '' || url.password !== '') return { refusal: 'must not have a user name or a password in it' };
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
    if ((port < 1_024 && port !== 80 && port !== 443) || OTHER_SERVICES.has(port))
      return { refusal: `names port ${port}; 80, 443 and those from 1024 up that speak HTTP are allowed` };
    url.hash = '';
    const target = { url, host: url.hostname.replaceAll(/^\[|\]$|\.$/g, ''), port };
    const refusal = this.#refusalOfHost(target);
    return refusal === null ? { target } : { refusal };
  }

  /** Whether a name was allowed by itself, so that it may mean any address. */
  isNamed({ host }: Target): boolean {
    return this.#allow.hasName(host);
  }

  /**
   * Why an address may not be connected to for a target, as a phrase that goes on from its URL, or
   * null where it may.
   */
  refusalOf(address: string, target: Target): string | null {
    const isMachine = isOwn(address);
    if (isMachine && target.port === this.#ownPort()) return 'leads back to this server';
    if (this.isNamed(target) || this.#allow.hasAddress(address)) return null;
    return isPublic(address) && !isMachine ? null : NOT_PUBLIC;
  }

  #refusalOfHost(target: Target): string | null {
    const { host } = target;
    if (isIP(host) !== 0) return this.refusalOf(host, target);
    const isPrivate = PRIVATE_NAMES.some((ending) => host === ending || host.endsWith(`.${ending}`));
    return isPrivate && !this.isNamed(target) ? NOT_PUBLIC : null;
  }
}

/** Without the address: a caller could learn from it what the names of this network mean. */
const NOT_PUBLIC =
  "leads to an address that is not public; the server's egress.allow lists those that may be reached all the same";
