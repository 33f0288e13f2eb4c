// Who may ask for what: the one check of keys, between finding the route and reading the request.

import type { FastifyRequest } from 'fastify';
import type { Authenticator } from './authenticator.ts';
import { mayUse, NOBODY, type Principal, type Scope } from '../../domain/access.ts';
import { ServiceError } from '../../domain/errors.ts';

/**
 * The check of every request: its caller has the scope of its route, and may use the endpoint in
 * its path. Answers nothing, or a promise where the keys have to be read first.
 *
 * @throws ServiceError `unauthorized`, `forbidden`, `too-many-attempts`. Rejects with them, too
 */
export function accessCheck(authenticator: Authenticator): (request: FastifyRequest) => void | Promise<void> {
  return (request) => {
    const { route } = request.routeOptions.config;
    request.principal = NOBODY;
    if (request.is404) return undefined;
    // The pages of the document's viewer are no routes of the table, and show the document.
    if (route === undefined || route.looksAtKeys === true) return identify(authenticator, request);
    const { scope } = route;
    if (scope === null) return undefined;
    const principal = authenticator.authenticate(credentialsOf(request));
    return principal instanceof Promise
      ? principal.then((known) => admit(authenticator, request, known, scope))
      : admit(authenticator, request, principal, scope);
  };
}

/**
 * A caller without a valid key, where none is asked for, is nobody, and is answered all the same.
 */
async function identify(authenticator: Authenticator, request: FastifyRequest): Promise<void> {
  try {
    request.principal = await authenticator.authenticate(credentialsOf(request));
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
  }
}

const NONE: readonly string[] = [];

/**
 * With every Authorization header. Node keeps the first alone, and a client that sent two would not
 * know which of them counted.
 */
function credentialsOf({ ip: address, raw: { headers, rawHeaders } }: FastifyRequest) {
  const authorization =
    headers.authorization === undefined
      ? NONE
      : rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === 'authorization');
  return { authorization, address };
}

function admit(authenticator: Authenticator, request: FastifyRequest, principal: Principal, scope: Scope): void {
  if (!principal.scopes.includes(scope))
    throw principal.keyId === null
      ? authenticator.refusalOfChange(isOfThisMachine(request))
      : lacksScope(principal, scope);
  const { endpoint } = request.params as { readonly endpoint?: string };
  // Before anybody looks for it, so that the answer does not tell whether there is such an
  // endpoint.
  if (endpoint !== undefined && !mayUse(principal, endpoint)) throw notItsEndpoint(principal);
  request.principal = principal;
}

/** Whether a request was sent on this machine, and not handed on by a proxy on it. */
function isOfThisMachine({ socket: { remoteAddress = '' }, headers }: FastifyRequest): boolean {
  const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
  return !isForwarded && /^(?:::ffff:)?127\.|^::1$/.test(remoteAddress);
}

/** The challenge is that of RFC 6750, section 3.1. */
function lacksScope({ keyId, scopes }: Principal, scope: Scope): ServiceError {
  return new ServiceError(
    'forbidden',
    `The key ${keyId} is good for ${scopes.join(' and ')}; this needs ${scope}. Make another, which may do both, with: claimcheck keys create --name <name>${[...scopes, scope].map((one) => ` --scope ${one}`).join('')}`,
    { headers: { 'www-authenticate': `Bearer realm="claimcheck", error="insufficient_scope", scope="${scope}"` } },
  );
}

function notItsEndpoint({ keyId, endpoints }: Principal): ServiceError {
  return new ServiceError(
    'forbidden',
    `The key ${keyId} may not use this endpoint; it may use: ${endpoints?.join(', ')}.`,
  );
}
