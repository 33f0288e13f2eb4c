// Who it is that answers at a replica's address: nothing that somebody else answers there is ever
// believed.

/**
 * What has been reached, or would have been, is none of the replica's; the message says what it is,
 * as the end of a sentence.
 */
export class Stranger extends Error {
  override readonly name = 'Stranger';
}

/** The process that answers at an address of this machine. */
export interface Peer {
  /**
   * Opens a connection by `connect`, and answers it where it leads to the replica; else it is
   * closed.
   *
   * @throws Error where nobody answers there yet, Stranger where it is somebody else
   */
  reach<Connection extends { destroy(): unknown }>(connect: () => Promise<Connection>): Promise<Connection>;
}
