// The only way out to addresses that callers name: webhooks, and inputs by reference. Each request
// makes a connection of its own, to an address that was checked when it was connected to, so that
// no answer of a name server can lead it elsewhere; it is closed with the answer. Nothing is
// redirected, no proxy of the environment is asked, and no more of an answer is read than was asked
// for.

import { isIP, type LookupFunction, type Socket } from 'node:net';
import { buildConnector, Client, type Dispatcher, errors } from 'undici';
import manifest from '../../package.json' with { type: 'json' };
import { type Duration, inSeconds, milliseconds } from '../domain/time.ts';
import { type Resolve, resolveByDns, resolveBySystem } from './names.ts';
import { EgressRules, type EgressSettings, type Target } from './rules.ts';

/** Longest wait for a connection, TLS included; the request's own limit may be shorter. */
const CONNECT_MAX = milliseconds(10_000);
/** Addresses of one name that are tried at the most. All that it has are checked. */
const ADDRESSES_MAX = 8;

/** A request to an address that a caller has named. */
export interface EgressRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How much of the answer's body is read, in bytes. */
  readonly bytesMax: number;
  /** How long everything together may take, from the name to the last byte. */
  readonly timeout: Duration;
  /** Cuts it short, as when the server stops. */
  readonly signal: AbortSignal;
}

/** What stands before the body of an answer. */
export interface EgressHead {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** An answer of any status. */
export interface EgressAnswer extends EgressHead {
  /** `bytesMax` bytes at the most. */
  readonly body: Uint8Array;
  /**
   * Whether `body` is all of it: there may be more of it (`too-long`), or it did not come to its
   * end (`cut`).
   */
  readonly extent: 'whole' | 'too-long' | 'cut';
}

/**
 * There was no answer. The message is a phrase that goes on from the URL: "refused the connection".
 */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** What the way out is made of. */
export interface EgressDeps {
  readonly settings: EgressSettings;
  /**
   * The port that this server listens at, which nobody is led back to; null as long as it does not.
   */
  readonly ownPort: () => number | null;
  /** Asks for the addresses of names; DNS unless told. */
  readonly resolve?: Resolve;
}

/** See the head of this file. */
export class Egress {
  readonly #rules: EgressRules;
  readonly #resolve: Resolve;

  constructor({ settings, ownPort, resolve = resolveByDns() }: EgressDeps) {
    this.#rules = new EgressRules(settings, ownPort);
    this.#resolve = resolve;
  }

  /**
   * What is wrong with an address, as far as can be told before it is connected to; null where
   * nothing is, and its one spelling.
   */
  check(url: string): { readonly refusal: string } | { readonly url: string } {
    const read = this.#rules.read(url);
    return 'target' in read ? { url: read.target.url.href } : read;
  }

  /**
   * Sends a request, and answers what came back within the time.
   *
   * @throws NoAnswer where nothing did, or the address may not be reached
   */
  send({ bytesMax, ...request }: EgressRequest): Promise<EgressAnswer> {
    return this.receive(request, async (head, chunks) => ({ ...head, ...(await bodyOf(chunks, bytesMax)) }));
  }

  /**
   * As `send`, of an answer that `take` is given as it comes: its chunks end in NoAnswer where they
   * break off, or the time is over.
   *
   * @throws NoAnswer, and what `take` throws
   */
  async receive<Taken>(
    { url, ...request }: Omit<EgressRequest, 'bytesMax'>,
    take: (head: EgressHead, chunks: AsyncIterable<Uint8Array>) => Promise<Taken>,
  ): Promise<Taken> {
    const read = this.#rules.read(url);
    if ('refusal' in read) throw new NoAnswer(read.refusal);
    const { target } = read;
    const timeOver = AbortSignal.timeout(request.timeout);
    const signal = AbortSignal.any([request.signal, timeOver]);
    const noAnswer = (cause: unknown, why: string): NoAnswer => {
      if (timeOver.aborted) return new NoAnswer(`did not answer within ${inSeconds(request.timeout)} s`, { cause });
      return cause instanceof NoAnswer ? cause : new NoAnswer(why, { cause });
    };
    let client: Client | null = null as Client | null;
    try {
      const asking = async (): Promise<Dispatcher.ResponseData> => {
        const addresses = isIP(target.host) === 0 ? await orAborted(this.#addressesOf(target), signal) : [];
        client = this.#clientFor(target, addresses);
        return answerOf(client, target, request, signal);
      };
      const answer = await asking().catch((cause: unknown) => {
        throw noAnswer(cause, whyNot(cause));
      });
      const chunks = chunksOf(answer, (cause) => noAnswer(cause, 'broke off before its end'));
      return await take({ status: answer.statusCode, headers: answer.headers }, chunks);
    } finally {
      await client?.destroy();
    }
  }

  /** Every address of the target's name has been checked, or none is answered. */
  async #addressesOf(target: Target): Promise<readonly string[]> {
    const resolve = this.#rules.isNamed(target) ? resolveBySystem : this.#resolve;
    const addresses = await resolve(target.host);
    if (addresses.length === 0) throw new NoAnswer('has a name that no address was found for');
    // One bad address is enough: a name that leads here and there is not one to be trusted with the
    // choice.
    for (const address of addresses) {
      const refusal = this.#rules.refusalOf(address, target);
      if (refusal !== null) throw new NoAnswer(refusal);
    }
    return addresses.slice(0, ADDRESSES_MAX);
  }

