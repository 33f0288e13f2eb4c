// How many runs are followed at once: each costs a look a second, and perhaps a client that never goes away.

import type { FastifyReply } from 'fastify';
import { ServiceError } from '../domain/errors.ts';
import { whenOver } from './over.ts';

/** What a client is told to wait for a place, in seconds. */
const RETRY_SECONDS = '5';

/** Counts the streams that are open. */
export class Streams {
  readonly #max: number;
  #open = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Takes a place until the answer is over.
   *
   * @throws ServiceError `too-many-streams`
   */
  enter({ raw }: FastifyReply): void {
    if (this.#open >= this.#max)
      throw new ServiceError(
        'too-many-streams',
        `This server follows ${this.#max} runs already, the most that it does at once.`,
        {
          headers: { 'retry-after': RETRY_SECONDS },
        },
      );
    this.#open += 1;
    whenOver(raw, () => (this.#open -= 1));
  }
}
