// The users of all endpoints of a server: each endpoint's replicas run as one of their own, in the order in which they were deployed.

import type { EndpointSpec } from '../../domain/endpoint.ts';
import type { Machine } from './machine.ts';
import { type ChosenUser, chooseUser, FIRST_UID } from './user.ts';

/** What the choice is made from. */
export interface UsersParts {
  readonly machine: Pick<Machine, 'users' | 'cgroups'>;
  readonly environment: NodeJS.ProcessEnv;
  /** User id of the first endpoint; null for the default. */
  readonly firstUid: number | null;
}

/** Chooses users, and remembers them. */
export class Users {
  readonly #parts: UsersParts;
  readonly #uids = new Map<string, number>();
  readonly #chosen = new Map<string, number | null>();

  constructor(parts: UsersParts) {
    this.#parts = parts;
  }

  /** Whom the replicas of an endpoint run as: a user id, or null for the server's own user. */
  of(endpoint: string): number | null {
    return this.#chosen.get(endpoint) ?? null;
  }

  /** Whether any replica runs as a user of its own. */
  get any(): boolean {
    return [...this.#chosen.values()].some((uid) => uid !== null);
  }

  /** Chooses the user of an endpoint, which keeps its id however often it is deployed. */
  choose(spec: EndpointSpec): ChosenUser {
    const { machine, environment, firstUid } = this.#parts;
    const uid = this.#uids.get(spec.name) ?? (firstUid ?? FIRST_UID) + this.#uids.size;
    this.#uids.set(spec.name, uid);
    const chosen = chooseUser(spec, uid, machine.users, environment);
    if ('uid' in chosen) this.#chosen.set(spec.name, chosen.uid);
    return chosen;
  }

  /** What of an endpoint's limits this machine does not keep, as a sentence; null where it keeps them all. */
  unkept({ name, replicas }: EndpointSpec): string | null {
    return replicas.memory !== null && this.#parts.machine.cgroups.folders.memory === undefined
      ? `replicas.memory of ${name} is not kept: this server may make no cgroups for memory.`
      : null;
  }
}
