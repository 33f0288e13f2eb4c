// starts: how long a server takes until it listens, and what that costs, by what its endpoints are:
// each model file is inspected first.

import { spawnSync } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EndpointFile } from '../src/config/config-file.ts';
import type { BenchOptions } from './support/options.ts';
import { ms, print, ratio } from './support/print.ts';
import { processorTime } from './support/processes.ts';
import { startCommand } from './support/program.ts';
import { median } from './support/statistics.ts';
import { folderFor } from './support/stores.ts';

const ROUNDS = 15;
const ROUNDS_SHORT = 5;
/** What all others are compared with: a program is not inspected. */
const BASE = 'a command';

const support = (file: string): string => fileURLToPath(new URL(`./support/${file}`, import.meta.url));
const hasPython = spawnSync('python3', ['--version']).status === 0;

type Endpoints = Readonly<Record<string, EndpointFile>>;

/** What one start took, in milliseconds. */
interface Start {
  readonly wall: number;
  /** Of all processors: the server's own time, and that of the processes which it has started. */
  readonly processor: number;
}

/** Runs the bench and prints its figures. */
export async function starts({ short }: BenchOptions): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const [models, compiled] = [await folderFor(cleanUp), await folderFor(cleanUp)];
  await chmod(models, 0o755);
  const cases = await casesIn(models);
  const taken = new Map(Object.keys(cases).map((name) => [name, [] as Start[]]));
  // One start for nothing: it reads the files from the disk that the others find in memory. Then
  // they take turns.
  for (const endpoints of Object.values(cases)) await start(endpoints, compiled);
  for (let round = 0; round < (short ? ROUNDS_SHORT : ROUNDS); round += 1)
    for (const [name, endpoints] of Object.entries(cases)) taken.get(name)!.push(await start(endpoints, compiled));
  const base = median(taken.get(BASE)!.map(({ wall }) => wall));
  for (const [name, of] of taken) {
    const wall = median(of.map((one) => one.wall));
    const processor = of.reduce((sum, one) => sum + one.processor, 0) / of.length;
    print(
      `starts: with ${name} a server listens after ${ms(wall)} (${ratio(wall / base)}), ${ms(processor)} of processors`,
    );
  }
}

async function casesIn(folder: string): Promise<Record<string, Endpoints>> {
  const node = await filesIn(folder, 'noop-model.ts', 'ts');
  const python = await filesIn(folder, 'noop-model.py', 'py');
  return {
    [BASE]: { command: { model: ['sleep', '86400'] } },
    'one file for Node': endpointsOf(node.slice(0, 1)),
    'four files for Node': endpointsOf(node),
    'one file for Node four times': endpointsOf(node.map(() => node[0]!)),
    ...(hasPython && {
      'one file for Python': endpointsOf(python.slice(0, 1)),
      'four files for Python': endpointsOf(python),
    }),
  };
}

const endpointsOf = (files: readonly string[]): Endpoints =>
  Object.fromEntries(files.map((model, at) => [`model-${at + 1}`, { model }]));

/** Four copies of a model, each of which imports what the first one does. */
async function filesIn(folder: string, model: string, extension: string): Promise<string[]> {
  const text = (await readFile(support(model), 'utf8')).replace('../../src/', support('../../src/'));
  const files = [1, 2, 3, 4].map((at) => join(folder, `model-${at}.${extension}`));
  await Promise.all(files.map((file) => writeFile(file, text)));
  return files;
}

/** Starts a server for the endpoints and ends it. */
async function start(endpoints: Endpoints, compiled: string): Promise<Start> {
  await using cleanUp = new AsyncDisposableStack();
  const folder = await folderFor(cleanUp);
  const config = join(folder, 'claimcheck.config.json');
  await writeFile(config, JSON.stringify({ endpoints }));
  // A server that is root has users of their own read the models.
  await chmod(folder, 0o755);
  const startedAt = performance.now();
  const { pid, stop } = await startCommand(['--config', config], { ...process.env, XDG_CACHE_HOME: compiled });
  const wall = performance.now() - startedAt;
  const processor = processorTime(pid) / 1_000;
  await stop();
  return { wall, processor };
}
