// Programs that a bench starts: they print where they listen, and end when they are told to.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ServerOptions } from './claimcheck-server.ts';
import type { FillOptions } from './fill.ts';

/** How long a program may take to end before it is killed, in milliseconds. */
const PATIENCE_MS = 15_000;

/** A program that listens. */
export interface Program {
  readonly url: string;
  readonly pid: number;
  /** Lets it stand still, or go on: what is measured beside it then has the machine for itself. */
  pause(): void;
  resume(): void;
  /** Ends it with SIGTERM; answers the last line that it printed. */
  stop(): Promise<string>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
}

/**
 * Starts a Node program of this folder and waits for the first line that it prints.
 *
 * @param file path relative to `bench/`
 * @throws Error when it ends before it has printed one
 */
export const startProgram = (file: string, ...args: readonly string[]): Promise<Program> =>
  startNode([pathOf(file), ...args]);

const pathOf = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url));

async function startNode(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Program> {
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], env });
  const closed = once(child, 'close');
  const first = await Promise.race([once(child.stdout, 'data'), closed.then(() => null)]);
  if (first === null) throw new Error(`${argv.join(' ')} ended before it listened.`);
  const lines = [String(first[0]).trim()];
  child.stdout.on('data', (bytes: Buffer) => lines.push(bytes.toString().trim()));
  return {
    url: lines[0]!,
    pid: child.pid!,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop() {
      await end(child, closed, 'SIGTERM');
      return lines.at(-1)!;
    },
    kill: () => end(child, closed, 'SIGKILL'),
  };
}

/** Starts claimcheck with the flags of its command; see `ServerOptions`. */
export const startClaimcheck = (options: ServerOptions): Promise<Program> =>
  startNode([...flagsOfCommand(), pathOf('support/claimcheck-server.ts'), JSON.stringify(options)]);

/**
 * Starts `claimcheck serve` as somebody does who types it, on any port; what Node has compiled is
 * kept in a folder of `env`.
 */
export const startCommand = (options: readonly string[], env: NodeJS.ProcessEnv): Promise<Program> =>
  startNode([...flagsOfCommand(), pathOf('../bin/claimcheck.js'), 'serve', '--port', '0', ...options], env);

/**
 * The flags that Node gets where the command is started by its name, from the command's first line.
 */
function flagsOfCommand(): string[] {
  const [firstLine] = readFileSync(pathOf('../bin/claimcheck.js'), 'utf8').split('\n', 1);
  return firstLine!.split(' ').filter((word) => word.startsWith('--'));
}

/**
 * Fills a ledger in a process of its own, so that none of its memory or locks is left; see
 * `FillOptions`.
 */
export async function fill(options: FillOptions): Promise<void> {
  await (await startProgram('support/fill.ts', JSON.stringify(options))).stop();
}

async function end(child: ChildProcess, closed: Promise<unknown>, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  await closed;
  clearTimeout(patience);
}
