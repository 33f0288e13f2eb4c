// The command as a child process, as people and scripts run it.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';

/** The program of the command. */
export const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;

/** A command that runs; its output so far can be looked at. */
export interface RunningCommand {
  readonly child: ChildProcessWithoutNullStreams;
  stdout(): string;
  stderr(): string;
  ended(): Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** Starts `claimcheck` with arguments, against a server. */
export function startCommand(
  url: string,
  args: readonly string[],
  input = '',
  environment: NodeJS.ProcessEnv = {},
  cwd: string = process.cwd(),
): RunningCommand {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { ...process.env, ...environment, CLAIMCHECK_URL: url, NO_COLOR: '1' },
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => (texts[name] += text));
  // A command that reads no input may have ended before it is written.
  child.stdin.on('error', () => {}).end(input);
  const closed = once(child, 'close');
  return {
    child,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    async ended() {
      await closed;
      return { code: child.exitCode, ...texts };
    },
  };
}
