// `claimcheck serve` in a process of its own, as people start it: for the demo, the fault loops and
// the tests.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const COMMAND = fileURLToPath(new URL('../bin/claimcheck.js', import.meta.url));

/** A server that listens. */
export interface Served {
  readonly url: string;
  readonly child: ChildProcess;
  /** What it has printed so far. */
  stdout(): string;
  stderr(): string;
  /** Sends a signal, and resolves when the process is gone; at once where it is gone already. */
  end(signal: NodeJS.Signals): Promise<void>;
  /** Its exit code once it has ended; null where a signal ended it. */
  ended(): Promise<number | null>;
}

/**
 * The command line that serves a configuration with its data in a folder. Port 0 is any that is
 * free.
 */
export const serveCommand = (config: string, data: string, port = '0'): string[] => [
  process.execPath,
  COMMAND,
  'serve',
  '--config',
  config,
  '--port',
  port,
  '--data',
  data,
];

/** How a server is started. */
export interface ServeOptions {
  /** What its environment has beside this process's. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /**
   * Whether it leads a process group of its own, so that what it starts in turn can be ended with
   * it.
   */
  readonly detached?: boolean;
  /** Where its standard error goes; kept for `stderr()` unless told. */
  readonly stderr?: 'inherit' | 'pipe';
}

/**
 * Runs a command line that serves; resolves when the server listens.
 *
 * @throws Error with all that it said, when it ends before that
 */
export async function serve([command, ...argv]: readonly string[], options: ServeOptions = {}): Promise<Served> {
  const child = spawn(command!, argv, {
    cwd: options.cwd,
    detached: options.detached,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', options.stderr ?? 'pipe'],
  });
  const closed = once(child, 'close');
  const said = { stdout: '', stderr: '' };
  const listening = new Promise<string>((resolve) => {
    for (const name of ['stdout', 'stderr'] as const)
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        said[name] += stripVTControlCharacters(text);
        const url = /listens on (\S+)\n/.exec(said.stdout)?.[1];
        if (url !== undefined) resolve(url);
      });
  });
  const failed = closed.then(() => {
    throw new Error(`The server ended before it listened: ${said.stdout}${said.stderr}`);
  });
  const url = await Promise.race([listening, failed]);
  failed.catch(() => {});
  return {
    url,
    child,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    async end(signal) {
      child.kill(signal);
      await closed;
    },
    async ended() {
      await closed;
      return child.exitCode;
    },
  };
}
