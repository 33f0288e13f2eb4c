// A gate that a model waits at until the test opens it: how a test holds a run for as long as it
// needs, without any time in it.

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Gates are files; a model waits until its file is there (see fixtures/anything.ts). */
export class Gates {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    // A model may run as a user of its own.
    chmodSync(folder, 0o777);
  }

  /** The path to hand to the model. */
  path(name: string): string {
    return join(this.#folder, name);
  }

  open(name: string): void {
    writeFileSync(this.path(name), '');
  }
}
