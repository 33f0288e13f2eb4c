// Inspections that belong together, such as those of a server's start: equal ones are made once,
// and few at a time.

import { availableParallelism } from 'node:os';
import type { EndpointSpec } from '../../domain/endpoint.ts';
import { seconds } from '../../domain/time.ts';
import type { Inspection } from '../../model/inspect.ts';
import { startTimer } from '../../system/clock.ts';
import { Places } from '../../system/places.ts';
import type { InspectedSpec } from './inspection.ts';
import { inspectEndpoint } from './runtime.ts';

/**
 * After this long an inspection makes room for the next one: it waits for something, or hangs, and
 * has no use for a processor.
 */
const PATIENCE = seconds(1);

/**
 * A process that starts waits for the disk as well, and for a server that is busy with its own
 * start and cannot start the next one.
 */
const PLACES_PER_PROCESSOR = 2;

/** What of an endpoint tells what its model is, and what it is inspected with. */
type InspectedEndpoint = Pick<EndpointSpec, 'model'> & InspectedSpec;

/** Who asks a model what it takes. */
export interface Asker {
  /** Stands before the command that asks, and changes the user; empty for the server's own. */
  readonly prefix: readonly string[];
  /** Whether another user of an endpoint's own would be told the same by this model. */
  readonly isLikeOthers: boolean;
}

/**
 * The inspections of one occasion: a start, or one deployment. What was found out is not kept for
 * the next one, since the files that a model imports may have changed by then.
 */
export class Inspections {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #made = new Map<string, Promise<Inspection>>();
  /** By all but who asked: for those who are like others. */
  readonly #madeForAll = new Map<string, Promise<Inspection>>();
  readonly #places = new Places(PLACES_PER_PROCESSOR * availableParallelism());

  /** @param environment the server's, of which a model sees a few variables */
  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment;
  }

  /**
   * Finds out what an endpoint's model takes, or why it cannot be used. A program is not asked: it
   * takes what it takes.
   *
   * @param asker who asks: the server's own user unless told
   */
  async of(spec: InspectedEndpoint, { prefix, isLikeOthers }: Asker = SERVER): Promise<Inspection> {
    const { model, env, cwd, replicas } = spec;
    const words = JSON.stringify([model, env, cwd, replicas.startTimeout]);
    const asItself = (): Promise<Inspection> =>
      once(this.#made, JSON.stringify([words, prefix]), () =>
        this.#whileQuick(() => inspectEndpoint(spec, this.#environment, prefix)),
      );
    if (!isLikeOthers) return asItself();
    const found = await once(this.#madeForAll, words, asItself);
    // The reason might be the other's alone.
    return 'error' in found ? asItself() : found;
  }

  /** Inspects at one of the places, which is given back after PATIENCE at the latest. */
  async #whileQuick(inspect: () => Promise<Inspection>): Promise<Inspection> {
    const leave = await this.#places.take();
    const stopTimer = startTimer(PATIENCE, leave);
    try {
      return await inspect();
    } finally {
      stopTimer();
      leave();
    }
  }
}

const SERVER: Asker = { prefix: [], isLikeOthers: false };

function once<Made>(made: Map<string, Made>, key: string, make: () => Made): Made {
  const known = made.get(key) ?? make();
  made.set(key, known);
  return known;
}
