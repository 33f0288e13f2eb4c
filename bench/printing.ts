// printing: what a model in Python pays for a print, beside what Python alone takes for it.
// Printing is reported line by line while the model works, so that it is there after a crash; it
// should not be what a model waits for.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { print } from './support/print.ts';

const PROGRAM = fileURLToPath(new URL('support/printing.py', import.meta.url));

/** Prints the processor time of a print in microseconds, alone and in a run, and their ratio. */
export function printing(): Promise<void> {
  const { stderr, status } = spawnSync('python3', [PROGRAM], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`python3 ended with ${status}: ${stderr}`);
  const costs = JSON.parse(stderr) as Record<string, [alone: number, inARun: number]>;
  for (const [name, [alone, inARun]] of Object.entries(costs)) {
    const micros = (seconds: number): string => `${(seconds * 1e6).toFixed(2)} µs`;
    print(
      `printing, ${name}: ${micros(inARun)} in a run, ${micros(alone)} alone: ${(inARun / alone).toFixed(1)} times`,
    );
  }
  return Promise.resolve();
}
