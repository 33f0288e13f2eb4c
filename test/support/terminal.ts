// A command in a real pseudo-terminal, as somebody sits before it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { screenOf } from './screen.ts';

const PROGRAM = fileURLToPath(new URL('terminal.py', import.meta.url));

/** A terminal in which a command runs. */
export interface Terminal {
  /** All that was written to it. */
  written(): string;
  /** What is seen. */
  screen(): string[];
  type(keys: string): void;
  /** The command's exit code. */
  ended(): Promise<number | null>;
}

/** Starts a command in a terminal, until the test is over. */
export function openTerminal(argv: readonly string[], environment: NodeJS.ProcessEnv = {}): Terminal {
  const env = { ...process.env, TERM: 'xterm-256color', NO_COLOR: undefined, CI: undefined, ...environment };
  const child = spawn('python3', [PROGRAM, ...argv], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const closed = once(child, 'close');
  let written = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (written += text));
  return {
    written: () => written,
    screen: () => screenOf(written),
    type: (keys) => void child.stdin.write(keys),
    async ended() {
      child.stdin.end();
      await closed;
      return child.exitCode;
    },
  };
}
