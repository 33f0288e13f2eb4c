// How many files and connections this process may have open, and how many of them are left for
// callers.

import { readFileSync } from 'node:fs';
import type { EndpointSpec } from '../domain/endpoint.ts';

/**
 * What the stores, their threads, the logs and the listeners have open: about 45 by `ls
 * /proc/<pid>/fd`, and some for what comes and goes.
 */
const OWN = 80;
/** What a replica has open beside its connections: its pipes, its port's name, its log. */
const PER_REPLICA = 6;
/** Share of the rest that connections may have: for some of them a file is read or written. */
const CONNECTIONS_SHARE = 0.75;
/** However little there is, somebody must be able to look. */
const CONNECTIONS_MIN = 8;

/**
 * How many descriptors this process may have; null on a system that does not say. Node has raised
 * it to the hard limit at its start.
 */
export function descriptorsMax(file = '/proc/self/limits'): number | null {
  try {
    const limit = /^Max open files\s+(\S+)/m.exec(readFileSync(file, 'utf8'))?.[1];
    return limit === undefined ? null : limit === 'unlimited' ? Infinity : Number(limit);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * How many connections callers may have beside what the server and its replicas need of so many
 * descriptors: as many as are wanted, or fewer.
 */
export function connectionsWithin(
  descriptors: number | null,
  wanted: number,
  endpoints: readonly Pick<EndpointSpec, 'replicas'>[],
): number {
  if (descriptors === null) return wanted;
  const replicas = endpoints.reduce(
    (sum, { replicas: { max, concurrency } }) => sum + max * (PER_REPLICA + concurrency),
    0,
  );
  const rest = Math.floor((descriptors - OWN - replicas) * CONNECTIONS_SHARE);
  return Math.min(wanted, Math.max(CONNECTIONS_MIN, rest));
}
