// What keeps a page in a browser from driving this server: the Host it must name, and the origin it must come from.

import type { FastifyRequest } from 'fastify';
import { ServiceError } from '../domain/errors.ts';
import { headersTooLarge } from './connections.ts';
import { HEADERS_MAX } from './limits.ts';

/** Hosts that always mean this machine. */
const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]'];

/**
 * The check of every request: throws ServiceError `misdirected-request` or `forbidden`. `hosts` null takes any Host, as behind a proxy;
 * pages of `origins` may change things, since the configuration says so.
 */
export function requestGuard(
  hosts: readonly string[] | null,
  origins: readonly string[],
): (request: FastifyRequest) => void {
  const allowed = hosts === null ? null : new Set([...LOOPBACK_HOSTS, ...hosts.map((host) => host.toLowerCase())]);
  return (request) => {
    if (request.raw.rawHeaders.length > 2 * HEADERS_MAX) throw headersTooLarge();
    const host = (request.headers.host ?? '').toLowerCase();
    // The absolute form is for proxies; what it names need not be the Host that was checked.
    if (!request.raw.url!.startsWith('/'))
      throw new ServiceError('malformed-body', 'The request line must name a path.');
    if (CODED.test(request.headers['transfer-encoding'] ?? '')) throw unknownCoding();
    if (host === '') throw new ServiceError('malformed-body', 'The request has no Host header.');
    // A name that an attacker's DNS points here would make the browser take his page for ours.
    if (allowed !== null && !allowed.has(host.replace(/:\d*$/, ''))) {
      throw new ServiceError(
        'misdirected-request',
        'The Host header does not name this server. Use the address that `claimcheck serve` printed.',
      );
    }
    if (request.method !== 'GET' && request.method !== 'HEAD' && isCrossOrigin(request, host, origins)) {
      throw new ServiceError('forbidden', 'A page of another origin may not change anything here.');
    }
  };
}

/** Node takes a list that ends in "chunked", and hands on what is still encoded in it; what ends otherwise it refuses itself. */
const CODED = /,\s*chunked\s*$/i;

const unknownCoding = (): ServiceError =>
  new ServiceError(
    'malformed-body',
    'The request has a Transfer-Encoding that this server does not read: send the body as it is, with its length or chunked.',
    { headers: { connection: 'close' } },
  );

/** Browsers say where a request comes from; programs say nothing, and are let through. */
function isCrossOrigin({ headers }: FastifyRequest, host: string, origins: readonly string[]): boolean {
  if (headers.origin !== undefined && origins.includes(headers.origin)) return false;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin } = headers;
  return origin !== undefined && origin.toLowerCase().replace(/^https?:\/\//, '') !== host;
}
