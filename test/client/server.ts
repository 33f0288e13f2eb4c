// A real server in a process of its own, for the tests of whatever talks to one.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;
const fixture = (name: string): string => new URL(`fixtures/${name}.ts`, import.meta.url).pathname;

/** `rows` takes tables, `anything` takes any input and waits for the end, `slow-sync` does too, but not for long. */
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
  let { child, url } = await serve(config, folder, '0');
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    url,
    kill: () => end('SIGKILL'),
    async restart() {
      ({ child } = await serve(config, folder, new URL(url).port));
    },
    async stop() {
      await end('SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function serve(config: string, folder: string, port: string): Promise<{ child: ChildProcess; url: string }> {
  const args = [MAIN, 'serve', '--config', config, '--port', port, '--data', join(folder, 'data')];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /listens on (\S+)/.exec(stripVTControlCharacters(line))?.[1];
    if (url === undefined) continue;
    // Nobody reads the rest, and a full pipe would stop the server.
    child.stdout.resume();
    return { child, url };
  }
  throw new Error('The server ended before it listened; its reason is above.');
}
