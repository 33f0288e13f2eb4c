// What a client may cost: how much it may send, how slowly, and how many may listen at once.

import { type Duration, hours, seconds } from '../domain/time.ts';

/** The limits of a server; each has a default in `DEFAULT_LIMITS`. */
export interface ServerLimits {
  /**
   * Longest body, in bytes; the other two are bounds for bodies that are held, and bounded by this
   * one.
   */
  readonly bodyBytes: number;
  /**
   * Longest table that is held as long as its batch is at work, in bytes: Arrow, and one that was
   * fetched. CSV and JSON Lines are not held.
   */
  readonly tableBytes: number;
  /** Longest envelope, in bytes. */
  readonly envelopeBytes: number;
  /** How long nothing of a body may come. */
  readonly bodyIdle: Duration;
  /**
   * How long, and how many bytes, a body is read on whose request was answered before it had come.
   */
  readonly refusedBodyTime: Duration;
  readonly refusedBodyBytes: number;
  /** How long a client may take nothing of what is there for it. */
  readonly readerIdle: Duration;
  /** How many runs may be followed at once, over all clients. */
  readonly streams: number;
  /** How many of them one address or one tenant may have, once half of all are taken. */
  readonly streamsPerClient: number;
  /**
   * Connections that may be open at once, and those of one address, or of one IPv6 network of 64
   * bits.
   */
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** How often a stream of events on which nothing happens says that it is there. */
  readonly keepAlive: Duration;
}

/**
 * `bodyBytes`: 2 GiB. It costs no memory, since a raw body flows to the disk, and the disk's room
 * is watched while it flows.
 * `tableBytes`: 256 MiB. `envelopeBytes`: 64 MiB, since its input is cut out of it, checked and
 * sent on, which holds it twice for a moment.
 * `bodyIdle`: 30 s (B21 of the reliability page), `readerIdle` as long.
 * `refusedBodyTime`: 30 s, as nginx has it (lingering_time). `refusedBodyBytes`: 256 MiB, four
 * times the longest envelope. `streams`: 512, each of which asks the ledger once a second.
 * `streamsPerClient`: 32, so that eight clients find a place though one takes all it can.
 * `connections`: an idle one takes about 10 KB. `connectionsPerAddress`: the address of a proxy may
 * be that of everybody.
 * `keepAlive`: 15 s, which the standard of server-sent events recommends for proxies that cut
 * silent connections.
 */
export const DEFAULT_LIMITS: ServerLimits = {
  bodyBytes: 2 ** 31,
  tableBytes: 2 ** 28,
  envelopeBytes: 2 ** 26,
  bodyIdle: seconds(30),
  refusedBodyTime: seconds(30),
  refusedBodyBytes: 2 ** 28,
  readerIdle: seconds(30),
  streams: 512,
  streamsPerClient: 32,
  connections: 10_000,
  connectionsPerAddress: 2_000,
  keepAlive: seconds(15),
};

/**
 * Bytes of a request's line and headers together: Node's own default, and what most proxies let
 * through.
 */
export const HEADER_BYTES_MAX = 16_384;

/**
 * Headers of a request. A browser sends about 20, a proxy adds a few; the default of Apache's
 * LimitRequestFields is 100. Node would leave out those above its own limit without a word, so the
 * server counts them itself.
 */
export const HEADERS_MAX = 100;

/**
 * How long a request may take for its line and headers. Source: control S9 of the reliability page
 * (10 to 15 s; Node's default is 60).
 */
export const HEADERS_TIMEOUT: Duration = seconds(15);

/**
 * How often connections are held against the timeouts; a slow one is closed that much later at the
 * most. Source: S9 (5 s or less; Node's default is 30).
 */
export const CONNECTIONS_CHECK: Duration = seconds(2);

/**
 * How long a whole request may take, however steadily it comes: a gigabyte at 2.5 Mbit/s takes an
 * hour. One that does not come steadily is cut sooner (`bodyIdle`).
 */
export const REQUEST_TIMEOUT: Duration = hours(1);

/**
 * How long a connection may be without a request. Longer than the 60 s after which proxies let go
 * of theirs (nginx's keepalive_timeout of an upstream, the idle timeout of AWS' load balancers):
 * else the server hangs up on a request that is on its way.
 */
export const KEEP_ALIVE: Duration = seconds(72);

/**
 * Requests on one connection; then its last answer says `Connection: close`. Often enough for a
 * fair share among servers, seldom enough to cost nothing.
 */
export const REQUESTS_PER_CONNECTION_MAX = 10_000;

/**
 * How long answers that are being written may take once the server closes; connections that are
 * still open then are cut.
 */
export const LAST_ANSWERS: Duration = seconds(1);

/** What a client is told to wait for a store that is away. */
export const STORE_RETRY: Duration = seconds(5);

/** What a client is told to wait for room on the disk. */
export const ROOM_RETRY: Duration = seconds(10);
