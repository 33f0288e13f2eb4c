// A server as people start it: a process of its own, on a data folder that the test keeps.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { ConfigFile, EndpointFile } from '../../src/config/config-file.ts';
import { serve, type Served, serveCommand } from '../../tools/serve.ts';
import { databaseEnvironment } from './database.ts';
import { send, type TestAnswer, unanswered } from './http.ts';
import { FIXTURES } from './service.ts';

/** A server in a process, and how a test talks to it. */
export interface ServerProcess extends Served {
  /**
   * Submits an input to an endpoint asynchronously; null where the server hung up or is not there.
   */
  submit(endpoint: string, input: unknown): Promise<TestAnswer | null>;
}

/**
 * Starts a server in a folder; its data is in `data` there. `settings` stand beside the endpoints
 * in its configuration, `prefix` before its command.
 */
export async function startServerProcess(
  folder: string,
  endpoints: Readonly<Record<string, EndpointFile>>,
  environment: Readonly<Record<string, string>> = {},
  settings: Partial<ConfigFile> = {},
  prefix: readonly string[] = [],
): Promise<ServerProcess> {
  const config = join(folder, 'claimcheck.config.json');
  const absolute = Object.entries(endpoints).map(([name, endpoint]) => [name, { cwd: FIXTURES, ...endpoint }]);
  writeFileSync(config, JSON.stringify({ ...settings, endpoints: Object.fromEntries(absolute) }));
  const data = join(folder, 'data');
  const env = { ...(await databaseEnvironment(data)), ...environment };
  const served = await serve([...prefix, ...serveCommand(config, data)], { env });
  onTestFinished(() => void served.child.kill('SIGKILL'));
  return {
    ...served,
    submit: (endpoint, input) =>
      send(served.url, 'POST', `/endpoints/${endpoint}/invoke`, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ input, async: true }),
      }).catch(unanswered),
  };
}
