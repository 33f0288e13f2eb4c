// Commands that open the vault themselves, whether a server runs or not: anyone who can read it is
// the operator.

import type { ConfigOverrides } from '../config/config.ts';
import type { Vault } from '../stores/vault/vault.ts';

/**
 * Opens the vault of a store for some work, and closes it. The work may ask for the names of the
 * endpoints that there are, in their order: those of the configuration that says where the store
 * is, and those that a server has told the vault of.
 */
export async function withVault<Result>(
  place: Pick<ConfigOverrides, 'config' | 'data'>,
  work: (vault: Vault, knownEndpoints: () => Promise<readonly string[]>) => Promise<Result>,
): Promise<Result> {
  // Imported here, so that every other command starts without the server's code.
  const [{ locateStore }, { openVault }] = await Promise.all([
    import('../config/config.ts'),
    import('../stores/open.ts'),
  ]);
  const store = await locateStore(place);
  const vault = await openVault(store);
  const configured = store.endpoints.map(({ name }) => name);
  try {
    return await work(vault, async () => [...new Set([...configured, ...(await vault.signingEndpoints())])].sort());
  } finally {
    await vault.close();
  }
}

/** Which endpoints there are, for a message about one that there is not. */
export const knownText = (known: readonly string[]): string =>
  known.length === 0 ? 'there is none yet' : `there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}`;
