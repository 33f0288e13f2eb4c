// The users of all endpoints of a server: each endpoint's replicas run as one of their own, in the order in which they were deployed.

import type { EndpointSpec } from '../../domain/endpoint.ts';
import type { Machine } from './machine.ts';
import { type ChosenUser, chooseUser, FIRST_UID } from './user.ts';

/** What the choice is made from. */
export interface UsersDeps {
  readonly machine: Pick<Machine, 'users' | 'cgroups'>;
  readonly environment: NodeJS.ProcessEnv;
  /** User id of the first endpoint; null for the default. */
  readonly firstUid: number | null;
}

/** Chooses users, and remembers them. */
export class Users {
  readonly #deps: UsersDeps;
  readonly #uids = new Map<string, number>();
  /** By what they were chosen from: two versions of an endpoint may differ in it, and one that is given up must not change the other. */
  readonly #chosen = new Map<string, number | null>();

  constructor(deps: UsersDeps) {
    this.#deps = deps;
  }

  /** Whom the replicas of an endpoint run as: a user id, or null for the server's own user. */
  of(spec: EndpointSpec): number | null {
    const chosen = this.#chosen.get(choiceOf(spec));
    if (chosen === undefined) throw new Error(`Nobody has chosen whom the replicas of ${spec.name} run as.`);
    return chosen;
  }

  /** Whether replicas can run as users of their own here. */
  get arePossible(): boolean {
    return this.#deps.machine.users;
  }

  /** Whether any replica runs as a user of its own. */
  get any(): boolean {
    return [...this.#chosen.values()].some((uid) => uid !== null);
  }

  /** Chooses the user of an endpoint, which keeps its id however often it is deployed. */
  choose(spec: EndpointSpec): ChosenUser {
    const { machine, environment, firstUid } = this.#deps;
    const uid = this.#uids.get(spec.name) ?? (firstUid ?? FIRST_UID) + this.#uids.size;
    this.#uids.set(spec.name, uid);
    const chosen = chooseUser(spec, uid, machine.users, environment);
    if ('uid' in chosen) this.#chosen.set(choiceOf(spec), chosen.uid);
    return chosen;
  }

  /** What of an endpoint's limits this machine does not keep, as a sentence; null where it keeps them all. */
  unkept({ name, replicas }: EndpointSpec): string | null {
    return replicas.memory !== null && this.#deps.machine.cgroups.folders.memory === undefined
      ? `replicas.memory of ${name} is not kept: this server may make no cgroups for memory.`
      : null;
  }
}

/** Everything that a user is chosen from, as a text. */
const choiceOf = ({ name, model, cwd, user }: EndpointSpec): string => JSON.stringify([name, model, cwd, user]);
