// From a name to its addresses.

import { promises as dns } from 'node:dns';
import { milliseconds } from '../domain/time.ts';

/** Answers every address of a name; none where it has none, or nobody can say. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/**
 * How long one question to a DNS server waits, and how often it is asked: names that hang are tried
 * again with the whole request.
 */
const PATIENCE = { timeout: milliseconds(3_000), tries: 2 };

/**
 * By DNS alone, without this machine's list of hosts. Unlike the system's own way it takes none of
 * the few threads that Node has for files, so that a caller whose names are answered late keeps
 * nobody else waiting.
 */
export function resolveByDns(resolver: dns.Resolver = new dns.Resolver(PATIENCE)): Resolve {
  return async (name) => {
    const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    return found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  };
}

/**
 * As any program of this machine would: its list of hosts and its search domains count. For names
 * that an operator has chosen.
 */
export const resolveBySystem: Resolve = async (name) => {
  const found = await dns.lookup(name, { all: true }).catch(() => []);
  return found.map(({ address }) => address);
};
