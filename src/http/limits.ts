// What a client may cost: how much it may send, how slowly, and how many may listen at once.

import { type Duration, seconds } from '../domain/time.ts';

/** The limits of a server; each has a default in `DEFAULT_LIMITS`. */
export interface ServerLimits {
  /** Longest body, in bytes; the other two are bounds for bodies that are held, and bounded by this one. */
  readonly bodyBytes: number;
  /** Longest raw body that runs as a batch, in bytes: the table is held as long as its batch is at work. */
  readonly tableBytes: number;
  /** Longest envelope, in bytes. */
  readonly envelopeBytes: number;
  /** How long nothing of a body may come. */
  readonly bodyIdle: Duration;
  /** How long a client may take nothing of what is there for it. */
  readonly readerIdle: Duration;
  /** How many runs may be followed at once, over all clients. */
  readonly streams: number;
  /** How often a stream of events on which nothing happens says that it is there. */
  readonly keepAlive: Duration;
}

/**
 * `bodyBytes`: 2 GiB. It costs no memory, since a raw body flows to the disk, and the disk's room is watched while it flows.
 * `tableBytes`: 256 MiB. `envelopeBytes`: 64 MiB, since its input is cut out of it, checked and sent on, which holds it twice for a moment.
 * `bodyIdle`: 30 s (B21 of the reliability page), `readerIdle` as long. `streams`: 512, each of which asks the ledger once a second.
 * `keepAlive`: 15 s, which the standard of server-sent events recommends for proxies that cut silent connections.
 */
export const DEFAULT_LIMITS: ServerLimits = {
  bodyBytes: 2 ** 31,
  tableBytes: 2 ** 28,
  envelopeBytes: 2 ** 26,
  bodyIdle: seconds(30),
  readerIdle: seconds(30),
  streams: 512,
  keepAlive: seconds(15),
};
