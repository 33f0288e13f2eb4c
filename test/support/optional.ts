// Whether this machine can do what an optional tool is needed for. It is found out by doing it: a
// program that is installed need not work.

import { spawnSync } from 'node:child_process';

/** A trial that hangs is one that fails: what it does takes a second at most where it works. */
const GIVE_UP_AFTER_MS = 30_000;

/** How a trial is made. */
export interface TrialOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** What standard output must have in it. */
  readonly prints?: string;
  /** What standard input brings; nothing unless told. */
  readonly input?: string;
}

/**
 * Why a program cannot do something here, as the end of a sentence: how it ended, and the last line
 * it printed. Null where it can.
 *
 * @example whyNot('bun', ['--eval', 'console.log(6 * 7)'], { prints: '42' })
 */
export function whyNot(
  program: string,
  argv: readonly string[],
  { env = process.env, prints = '', input = '' }: TrialOptions = {},
): string | null {
  const { error, status, signal, stdout, stderr } = spawnSync(program, argv, {
    encoding: 'utf8',
    env,
    input,
    timeout: GIVE_UP_AFTER_MS,
    killSignal: 'SIGKILL',
  });
  if (error !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT')
    return `there is no ${program} on the PATH`;
  if (status === 0 && stdout.includes(prints)) return null;
  const how = status === null ? `was ended by ${signal}` : `ended with ${status}`;
  const lastLine = `${stdout}\n${stderr}`.trimEnd().split('\n').at(-1)!.slice(0, 200);
  return `${[program, ...argv].join(' ').slice(0, 60)} ${how}: ${lastLine}`;
}

/**
 * What stands behind the name of a test that may be skipped: nothing where it runs, else why it
 * does not.
 */
export const orWhy = (reason: string | null): string => (reason === null ? '' : ` (skipped: ${reason})`);
