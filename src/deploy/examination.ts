// What comes before a server: the models of its configuration are inspected. It needs little of the
// server's code, so that the processes which inspect are at work while the rest is loaded.

import type { Config } from '../config/config.ts';
import { Deployer } from './deployer.ts';
import type { FieldError } from '../domain/errors.ts';
import type { ModelKind } from '../model/load-model.ts';
import { Users } from '../replicas/isolation/choice.ts';
import { thisMachine } from '../replicas/isolation/machine.ts';
import type { Inspections } from '../replicas/runtimes/inspections.ts';
import { type Log, openLog } from '../system/log.ts';

/** A configuration whose models are being inspected, and what did that. */
export interface Examination {
  readonly users: Users;
  readonly log: Log;
  readonly deployer: Deployer;
  /**
   * What every endpoint's model takes; rejects with a ConfigError that names those which cannot be
   * used.
   */
  readonly found: ReturnType<Deployer['examineConfig']>;
}

/**
 * Begins to inspect every model of a configuration, and starts nothing else.
 *
 * @param inspections as `Deployer.examineConfig` takes them
 */
export function examine(config: Config, inspections?: Inspections): Examination {
  const users = usersOf(config);
  const log = openLog(config.logLevel);
  const deployer = new Deployer({ config, users, log });
  const found = deployer.examineConfig(inspections);
  // Who waits for it hears of it; nobody may wait yet.
  found.catch(() => {});
  return { users, log, deployer, found };
}

/**
 * What every endpoint's model takes, and all that is wrong with any of them; nothing is started.
 */
export async function inspectModels(
  config: Config,
): Promise<{ kinds: ReadonlyMap<string, ModelKind>; mistakes: readonly FieldError[] }> {
  return new Deployer({ config, users: usersOf(config), log: openLog('silent') }).lookOver();
}

const usersOf = ({ environment, firstUid }: Config): Users =>
  new Users({ machine: thisMachine(), environment, firstUid });
