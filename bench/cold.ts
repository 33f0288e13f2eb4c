// cold: how long the first answer takes of an endpoint that has no replica, by runtime, and what
// that time goes into.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EndpointFile } from '../src/config/config-file.ts';
import type { EndpointBody } from '../src/wire/endpoints.ts';
import type { RunBody } from '../src/wire/runs.ts';
import type { BenchOptions } from './support/options.ts';
import { BODY } from './support/load.ts';
import { ms, print } from './support/print.ts';
import { startClaimcheck } from './support/program.ts';
import { median } from './support/statistics.ts';
import { folderFor } from './support/stores.ts';

const STARTS = 20;
const STARTS_SHORT = 10;
/** Pause between questions whether the last replica is gone, in milliseconds. */
const LOOK_MS = 20;

const support = (file: string): string => fileURLToPath(new URL(`./support/${file}`, import.meta.url));
const hasPython = spawnSync('python3', ['--version']).status === 0;

/** A trivial model for each runtime. */
const MODELS: Readonly<Record<string, EndpointFile['model']>> = {
  node: support('noop-model.ts'),
  'command-node': [process.execPath, support('ping-model.mjs')],
  ...(hasPython && {
    python: support('noop-model.py'),
    'command-python': ['python3', support('ping-model.py')],
  }),
};

/** Milliseconds of one first answer. */
interface Cold {
  readonly total: number;
  /** From the start of the process to its first good ping. */
  readonly start: number;
  /** From the claim of the run to its outcome. */
  readonly attempt: number;
}

/** Runs the bench and prints its figures. */
export async function cold({ short }: BenchOptions): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const endpoints = Object.entries(MODELS).map(([name, model]): [string, EndpointFile] => [
    name,
    { model, mode: 'sync', replicas: { max: 1, idle: '100ms' } },
  ]);
  const { url, kill } = await startClaimcheck({
    data: await folderFor(cleanUp),
    database: null,
    model: Object.fromEntries(endpoints),
  });
  cleanUp.defer(kill);
  const times = new Map(Object.keys(MODELS).map((name) => [name, [] as Cold[]]));
  // One start for nothing: it reads the files from the disk that the others find in memory. Then
  // they take turns.
  for (const name of times.keys()) await firstAnswer(url, name);
  for (let start = 0; start < (short ? STARTS_SHORT : STARTS); start += 1) {
    for (const [name, taken] of times) taken.push(await firstAnswer(url, name));
  }
  for (const [name, taken] of times) {
    const of = (part: (cold: Cold) => number): string => ms(median(taken.map(part)));
    print(
      `  ${name}: ${of(({ start }) => start)} from spawn to ready, ${of(({ attempt }) => attempt)} from claim to outcome, ${of(({ total, start, attempt }) => total - start - attempt)} for all else`,
    );
    print(
      `cold: ${name} answers ${of(({ total }) => total)} after it was asked without a replica (median of ${taken.length})`,
    );
  }
}

async function firstAnswer(url: string, name: string): Promise<Cold> {
  while ((await endpointOf(url, name)).state !== 'idle') await sleep(LOOK_MS);
  const startedAt = performance.now();
  const answer = await fetch(`${url}/endpoints/${name}/invoke`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: BODY,
  });
  const text = await answer.text();
  const total = performance.now() - startedAt;
  if (answer.status !== 200) throw new Error(`${name} answered ${answer.status}: ${text}`);
  const run = (await (await fetch(`${url}/runs/${answer.headers.get('run-id')}`)).json()) as RunBody;
  const { cold_start_seconds: start, started_at: claimed, finished_at: finished } = run.attempts[0]!;
  if (start === null) throw new Error(`${name} had a replica already.`);
  return { total, start: start * 1_000, attempt: Date.parse(finished!) - Date.parse(claimed) };
}

async function endpointOf(url: string, name: string): Promise<EndpointBody> {
  return (await (await fetch(`${url}/endpoints/${name}`)).json()) as EndpointBody;
}
