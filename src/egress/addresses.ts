// Which addresses belong to the public Internet: those that are plain global unicast, and nothing
// else.

import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * All that is given out as global unicast (RFC 4291). What only embeds an IPv4 address, as
 * `::127.0.0.1` does, lies outside of it.
 */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** Public by its number, but every machine of one cloud has its metadata service there. */
const METADATA = '168.63.129.16';

/**
 * Whether an address is one of the public Internet, where a caller may send this server. Text that
 * is no address is not.
 */
export function isPublic(text: string): boolean {
  const address = read(text);
  if (address === null || address.range() !== 'unicast' || address.toString() === METADATA) return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST);
}

/** Whether an address is this machine's: the loopback's, or that of one of its interfaces now. */
export function isOwn(text: string): boolean {
  const address = read(text);
  if (address === null || address.range() === 'loopback' || address.range() === 'unspecified') return true;
  const same = address.toString();
  return Object.values(networkInterfaces()).some((entries = []) =>
    entries.some((entry) => read(entry.address)?.toString() === same),
  );
}

/** A network, and how many bits of it count. */
type Network = readonly [address: Address, bits: number];

/** What an operator lets callers reach though it is not public. */
export class AllowList {
  readonly #networks: readonly Network[];
  readonly #names: ReadonlySet<string>;

  /**
   * @param entries networks (`10.1.2.0/24`), addresses and names, each as `isAllowable` takes it
   */
  constructor(entries: readonly string[]) {
    const read = entries.map((entry) => ({ entry, network: networkOf(entry) }));
    this.#networks = read.flatMap(({ network }) => (network === null ? [] : [network]));
    this.#names = new Set(read.flatMap(({ entry, network }) => (network === null ? [entry.toLowerCase()] : [])));
  }

  /** Whether a name stands in the list itself: then it may mean any address. */
  hasName(name: string): boolean {
    return this.#names.has(name);
  }

  hasAddress(text: string): boolean {
    const address = read(text);
    if (address === null) return false;
    return this.#networks.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
  }
}

/** Whether a text can stand in an allow-list: a network, an address or a name. */
export const isAllowable = (entry: string): boolean =>
  networkOf(entry) !== null || (/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i.test(entry) && /[a-z][^.]*$/i.test(entry));

/** Strict, unlike the library alone, which takes `1` for 0.0.0.1. */
const read = (text: string): Address | null => (isIP(text) === 0 ? null : ipaddr.parse(text));

function networkOf(entry: string): Network | null {
  const [, base = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
  const address = read(base);
  if (address === null) return null;
  const bitsMax = address.kind() === 'ipv4' ? 32 : 128;
  const count = bits === undefined ? bitsMax : Number(bits);
  return count <= bitsMax ? [address, count] : null;
}
