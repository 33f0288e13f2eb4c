// One round of the fault "kill -9 of the server": submit, kill at a random moment, start again, and hold what is there against what was acknowledged.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunBody } from '../../src/wire/runs.ts';

const SUBMITS = 200;
/** Every so many submits one is a table of this many rows, so that batches are killed in the middle too. */
const BATCH_EVERY = 20;
const BATCH_ROWS = 40;
const PATIENCE_MS = 120_000;

/** What a round found. Every list is empty when the promises hold. */
export interface RoundReport {
  readonly acknowledged: number;
  readonly killedAfterMs: number;
  /** Acknowledged runs that the server does not know, that have not succeeded, or that have another number of successful attempts than one. */
  readonly wrong: readonly string[];
  /** Processes of replicas that outlived the server that was killed. */
  readonly leftBehind: readonly number[];
}

/** Runs a round in a folder of its own. `killAfterMs` counts from the first submit. */
export async function killRound(killAfterMs: number): Promise<RoundReport> {
  const folder = await mkdtemp(join(tmpdir(), 'claimcheck-kill-'));
  const marker = randomUUID();
  try {
    const config = await writeConfig(folder, marker);
    const first = await serve(config, folder);
    const submits = submitAll(first.url);
    await sleep(killAfterMs);
    const gone = once(first.process, 'close');
    first.process.kill('SIGKILL');
    const acknowledged = await submits;
    await gone;
    const leftBehind = await processesWith(marker);
    const second = await serve(config, folder);
    const wrong = (await Promise.all(acknowledged.map((id) => judge(second.url, id)))).filter(
      (fault) => fault !== null,
    );
    second.process.kill('SIGTERM');
    await once(second.process, 'close');
    return { acknowledged: acknowledged.length, killedAfterMs: killAfterMs, wrong, leftBehind };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeConfig(folder: string, marker: string): Promise<string> {
  const model = new URL('../fixtures/slow-echo.ts', import.meta.url).pathname;
  const program = new URL('../fixtures/program.js', import.meta.url).pathname;
  const env = { KILL_ROUND: marker };
  const endpoints = {
    rows: { model, mode: 'async', batchSize: 4, env, replicas: { max: 2 } },
    program: { model: ['node', program], mode: 'async', env, replicas: { max: 1, concurrency: 4 } },
  };
  const file = join(folder, 'claimcheck.config.json');
  await writeFile(file, JSON.stringify({ endpoints, logLevel: 'silent' }));
  return file;
}

async function serve(config: string, folder: string): Promise<{ url: string; process: ChildProcess }> {
  const argv = [
    new URL('../../bin/claimcheck.js', import.meta.url).pathname,
    'serve',
    '--config',
    config,
    '--port',
    '0',
    '--data',
    join(folder, 'data'),
  ];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()));
  const ended = once(child, 'close').then(() => {
    throw new Error(`The server did not start: ${printed}`);
  });
  for (let url: string | undefined; ;) {
    await Promise.race([once(child.stdout, 'data'), ended]);
    url = /http:\/\/[\w.:]+/.exec(printed)?.[0];
    if (url === undefined) continue;
    ended.catch(() => {});
    return { url, process: child };
  }
}

/** Submits everything at once; answers the ids that came back with a 202. A submit that the kill cut off is nobody's promise. */
async function submitAll(url: string): Promise<string[]> {
  const answers = await Promise.allSettled(Array.from({ length: SUBMITS }, (_, index) => submit(url, index)));
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
}

async function submit(url: string, index: number): Promise<string> {
  const isBatch = index % BATCH_EVERY === 0;
  const rows = Array.from({ length: BATCH_ROWS }, (_, row) => `${index}-${row}`);
  const body = isBatch ? ['id', ...rows].join('\n') : JSON.stringify({ input: { id: index } });
  const endpoint = isBatch || index % 2 === 0 ? 'rows' : 'program';
  const headers = { 'content-type': isBatch ? 'text/csv' : 'application/json' };
  const response = await fetch(`${url}/endpoints/${endpoint}/invoke`, { method: 'POST', headers, body });
  const run = (await response.json()) as RunBody;
  if (response.status !== 202)
    throw new Error(`Submit ${index} was answered with ${response.status}: ${JSON.stringify(run)}`);
  return run.run_id;
}

/** What is wrong with a run that was acknowledged, once it has ended; null when it succeeded exactly once. */
async function judge(url: string, id: string): Promise<string | null> {
  const giveUp = AbortSignal.timeout(PATIENCE_MS);
  for (;;) {
    const response = await fetch(`${url}/runs/${id}?wait=30`, { signal: giveUp });
    if (response.status !== 200) return `${id} is answered with ${response.status}`;
    const run = (await response.json()) as RunBody;
    if (!run.done) continue;
    const successes = run.attempts.filter(({ outcome }) => outcome === 'succeeded').length;
    if (run.status !== 'succeeded' || successes !== 1)
      return `${id} is ${run.status} with ${successes} successful attempts: ${JSON.stringify(run.error)}`;
    const rows = run.progress?.done ?? null;
    return rows === null || rows === BATCH_ROWS ? null : `${id} has ${rows} of ${BATCH_ROWS} rows`;
  }
}

/** Processes whose environment holds the marker, once those that are dying have had their moment. */
async function processesWith(marker: string): Promise<number[]> {
  let found = findProcesses(marker);
  for (let tries = 0; found.length > 0 && tries < 100; tries += 1) {
    await sleep(20);
    found = findProcesses(marker);
  }
  return found;
}

function findProcesses(marker: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(marker))
    .map(Number);
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    // It ended between the listing and the reading, or belongs to somebody else: either way it is no replica of ours.
    return '';
  }
}
