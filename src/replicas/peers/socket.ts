// The peer at a Unix socket. A replica makes its socket in a folder of its own, where it can also
// make a link to somebody else's. So the socket is taken out of there into a folder of the
// server's, where nobody can put another in its place, and looked at before anything is sent to it.

import { lstatSync, renameSync, unlinkSync } from 'node:fs';
import { type Peer, Stranger } from './peer.ts';

/**
 * Where a replica makes its socket, where the server keeps it, and whose it must be: a user id, or
 * null for the server's own user.
 */
export interface SocketPlace {
  readonly boundAt: string;
  readonly socketPath: string;
  readonly uid: number | null;
}

/**
 * See the head of this file. A socket's owner is who has made it, so its peer is a process of that
 * user.
 */
export class SocketPeer implements Peer {
  readonly #place: SocketPlace;
  readonly #onStranger: () => void;
  #isTaken = false;

  /**
   * `onStranger` is called where something else lies in the socket's place: the replica is not to
   * be trusted then.
   */
  constructor(place: SocketPlace, onStranger: () => void) {
    this.#place = place;
    this.#onStranger = onStranger;
  }

  async reach<Connection>(connect: () => Promise<Connection>): Promise<Connection> {
    if (!this.#isTaken) this.#take();
    return connect();
  }

  #take(): void {
    const { boundAt, socketPath, uid } = this.#place;
    // A link is moved as it is and not followed, and the folder that it lies in is no link: the one
    // around it is the server's.
    try {
      renameSync(boundAt, socketPath);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        throw new Error('it has made no socket yet', { cause: error });
      throw error;
    }
    const file = lstatSync(socketPath);
    const owner = uid ?? process.getuid?.() ?? file.uid;
    if (file.isSocket() && file.uid === owner) {
      this.#isTaken = true;
      return;
    }
    unlinkSync(socketPath);
    const found = file.isSymbolicLink() ? 'a link' : file.isSocket() ? `a socket of user ${file.uid}` : 'no socket';
    this.#onStranger();
    throw new Stranger(`what lies at ${boundAt} is ${found}, where a socket of user ${owner} should be`);
  }
}
