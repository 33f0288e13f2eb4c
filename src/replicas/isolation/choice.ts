// The users of all endpoints of a server: each endpoint's replicas run as one of their own, in the order of the configuration.

import type { EndpointSpec } from '../../domain/endpoint.ts';
import type { FieldError } from '../../domain/errors.ts';
import type { Machine } from './machine.ts';
import { chooseUser, FIRST_UID } from './user.ts';

/** Endpoint → user id, or null for the server's own user; with what an operator should know, and what cannot be. */
export interface ChosenUsers {
  readonly users: ReadonlyMap<string, number | null>;
  readonly cautions: readonly string[];
  readonly mistakes: FieldError[];
}

/** Chooses the user of every endpoint. */
export function chooseUsers(
  { endpoints, environment, firstUid }: Choice,
  machine: Pick<Machine, 'users' | 'cgroups'>,
): ChosenUsers {
  const users = new Map<string, number | null>();
  const cautions: string[] = [];
  const mistakes: FieldError[] = [];
  for (const [index, spec] of endpoints.entries()) {
    const chosen = chooseUser(spec, (firstUid ?? FIRST_UID) + index, machine.users, environment);
    if ('mistake' in chosen) {
      mistakes.push({ pointer: `endpoints.${spec.name}.isolation.user`, detail: chosen.mistake });
      continue;
    }
    users.set(spec.name, chosen.uid);
    if (chosen.caution !== null) cautions.push(chosen.caution);
    if (spec.replicas.memory !== null && machine.cgroups.folders.memory === undefined)
      cautions.push(`replicas.memory of ${spec.name} is not kept: this server may make no cgroups for memory.`);
  }
  return { users, cautions, mistakes };
}

/** What of a configuration the choice is made from. */
interface Choice {
  readonly endpoints: readonly EndpointSpec[];
  readonly environment: NodeJS.ProcessEnv;
  /** User id of the first endpoint; null for the default. */
  readonly firstUid: number | null;
}
