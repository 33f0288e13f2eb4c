// What keeps a page in a browser from driving this server: the Host it must name, and the origin it
// must come from.

import type { FastifyRequest } from 'fastify';
import { ServiceError } from '../../domain/errors.ts';
import { headersTooLarge } from '../connections.ts';
import { HEADERS_MAX } from '../limits.ts';
import { type PublicAddress, trustOf } from './public-address.ts';
import { repeatedIn, WHOLE_SERVER } from './request-target.ts';

/** Hosts that always mean this machine. */
const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]'];

/**
 * The check of every request: throws ServiceError `misdirected-request` or `forbidden`. Pages of
 * `origins` may change things, since the configuration says so, and so may those of the server's
 * own public URL.
 */
export function requestGuard(address: PublicAddress, origins: readonly string[]): (request: FastifyRequest) => void {
  const { hosts, publicUrl } = address;
  const allowed =
    hosts === null
      ? null
      : new Set([...LOOPBACK_HOSTS, ...hosts, publicUrl?.hostname ?? ''].map((host) => host.toLowerCase()));
  const friends = publicUrl === null ? origins : [...origins, publicUrl.origin];
  const isTrusted = trustOf(address);
  return (request) => {
    if (request.raw.rawHeaders.length > 2 * HEADERS_MAX) throw headersTooLarge();
    const host = (request.headers.host ?? '').toLowerCase();
    const target = request.raw.url!;
    if (!target.startsWith('/') && !(target === WHOLE_SERVER && request.method === 'OPTIONS'))
      throw new ServiceError('malformed-body', 'The request line must name a path.');
    const repeated = repeatedIn(request.raw);
    if (repeated !== null)
      throw new ServiceError('malformed-body', `The request has more than one ${repeated} header.`);
    if (CODED.test(request.headers['transfer-encoding'] ?? '')) throw unknownCoding();
    // Before HTTP/1.1 there was no Host; no browser speaks that, and HAProxy's plain health check
    // does.
    const isWithoutHost = host === '' && request.raw.httpVersion === '1.0';
    if (host === '' && !isWithoutHost) throw new ServiceError('malformed-body', 'The request has no Host header.');
    // A name that an attacker's DNS points here would make the browser take the attacker's page for
    // ours.
    if (allowed !== null && !isWithoutHost && !allowed.has(host.replace(/:\d*$/, '')) && !isProbe(request))
      throw misdirected(host);
    if (
      request.method !== 'GET' &&
      request.method !== 'HEAD' &&
      isCrossOrigin(request, [host, forwardedHost(request, isTrusted)], friends)
    ) {
      throw new ServiceError('forbidden', 'A page of another origin may not change anything here.');
    }
  };
}

/**
 * Whether it asks no more than whether the server lives and takes work, which the machinery around
 * it does under any name.
 */
const isProbe = ({ method, raw }: FastifyRequest): boolean =>
  (method === 'GET' || method === 'HEAD') && /^\/(?:health|ready)(?:\?|$)/.test(raw.url!);

const misdirected = (host: string): ServiceError =>
  new ServiceError(
    'misdirected-request',
    `The Host header says ${JSON.stringify(host.slice(0, 255))}, a name that this server does not answer to. Use the address that \`claimcheck serve\` printed, or add the name to \`hosts\` (or set \`publicUrl\`) in its configuration.`,
  );

/** The host that a proxy was asked for, where that proxy is believed. */
function forwardedHost({ headers, socket }: FastifyRequest, isTrusted: (address: string) => boolean): string | null {
  const forwarded = headers['x-forwarded-host'];
  return typeof forwarded === 'string' && isTrusted(socket.remoteAddress ?? '') ? forwarded.toLowerCase() : null;
}

/**
 * Node takes a list that ends in "chunked", and hands on what is still encoded in it; what ends
 * otherwise it refuses itself.
 */
const CODED = /,\s*chunked\s*$/i;

const unknownCoding = (): ServiceError =>
  new ServiceError(
    'malformed-body',
    'The request has a Transfer-Encoding that this server does not read: send the body as it is, with its length or chunked.',
    { headers: { connection: 'close' } },
  );

/** Browsers say where a request comes from; programs say nothing, and are let through. */
function isCrossOrigin(
  { headers }: FastifyRequest,
  hosts: readonly (string | null)[],
  origins: readonly string[],
): boolean {
  if (headers.origin !== undefined && origins.includes(headers.origin)) return false;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin } = headers;
  return origin !== undefined && !hosts.includes(origin.toLowerCase().replace(/^https?:\/\//, ''));
}
