// How many runs are followed at once: each costs a look a second, and perhaps a client that never
// goes away. One client may take half of the places; beyond that it gets no more than its share, so
// that the others find some.

import type { FastifyReply } from 'fastify';
import { ServiceError } from '../../domain/errors.ts';
import { networkOf } from '../connections.ts';
import { whenOver } from './over.ts';

/** What a client is told to wait for a place, in seconds. */
const RETRY_SECONDS = '5';

/** How many places there are. */
export interface StreamLimits {
  /** Over all clients. */
  readonly streams: number;
  /** Of one client, once half of all are taken. */
  readonly streamsPerClient: number;
}

/** Counts the streams that are open. */
export class Streams {
  readonly #limits: StreamLimits;
  /** By address, and by tenant where there are some. */
  readonly #byClient = new Map<string, number>();
  #open = 0;

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  /**
   * Takes a place until the answer is over.
   *
   * @throws ServiceError `too-many-streams`
   */
  enter({ raw, request: { ip, principal } }: Pick<FastifyReply, 'raw'> & { readonly request: Asking }): void {
    const { streams, streamsPerClient } = this.#limits;
    if (this.#open >= streams)
      throw tooMany(`This server follows ${streams} runs already, the most that it does at once.`);
    const clients = [`address ${networkOf(ip)}`, ...(principal.tenant === null ? [] : [`tenant ${principal.tenant}`])];
    const most = Math.max(...clients.map((client) => this.#byClient.get(client) ?? 0));
    if (this.#open >= streams / 2 && most >= streamsPerClient)
      throw tooMany(
        `${most} runs are followed from here already. Half of this server's ${streams} places are taken, and from then on one address, or one tenant, has ${streamsPerClient} at the most.`,
      );
    this.#open += 1;
    for (const client of clients) this.#add(client, 1);
    whenOver(raw, () => {
      this.#open -= 1;
      for (const client of clients) this.#add(client, -1);
    });
  }

  #add(client: string, change: 1 | -1): void {
    const count = (this.#byClient.get(client) ?? 0) + change;
    if (count === 0) this.#byClient.delete(client);
    else this.#byClient.set(client, count);
  }
}

/** As much of a request as says whose it is. */
type Asking = Pick<FastifyReply['request'], 'ip'> & {
  readonly principal: Pick<FastifyReply['request']['principal'], 'tenant'>;
};

const tooMany = (detail: string): ServiceError =>
  new ServiceError('too-many-streams', detail, { headers: { 'retry-after': RETRY_SECONDS } });
