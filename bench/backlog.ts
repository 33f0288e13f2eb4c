// backlog: what a million queued runs cost a server: throughput against a thousand queued, its
// memory, and how soon it works after kill -9.

import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import type { EndpointBody } from '../src/wire/endpoints.ts';
import type { BenchOptions } from './support/options.ts';
import { submit } from './support/load.ts';
import { ledgerFile } from './support/port.ts';
import { count, print, ratio } from './support/print.ts';
import { peakMemory } from './support/processes.ts';
import { fill, type Program, startClaimcheck } from './support/program.ts';
import { median } from './support/statistics.ts';
import { type CleanUp, folderFor, isLedger, postgresFor } from './support/stores.ts';

const SHALLOW = 1_000;
const CONNECTIONS = 64;
const ROUNDS = 12;
const RESTARTS = 3;
/** Pause between two looks at how many runs are queued, in milliseconds. */
const LOOK_MS = 20;
/**
 * How long a server works before it is killed, in milliseconds: a run that loses its server three
 * times fails.
 */
const WORK_MS = 1_000;

/** A ledger, and its server, that is kept at a depth. */
interface Side {
  readonly place: Place;
  readonly depth: number;
  readonly server: Program;
  readonly rates: number[];
}

interface Place {
  readonly data: string;
  readonly database: string | null;
}

/** Runs the bench and prints its figures. */
export async function backlog(options: BenchOptions): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const inFile = async (): Promise<Place> => ({ data: await folderFor(cleanUp), database: null });
  await measure(cleanUp, 'SQLite', options, inFile);
  const postgres = await postgresFor(cleanUp);
  const inDatabase = async (): Promise<Place> => ({
    data: await folderFor(cleanUp),
    database: await postgres.newDatabase(),
  });
  if (await isTaken(cleanUp, await inDatabase())) await measure(cleanUp, 'Postgres', options, inDatabase);
  else print('  Postgres is skipped: the server keeps runs in SQLite alone.');
}

async function measure(
  cleanUp: CleanUp,
  store: string,
  { short }: BenchOptions,
  newPlace: () => Promise<Place>,
): Promise<void> {
  const deepest = short ? 100_000 : 1_000_000;
  const [warmUpSeconds, seconds] = short ? [1, 0.5] : [5, 2];
  const [shallowPlace, deepPlace] = [await filled(await newPlace(), SHALLOW), await filled(await newPlace(), deepest)];
  const shallow = await start(cleanUp, shallowPlace, SHALLOW);
  const deep = await start(cleanUp, deepPlace, deepest);
  const sides = [shallow, deep];
  for (const side of sides) await rateOf(side, warmUpSeconds);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const side of sides) side.rates.push(await rateOf(side, seconds));
  }
  for (const { depth, rates, server } of sides)
    print(
      `  ${store}: ${count(median(rates))} runs/s with ${count(depth)} queued, ${megabytes(peakMemory(server.pid))} resident at the most`,
    );
  const memory = peakMemory(deep.server.pid);
  shallow.server.resume();
  await shallow.server.stop();
  const restarts = await timeRestarts(cleanUp, deep);
  print(
    `  ${store}: first end of a run ${restarts.map((took) => took.toFixed(2)).join(', ')} s after a start that follows kill -9`,
  );
  const ratios = deep.rates.map((rate, round) => rate / shallow.rates[round]!);
  print(
    `backlog: on ${store} ${count(deepest)} queued runs leave ${ratio(median(ratios))} of the throughput (median of ${ROUNDS}), ${megabytes(memory)} resident at the most, first run ${Math.max(...restarts).toFixed(2)} s after kill -9 at the latest`,
  );
}

const megabytes = (bytes: number): string => `${count(bytes / 1_000_000)} MB`;

/**
 * Deployed by the server that is measured later: runs of another version would all have to be taken
 * over by its own first.
 */
async function filled(place: Place, runs: number): Promise<Place> {
  await (await startClaimcheck({ ...place, model: 'noop' })).stop();
  await fill({ place: place.database ?? ledgerFile(place.data), endpoint: 'noop', runs, state: 'queued' });
  return place;
}

/** Starts a server that stands still until it is measured. */
async function start(cleanUp: CleanUp, place: Place, depth: number): Promise<Side> {
  const server = await startServer(cleanUp, place);
  server.pause();
  return { place, depth, server, rates: [] };
}

async function startServer(cleanUp: CleanUp, place: Place): Promise<Program> {
  const server = await startClaimcheck({ ...place, model: 'noop' });
  cleanUp.defer(() => server.kill());
  return server;
}

async function isTaken(cleanUp: CleanUp, place: Place): Promise<boolean> {
  await (await startServer(cleanUp, place)).stop();
  return isLedger(place.database!);
}

/**
 * The side's rate, while the other one stands still. They take turns in short slices, so that what
 * else the machine does hits both alike.
 */
async function rateOf({ server, depth }: Side, seconds: number): Promise<number> {
  server.resume();
  try {
    return await rateAt(server, depth, seconds);
  } finally {
    server.pause();
  }
}

/** Runs that ended per second, while submits keep as many queued as there were. */
async function rateAt({ url }: Program, depth: number, seconds: number): Promise<number> {
  const connections = new Pool(url, { connections: CONNECTIONS });
  const [startedAt, before] = [performance.now(), await lookAt(connections)];
  const endsAt = startedAt + seconds * 1_000;
  let missing = depth - before.queued;
  let submits = 0;
  const submitter = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      if (missing <= 0) {
        await sleep(LOOK_MS / 2);
        continue;
      }
      missing -= 1;
      submits += 1;
      await submit(connections);
    }
  };
  const look = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      missing = depth - (await lookAt(connections)).queued;
      await sleep(LOOK_MS);
    }
  };
  await Promise.all([look(), ...Array.from({ length: CONNECTIONS }, submitter)]);
  const after = await lookAt(connections);
  const took = (performance.now() - startedAt) / 1_000;
  await connections.close();
  return (submits - (after.queued + after.running - before.queued - before.running)) / took;
}

async function lookAt(connections: Pool): Promise<EndpointBody> {
  const { body } = await connections.request({ method: 'GET', path: '/endpoints/noop' });
  return (await body.json()) as EndpointBody;
}

/**
 * Seconds from the start of a server whose forerunner was killed at work until it has ended a run
 * itself.
 */
async function timeRestarts(cleanUp: CleanUp, { place, server: first }: Side): Promise<number[]> {
  const times: number[] = [];
  let server = first;
  server.resume();
  for (let restart = 0; restart < RESTARTS; restart += 1) {
    await untilWorking(server);
    await sleep(WORK_MS);
    await server.kill();
    const startedAt = performance.now();
    server = await startServer(cleanUp, place);
    await untilWorking(server);
    times.push((performance.now() - startedAt) / 1_000);
  }
  await server.stop();
  return times;
}

/** A drain rate is known once two runs have ended in this very process. */
async function untilWorking({ url }: Program): Promise<void> {
  const connections = new Pool(url);
  while ((await lookAt(connections)).drain_rate === null) await sleep(5);
  await connections.close();
}
