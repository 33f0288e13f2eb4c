// Who is let in where: without keys a server listens to its own machine alone.

import { isIPv4 } from 'node:net';
import { Authenticator, isUsable } from './authenticator.ts';
import { OperatorToken } from './operator-token.ts';
import type { Clock } from '../../system/clock.ts';
import { type Config, tokenFile } from '../../config/config.ts';
import type { Vault } from '../../stores/vault/vault.ts';

/** Whether only this machine can reach a server that listens there. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));

/** Who is let in, by which keys, and how many of them there are, as `Service` says. */
export interface Door {
  readonly authenticator: Authenticator;
  /** Opens everything, once it is published. */
  readonly operator: OperatorToken;
  readonly usableKeys: number | null;
}

/**
 * Everybody may be let in, to invoke and to read, while there are no keys where nobody else can
 * reach the server, or it was told to.
 *
 * @throws Error elsewhere: the message says what to do
 */
export async function openDoor(config: Config, vault: Vault, clock: Clock): Promise<Door> {
  const openWithoutKeys = isLoopback(config.host) || config.insecure;
  const keys = await vault.keys();
  const usable = keys.filter((key) => isUsable(key, clock.now())).length;
  if (usable === 0 && !openWithoutKeys) throw new Error(noKeyToAskFor(config));
  const operator = new OperatorToken(tokenFile(config));
  const authenticator = new Authenticator({ vault, clock, openWithoutKeys, operator });
  return { authenticator, operator, usableKeys: keys.length === 0 ? null : usable };
}

function noKeyToAskFor({ host, database, data, file }: Config): string {
  const place = database === null ? `--data ${data}` : `--config ${file}`;
  return `No key is there that could be asked for, so anyone who reaches ${host} could run models and read results. Make one first:\n  claimcheck keys create --name me --scope invoke --scope read --scope manage ${place}\nOr listen on 127.0.0.1, or say --insecure.`;
}
