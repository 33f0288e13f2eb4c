// Where a server is reached from: the names that requests may have for it, and what stands before
// its paths where a proxy serves it in part of a site.

import { BlockList, isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** What stands before every path that the answer points to: '/models' or nothing. */
    base: string;
  }
}

/** What the configuration says of it. */
export interface PublicAddress {
  /** Names that the Host header may have beside the loopback's; null for any. */
  readonly hosts: readonly string[] | null;
  /** Where people find the server; null where nobody has said. */
  readonly publicUrl: URL | null;
  /**
   * Whose X-Forwarded headers are believed: true for those of all peers, or networks and addresses.
   */
  readonly trustProxy: boolean | readonly string[];
}

/** Nothing before any path, and no proxy. */
export const DIRECT: PublicAddress = { hosts: [], publicUrl: null, trustProxy: false };

/** What a URL has for a path before a server's own: '/models', or nothing. */
export const basePathOf = (url: URL | null): string => url?.pathname.replace(/\/+$/, '') ?? '';

/** Tells of an address whether X-Forwarded headers that come from there are believed. */
export function trustOf({ trustProxy }: PublicAddress): (address: string) => boolean {
  if (typeof trustProxy === 'boolean') return () => trustProxy;
  const trusted = new BlockList();
  for (const entry of trustProxy) {
    const [address = '', bits] = entry.split('/', 2);
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  // A list knows an IPv4 peer on a socket for both, ::ffff:10.1.2.3, for what it is.
  return (address) => trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** Longest prefix that is taken from a header. */
const PREFIX_LENGTH_MAX = 200;
/**
 * A path and nothing else: no host (//), no query, and nothing that a page could take for its own
 * text.
 */
const PREFIX = /^(?:\/[\w.~%-]+)+\/?$/;

/**
 * Finds out what stands before the paths of an answer: what a proxy that is believed says, else
 * what the configuration does.
 */
export function baseFinder(address: PublicAddress): (request: FastifyRequest) => string {
  const configured = basePathOf(address.publicUrl);
  const isTrusted = trustOf(address);
  return ({ headers, socket }) => {
    const prefix = headers['x-forwarded-prefix'];
    if (typeof prefix !== 'string' || !isTrusted(socket.remoteAddress ?? '')) return configured;
    if (prefix.length > PREFIX_LENGTH_MAX || !PREFIX.test(prefix)) return configured;
    return prefix.replace(/\/$/, '');
  };
}

/** Takes the configured path away where a proxy has left it before a path of ours. */
export function withoutBase(address: PublicAddress): (url: string) => string {
  const base = basePathOf(address.publicUrl);
  return (url) =>
    base !== '' && url.startsWith(base) && /^(?:[/?]|$)/.test(url.slice(base.length))
      ? ownPath(url.slice(base.length))
      : url;
}

const ownPath = (rest: string): string => (rest.startsWith('/') ? rest : `/${rest}`);
