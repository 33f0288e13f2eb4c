// The forms of a request's target beside a path (RFC 9112, section 3.2): a whole URL, as for a
// proxy, and the asterisk of OPTIONS. And what a request may say once alone.

import type { IncomingMessage } from 'node:http';

/** A URL of HTTP as far as its authority, without a user in it. */
const WHOLE_URL = /^https?:\/\/([^/?#@\s]+)(?=[/?#]|$)/i;

/** The target that asks what the server as a whole can do. */
export const WHOLE_SERVER = '*';

/** The methods that some path has. */
export const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'];

/**
 * The path of a request. A whole URL counts for more than the Host beside it: that becomes what the
 * URL names, and is checked as any other.
 */
export function pathOfTarget(request: Pick<IncomingMessage, 'url' | 'headers'>): string {
  const { url = '' } = request;
  const [start, authority] = WHOLE_URL.exec(url) ?? [];
  if (start === undefined) return url;
  request.headers.host = authority;
  const path = url.slice(start.length);
  return path.startsWith('/') ? path : `/${path}`;
}

/**
 * Headers of which one reader takes the first and another the last: whose request it is, what it
 * is, and where it goes would be two things.
 */
const ONCE: ReadonlySet<string> = new Set(['host', 'authorization', 'content-type', 'content-encoding', 'origin']);

/**
 * The name of such a header that a request has more than once, as it is written there; null where
 * there is none.
 */
export function repeatedIn({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): string | null {
  const seen = new Set<string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase();
    if (!ONCE.has(name)) continue;
    if (seen.has(name)) return rawHeaders[at]!;
    seen.add(name);
  }
  return null;
}
