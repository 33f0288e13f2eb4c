// The operator's token: it lies in the data folder, where the server's user alone can read it.
// Anyone who has it can read and change all that the server can, so it opens what keys cannot.
// Every start makes another: one that somebody was tricked into sending is worth nothing to a
// server that starts later.

import { randomUUID } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { isSecretOf, newKey, type NewKey, type PresentedKey } from './key-format.ts';

/** The token of one start of a server. */
export class OperatorToken {
  /** Where it lies once the server listens. */
  readonly file: string;
  readonly #key: NewKey = newKey();

  constructor(file: string) {
    this.file = file;
  }

  /** Whether a key that was presented is this token. */
  is({ keyId, secret }: PresentedKey): boolean {
    return keyId === this.#key.keyId && isSecretOf(secret, this.#key.digest);
  }

  /**
   * Writes it down: the token in the first line; in the second the only address that it may be sent
   * to, since another program may listen where a client looks for this server.
   */
  publish(url: string): void {
    // A new file under its name, and never one, or a link, that another user has put there.
    const draft = `${this.file}.${randomUUID()}`;
    writeFileSync(draft, `${this.#key.key}\n${url}\n`, { flag: 'wx', mode: 0o600 });
    renameSync(draft, this.file);
  }

  /** Takes it away. Nothing takes it for this server any more. */
  withdraw(): void {
    rmSync(this.file, { force: true });
  }
}