  /**
   * A client for one connection, which can lead to nothing but these addresses; a literal address
   * is looked up by nobody.
   */
  #clientFor(target: Target, addresses: readonly string[]): Client {
    const open = buildConnector({
      lookup: lookupAmong(addresses),
      timeout: CONNECT_MAX,
      allowH2: false,
      maxCachedSessions: 0,
    });
    return new Client(target.url.origin, {
      pipelining: 0,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (options, callback) =>
        open(options, (error, socket) => {
          if (error !== null) return callback(error, null);
          const refusal = this.#refusalOf(socket, target);
          if (refusal === null) return callback(null, socket);
          socket.destroy();
          callback(refusal, null);
        }),
    });
  }

  /** The last look, at what was really connected to. */
  #refusalOf({ remoteAddress }: Socket, target: Target): NoAnswer | null {
    const refusal = this.#rules.refusalOf(remoteAddress ?? '', target);
    return refusal === null ? null : new NoAnswer(refusal);
  }
}

/** Hands on what was found and checked before. */
const lookupAmong =
  (addresses: readonly string[]): LookupFunction =>
  (_name, { all }, callback) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    if (all === true) callback(null, found);
    else callback(null, found[0]!.address, found[0]!.family);
  };

/** What is begun cannot be stopped, but it need not be waited for. */
async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function answerOf(
  client: Client,
  { url }: Target,
  { method, headers, body }: Omit<EgressRequest, 'url' | 'bytesMax'>,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  return client.request({
    method,
    path: `${url.pathname}${url.search}`,
    headers: { 'user-agent': `claimcheck/${manifest.version}`, ...headers },
    body: body ?? null,
    signal,
  });
}

/** Ending the iteration early closes the connection. */
async function* chunksOf(
  { body }: Dispatcher.ResponseData,
  explained: (cause: unknown) => NoAnswer,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* body as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw explained(cause);
  }
}

async function bodyOf(
  chunks: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Pick<EgressAnswer, 'body' | 'extent'>> {
  const deps: Uint8Array[] = [];
  let length = 0;
  let extent: EgressAnswer['extent'] = 'whole';
  try {
    for await (const part of chunks) {
      deps.push(part.subarray(0, bytesMax - length));
      length += part.length;
      if (length <= bytesMax) continue;
      extent = 'too-long';
      // Leaving the loop closes the connection.
      break;
    }
  } catch {
    extent = 'cut';
  }
  return { body: Buffer.concat(deps), extent };
}

/** What went wrong on the way, without the addresses that the system's own words name. */
function whyNot(cause: unknown): string {
  const { code = '', name } = cause as NodeJS.ErrnoException;
  if (name === 'AbortError') return 'was not waited for any longer';
  if (cause instanceof errors.HTTPParserError) return 'answered with something that is no HTTP';
  if (cause instanceof errors.ConnectTimeoutError) return 'could not be connected to in time';
  if (code === 'ECONNREFUSED') return 'refused the connection';
  if (['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(code)) return 'hung up before it had answered';
  if (['ENETUNREACH', 'EHOSTUNREACH', 'ETIMEDOUT'].includes(code)) return 'cannot be reached from here';
  return `could not be asked (${code === '' ? 'for a reason that it did not say' : code})`;
}
