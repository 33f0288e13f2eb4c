// Ports for programs that are told one. A program binds its port some time after it was chosen, so
// each is remembered until its replica has ended: no two replicas are ever given the same.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';

/** How many ports are tried before it is said that none is free. */
const TRIES_MAX = 256;

/** A port that nobody else is given until it is released. */
export interface GivenPort {
  readonly port: number;
  readonly release: () => void;
}

/** The ports that one server gives out. */
export class Ports {
  readonly #given = new Set<number>();
  /** Ends, well or not, with the search that came last. */
  #last: Promise<void> = Promise.resolve();

  /**
   * A port of the loopback interface that nobody listens on at this moment, and that is nobody
   * else's: neither this server's nor, where the system is Linux, another server's of this machine.
   */
  give(): Promise<GivenPort> {
    // One after the other: who looks for a port holds all that it was offered, and would leave none
    // to another that looks beside it.
    const given = this.#last.then(() => this.#give());
    this.#last = given.then(
      () => {},
      () => {},
    );
    return given;
  }

  async #give(): Promise<GivenPort> {
    // Held until one is chosen, so that the system does not offer them again.
    const offered: Server[] = [];
    try {
      for (let tries = 0; tries < TRIES_MAX; tries += 1) {
        const server = createServer().listen(0, '127.0.0.1');
        await once(server, 'listening');
        offered.push(server);
        const { port } = server.address() as AddressInfo;
        const claim = this.#given.has(port) ? null : await claimPort(port);
        if (claim === null) continue;
        this.#given.add(port);
        return { port, release: () => this.#release(port, claim) };
      }
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    } finally {
      await Promise.all(offered.map(closed));
    }
    throw new Error(
      `There is no free port for a replica: ${this.#given.size} have been given out to others, and the system offers no more.`,
    );
  }

  #release(port: number, claim: Claim): void {
    this.#given.delete(port);
    claim.release();
  }
}

interface Claim {
  release(): void;
}

/**
 * Makes a port this server's in the eyes of other servers: by a name in Linux's abstract namespace,
 * which is as wide as that of the ports, and which goes with the process that has it. Null where
 * another one has it.
 */
async function claimPort(port: number): Promise<Claim | null> {
  if (process.platform !== 'linux') return { release: () => {} };
  const server = createServer((connection) => connection.destroy());
  try {
    await once(server.listen(`\0claimcheck-port-${port}`), 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return null;
    throw error;
  }
  // Nobody has anything to say there.
  server.on('error', () => {}).unref();
  return { release: () => void server.close() };
}

async function closed(server: Server): Promise<void> {
  const end = once(server, 'close');
  server.close();
  await end;
}
