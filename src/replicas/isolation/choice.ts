// The users of all endpoints of a server: each endpoint's replicas run as one of their own, in the
// order in which they were deployed.

import type { EndpointSpec } from '../../domain/endpoint.ts';
import type { Machine } from './machine.ts';
import type { Asker } from '../runtimes/inspections.ts';
import { type ChosenUser, chooseUser, FIRST_UID, isOpenToAll, runModelAs } from './user.ts';

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
  /**
   * By what they were chosen from: two versions of an endpoint may differ in it, and one that is
   * given up must not change the other.
   */
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

  /**
   * Asks a model's file what it takes as the user of its own that its endpoint would have. Where
   * that works, the user can read all that `choose` looks at. Null where there is no such user to
   * be had, or no file.
   */
  ownAsker(spec: EndpointSpec): Asker | null {
    const uid = this.#uidOf(spec);
    const { model, cwd, user } = spec;
    if (!this.arePossible || user === 'server' || !('file' in model)) return null;
    const { environment } = this.#deps;
    return {
      prefix: runModelAs(uid, { model, cwd }, environment),
      isLikeOthers: isOpenToAll({ model, cwd }, environment),
    };
  }

  /** Lets an endpoint have the user of its own, as which its model's file has been run. */
  take(spec: EndpointSpec): ChosenUser {
    const uid = this.#uidOf(spec);
    this.#chosen.set(choiceOf(spec), uid);
    return { uid, caution: null };
  }

  /**
   * Chooses the user of an endpoint: looks, as that user, at whether it can read what the model
   * needs.
   */
  choose(spec: EndpointSpec): ChosenUser {
    const { machine, environment } = this.#deps;
    const chosen = chooseUser(spec, this.#uidOf(spec), machine.users, environment);
    if ('uid' in chosen) this.#chosen.set(choiceOf(spec), chosen.uid);
    return chosen;
  }

  /** An endpoint keeps its id however often it is deployed. */
  #uidOf({ name }: EndpointSpec): number {
    const uid = this.#uids.get(name) ?? (this.#deps.firstUid ?? FIRST_UID) + this.#uids.size;
    this.#uids.set(name, uid);
    return uid;
  }

  /**
   * What of an endpoint's limits this machine does not keep, as a sentence; null where it keeps
   * them all.
   */
  unkept({ name, replicas }: EndpointSpec): string | null {
    return replicas.memory !== null && this.#deps.machine.cgroups.folders.memory === undefined
      ? `replicas.memory of ${name} is not kept: this server may make no cgroups for memory.`
      : null;
  }
}

/** Everything that a user is chosen from, as a text. */
const choiceOf = ({ name, model, cwd, user }: EndpointSpec): string => JSON.stringify([name, model, cwd, user]);
