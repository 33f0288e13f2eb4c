// A real server in a process of its own, for tests that talk to one.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serve, serveCommand } from '../../tools/serve.ts';
import { databaseEnvironment, dropDatabase } from '../support/database.ts';

const fixture = (name: string): string => new URL(`fixtures/${name}.ts`, import.meta.url).pathname;

/**
 * `rows` takes tables, `anything` takes any input and waits for the end, `slow-sync` does too, but
 * not for long.
 */
const CONFIG = {
  logLevel: 'error',
  endpoints: {
    rows: { model: fixture('rows'), mode: 'async', default: true, batchSize: 2, replicas: { max: 1, concurrency: 4 } },
    anything: { model: fixture('anything'), mode: 'sync', replicas: { max: 1, concurrency: 4 } },
    'slow-sync': { model: fixture('anything'), mode: 'sync', syncTimeout: '1s' },
    narrow: { model: fixture('anything'), mode: 'async', queueLimit: 1, replicas: { max: 1, concurrency: 1 } },
  },
};

/** A server that is up. */
export interface RunningServer {
  readonly url: string;
  /** Kills it without a word, as a crash would; its data stays. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server on a free port with a folder of its own. */
export async function startServer(): Promise<RunningServer> {
  const folder = await mkdtemp(join(tmpdir(), 'claimcheck-client-'));
  const config = join(folder, 'claimcheck.config.json');
  await writeFile(config, JSON.stringify(CONFIG));
  const data = join(folder, 'data');
  const env = await databaseEnvironment(data);
  const start = (port: string) => serve(serveCommand(config, data, port), { env, stderr: 'inherit' });
  let served = await start('0');
  const { url } = served;
  return {
    url,
    kill: () => served.end('SIGKILL'),
    async restart() {
      served = await start(new URL(url).port);
    },
    async stop() {
      await served.end('SIGTERM');
      await dropDatabase(data);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
