// The peer at a port of 127.0.0.1. Before a connection is opened the sockets that listen there are
// looked up, and afterwards once more: where they are the same and all the replica's, it has got
// the connection and nobody else.

import { milliseconds, seconds } from '../../domain/time.ts';
import { type Family, strangerAmong } from './kin.ts';
import { type Listener, listenersOn } from './listeners.ts';
import { type Peer, Stranger } from './peer.ts';

/**
 * How long the answer holds that a socket is a stranger's: a search through all processes costs
 * milliseconds, and pings may come every five.
 */
const STRANGER_REMAINS = milliseconds(250);
/** How long a stranger may hold the port of a replica that starts, before that start has failed. */
const STRANGER_MAX = seconds(1);

/** What is known of a replica that answers on a port. */
export interface PortFamily extends Family {
  /** Whether its first process still runs. */
  isAlive(): boolean;
}

/**
 * See the head of this file. Where the system does not list its sockets, it is enough that the
 * replica is alive.
 */
export class PortPeer implements Peer {
  readonly #family: PortFamily;
  readonly #onStranger: () => void;
  /** Sockets that have been found to be the replica's. */
  #own: ReadonlySet<string> = new Set();
  #stranger: { readonly key: string; readonly message: string; readonly until: number } | null = null;
  #strangeSince: number | null = null;

  /** `onStranger` is called once somebody else has held the port for longer than by accident. */
  constructor(family: PortFamily, onStranger: () => void) {
    this.#family = family;
    this.#onStranger = onStranger;
  }

  async reach<Connection extends { destroy(): unknown }>(connect: () => Promise<Connection>): Promise<Connection> {
    await this.#examine();
    const connection = await connect();
    try {
      const now = listenersOn(this.#family.port);
      if (this.#family.isAlive() && now?.every(({ inode }) => this.#own.has(inode)) !== false) return connection;
      throw new Stranger(`port ${this.#family.port} has changed hands while it was connected to`);
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** @throws Error where nobody listens, Stranger where it is not the replica alone */
  async #examine(): Promise<void> {
    const { port } = this.#family;
    if (!this.#family.isAlive()) throw new Stranger(`the replica of port ${port} has ended`);
    const listeners = listenersOn(port);
    if (listeners === null || (listeners.length > 0 && listeners.every(({ inode }) => this.#own.has(inode)))) return;
    if (listeners.length === 0) throw new Error(`nothing listens on port ${port} of 127.0.0.1, which PORT told it`);
    const message = await this.#strangerAmong(listeners);
    if (message !== null) throw this.#refused(message);
    this.#own = new Set(listeners.map(({ inode }) => inode));
    this.#strangeSince = null;
  }

  async #strangerAmong(listeners: readonly Listener[]): Promise<string | null> {
    const key = listeners.map(({ inode }) => inode).join();
    if (this.#stranger?.key === key && performance.now() < this.#stranger.until) return this.#stranger.message;
    const message = await strangerAmong(listeners, this.#family);
    this.#stranger = message === null ? null : { key, message, until: performance.now() + STRANGER_REMAINS };
    return message;
  }

  #refused(message: string): Stranger {
    this.#strangeSince ??= performance.now();
    if (performance.now() - this.#strangeSince > STRANGER_MAX) this.#onStranger();
    return new Stranger(message);
  }
}
