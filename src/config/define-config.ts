// Gives a configuration written in TypeScript its types; imports nothing at run time, so that the
// client's entry point stays light.

import type { ConfigFile } from './config-file.ts';

/**
 * Declares a configuration; `claimcheck.config.ts` exports the result under the name `config`.
 *
 * @example
 * export const config = defineConfig({ endpoints: { 'smiles-to-3d': { model: './models/descriptors.ts', mode: 'async' } } });
 */
export function defineConfig(config: ConfigFile): ConfigFile {
  return config;
}
