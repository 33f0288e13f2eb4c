// waiters: how long a submit takes at a server where ten thousand clients wait for runs, against
// one where nobody waits, in turn.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import type { BenchOptions } from './support/options.ts';
import { submit } from './support/load.ts';
import { count, ms, print, ratio } from './support/print.ts';
import { openFilesMax } from './support/processes.ts';
import { startClaimcheck, startProgram } from './support/program.ts';
import { median, percentile } from './support/statistics.ts';
import { type CleanUp, folderFor } from './support/stores.ts';

/** Many short rounds, so that what else the machine does hits both alike. */
const ROUNDS = 15;
/** Clients that submit: a moderate load, not one that fills the server by itself. */
const SUBMITTERS = 8;
/** Pause of a client after each submit, in milliseconds. */
const PAUSE_MS = 5;
const WARM_UP_SECONDS = 3;
/** Files that a process has open beside the sockets of the waiters. */
const OTHER_FILES = 200;

/** Runs the bench and prints its figures. */
export async function waiters({ short }: BenchOptions): Promise<void> {
  const wanted = short ? 2_000 : 10_000;
  const seconds = short ? 1 : 2;
  const waiting = Math.min(wanted, openFilesMax() - OTHER_FILES);
  if (waiting < wanted)
    print(
      `  Only ${count(waiting)} of ${count(wanted)} clients wait: a process may have ${count(openFilesMax())} files open here. Raise it with ulimit -n.`,
    );
  await using cleanUp = new AsyncDisposableStack();
  const [alone, waitedFor] = [await start(cleanUp, waiting), await start(cleanUp, waiting)];
  const clients = await startProgram('support/waiting-clients.ts', waitedFor.url, waitedFor.runIds);
  cleanUp.defer(() => clients.kill());
  for (const { connections } of [alone, waitedFor]) await submitFor(connections, WARM_UP_SECONDS);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { connections, times } of [alone, waitedFor]) times.push(await submitFor(connections, seconds));
  }
  const p99s = { alone: percentile(alone.times.flat(), 0.99), waitedFor: percentile(waitedFor.times.flat(), 0.99) };
  const ratios = waitedFor.times.map((times, round) => percentile(times, 0.99) / percentile(alone.times[round]!, 0.99));
  print(`  p99 of a submit ${ms(p99s.alone)} alone, ${ms(p99s.waitedFor)} with ${count(waiting)} waiting`);
  print(`  median of a submit ${ms(median(alone.times.flat()))} and ${ms(median(waitedFor.times.flat()))}`);
  print(
    `waiters: with ${count(waiting)} clients waiting, a submit's p99 is ${ratio(p99s.waitedFor / p99s.alone)} of what it is without them (median of ${ROUNDS} rounds ${ratio(median(ratios))}), ${SUBMITTERS} submitters`,
  );
}

/** A server, and how long submits to it have taken, round by round. */
interface Side {
  readonly url: string;
  readonly connections: Pool;
  /** File with the id of a run on every line; none of them ends. */
  readonly runIds: string;
  readonly times: number[][];
}

async function start(cleanUp: CleanUp, runs: number): Promise<Side> {
  const data = await folderFor(cleanUp);
  const { url, kill } = await startClaimcheck({ data, database: null, model: 'never' });
  cleanUp.defer(kill);
  const connections = cleanUp.adopt(new Pool(url, { connections: SUBMITTERS }), (pool) => pool.destroy());
  const runIds = join(data, 'run-ids');
  await writeFile(runIds, (await submitAll(connections, runs)).join('\n'));
  return { url, connections, runIds, times: [] };
}

/** Submits so many runs; answers their ids. */
async function submitAll(connections: Pool, runs: number): Promise<string[]> {
  const ids: string[] = [];
  const submitter = async (): Promise<void> => {
    while (ids.length < runs) ids.push(await submit(connections));
  };
  await Promise.all(Array.from({ length: SUBMITTERS }, submitter));
  return ids.slice(0, runs);
}

/**
 * Milliseconds that each submit took, of clients that send the next one a moment after the last is
 * answered.
 */
async function submitFor(connections: Pool, seconds: number): Promise<number[]> {
  const times: number[] = [];
  const endsAt = performance.now() + seconds * 1_000;
  const submitter = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      const startedAt = performance.now();
      await submit(connections);
      times.push(performance.now() - startedAt);
      await sleep(PAUSE_MS);
    }
  };
  await Promise.all(Array.from({ length: SUBMITTERS }, submitter));
  return times;
}
