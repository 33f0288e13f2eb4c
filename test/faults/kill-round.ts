// One round of the fault "kill -9 of a server": submit, kill at a random moment, start again, and
// hold what is there against what was acknowledged. Where several servers share a database, the
// others go on meanwhile.

import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { blobFolder, cacheFile, capturesFile, capturesFolder, ledgerFile, vaultFile } from '../../src/config/config.ts';
import { systemClock } from '../../src/system/clock.ts';
import { examine } from '../../src/stores/doctor/examination.ts';
import { openStore } from '../../src/stores/doctor/store.ts';
import { folderPlace } from '../../src/stores/open.ts';
import type { RunBody } from '../../src/wire/runs.ts';
import { serve, type Served, serveCommand } from '../../tools/serve.ts';

/** Submits before every kill. */
const SUBMITS = 200;
/**
 * Every so many submits one is a table of this many rows, so that batches are killed in the middle
 * too.
 */
const BATCH_EVERY = 20;
const BATCH_ROWS = 40;
/**
 * For a run to end: a killed server's claims are taken back after 30 s where others share its
 * ledger, and that may happen again.
 */
const PATIENCE_MS = 240_000;

/** What a round does. */
export interface Round {
  /** The database that the servers share, empty; null for one server on SQLite. */
  readonly database: string | null;
  readonly servers: number;
  /**
   * The moments of the kills, one after the other: each counts in milliseconds from the first
   * acknowledgement before it, so that no kill is for nothing.
   */
  readonly killsAfterMs: readonly number[];
}

/** What a round found. Every list is empty when the promises hold. */
export interface RoundReport {
  readonly acknowledged: number;
  /** Acknowledged runs that no server knows, or that have not succeeded. */
  readonly lost: readonly string[];
  /** Acknowledged runs with more than one successful attempt, or with other rows than were sent. */
  readonly endedTwice: readonly string[];
  /** Processes of replicas that outlived the server that was killed. */
  readonly leftBehind: readonly number[];
  /** What the doctor says of the store when all is over. */
  readonly broken: readonly string[];
}

/** Runs a round in a folder of its own. */
export async function killRound({ database, servers: count, killsAfterMs }: Round): Promise<RoundReport> {
  const folder = await mkdtemp(join(tmpdir(), 'claimcheck-kill-'));
  const data = join(folder, 'data');
  const started: Victim[] = [];
  try {
    const config = await writeConfig(folder);
    const start = async (): Promise<Victim> => {
      const victim = await startVictim(config, data, database);
      started.push(victim);
      return victim;
    };
    const servers = await Promise.all(Array.from({ length: count }, start));
    const acknowledged: string[] = [];
    const leftBehind: number[] = [];
    for (const killAfterMs of killsAfterMs) {
      const submits = submitAll(servers.map(({ served }) => served.url));
      await Promise.any(submits);
      await sleep(killAfterMs);
      const place = Math.floor(Math.random() * count);
      const { served, marker } = servers[place]!;
      await served.end('SIGKILL');
      const answers = await Promise.allSettled(submits);
      acknowledged.push(...answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : [])));
      leftBehind.push(...(await processesWith(marker)));
      servers[place] = await start();
    }
    const judged = await Promise.all(acknowledged.map((id, index) => judge(servers[index % count]!.served.url, id)));
    await Promise.all(servers.map(({ served }) => served.end('SIGTERM')));
    const wrong = (kind: Fault['kind']): string[] =>
      judged.flatMap((fault) => (fault?.kind === kind ? [fault.what] : []));
    return {
      acknowledged: acknowledged.length,
      lost: wrong('lost'),
      endedTwice: wrong('ended twice'),
      leftBehind,
      broken: await brokenPromises(data, database),
    };
  } finally {
    // Those that still run, when the round could not be brought to its end.
    await Promise.all(started.map(({ served }) => served.end('SIGKILL')));
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeConfig(folder: string): Promise<string> {
  const model = new URL('../fixtures/slow-echo.ts', import.meta.url).pathname;
  const program = new URL('../fixtures/program.js', import.meta.url).pathname;
  const endpoints = {
    rows: { model, mode: 'async', batchSize: 4, replicas: { max: 2 } },
    program: { model: ['node', program], mode: 'async', replicas: { max: 1, concurrency: 4 } },
  };
  const file = join(folder, 'claimcheck.config.json');
  await writeFile(file, JSON.stringify({ endpoints, logLevel: 'silent' }));
  return file;
}

/** A server, and what stands in the environment of its replicas. */
interface Victim {
  readonly served: Served;
  readonly marker: string;
}

async function startVictim(config: string, data: string, database: string | null): Promise<Victim> {
  const marker = randomUUID();
  // PATH is one of the few variables that a replica has from its server, under any user.
  const path = `${process.env['PATH']}:/nowhere/${marker}`;
  const env = { PATH: path, ...(database !== null && { CLAIMCHECK_DATABASE_URL: database }) };
  return { served: await serve(serveCommand(config, data), { env, stderr: 'inherit' }), marker };
}

/**
 * Submits everything at once, to all servers: the ids that come back with a 202. A submit that the
 * kill cuts off is nobody's promise.
 */
const submitAll = (urls: readonly string[]): Promise<string>[] =>
  Array.from({ length: SUBMITS }, (_, index) => submit(urls[index % urls.length]!, index));

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

interface Fault {
  readonly kind: 'lost' | 'ended twice';
  readonly what: string;
}

/**
 * What is wrong with a run that was acknowledged, once it has ended; null when it succeeded exactly
 * once.
 */
async function judge(url: string, id: string): Promise<Fault | null> {
  const giveUp = Date.now() + PATIENCE_MS;
  while (Date.now() < giveUp) {
    const response = await fetch(`${url}/runs/${id}?wait=30`);
    if (response.status !== 200) return { kind: 'lost', what: `${id} is answered with ${response.status}` };
    const run = (await response.json()) as RunBody;
    if (!run.done) continue;
    const successes = run.attempts.filter(({ outcome }) => outcome === 'succeeded').length;
    const what = `${id} is ${run.status} with ${successes} successful attempts: ${JSON.stringify(run.error)}`;
    if (run.status !== 'succeeded' || successes === 0) return { kind: 'lost', what };
    if (successes > 1) return { kind: 'ended twice', what };
    const rows = run.progress?.done ?? null;
    if (rows === null || rows === BATCH_ROWS) return null;
    return { kind: 'ended twice', what: `${id} has ${rows} of ${BATCH_ROWS} rows` };
  }
  return { kind: 'lost', what: `${id} has not ended` };
}

/** The promises that the store breaks, and where. */
async function brokenPromises(data: string, database: string | null): Promise<string[]> {
  const ledger = database === null ? { file: ledgerFile(data) } : { url: database };
  const [captures, captureBlobs] = [capturesFile(data), capturesFolder(data)];
  const store = await openStore({
    ledger,
    blobs: blobFolder(data),
    captures,
    captureBlobs,
    folder: folderPlace({ data, database }),
    vault: vaultFile(data),
    cache: cacheFile(data),
  });
  try {
    const { findings } = await examine(store, systemClock.now(), () => {});
    return findings.filter(({ kept }) => kept !== true).map(({ promise, places }) => `${promise} ${places.join(', ')}`);
  } finally {
    await store.close();
  }
}

/**
 * Processes whose environment holds the marker, once those that are dying have had their moment.
 */
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
    // It ended between the listing and the reading, or belongs to somebody else: either way it is
    // no replica of ours.
    return '';
  }
}
