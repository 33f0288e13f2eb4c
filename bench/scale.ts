// scale: how close a fleet comes to the time that its runs take at the least, with its replicas
// there already, and from none.

import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import type { EndpointBody } from '../src/wire/endpoints.ts';
import type { RunBody } from '../src/wire/runs.ts';
import type { BenchOptions } from './support/options.ts';
import { BODY } from './support/load.ts';
import { count, print, ratio } from './support/print.ts';
import { startClaimcheck } from './support/program.ts';
import { median } from './support/statistics.ts';
import { folderFor } from './support/stores.ts';

const REPLICAS = 8;
/** What support/takes-100-ms-model.ts takes for a run. */
const RUN_MS = 100;
const ROUNDS = 3;
const SUBMITTERS = 16;
/** Pause between looks at the fleet, in milliseconds. */
const LOOK_MS = 25;

/** What one fleet took, in milliseconds, and when it was complete. */
interface Taken {
  readonly wall: number;
  readonly completeAfter: number | null;
}

/** Runs the bench and prints its figures. */
export async function scale({ short }: BenchOptions): Promise<void> {
  const runs = short ? 200 : 1_000;
  const ideal = (runs * RUN_MS) / REPLICAS;
  const shares: { cold: number; warm: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    // A new server each time: it knows neither how long a start takes nor how long a run does.
    await using cleanUp = new AsyncDisposableStack();
    const model = fileURLToPath(new URL('./support/takes-100-ms-model.ts', import.meta.url));
    const { url, kill } = await startClaimcheck({
      data: await folderFor(cleanUp),
      database: null,
      model: { slow: { model, mode: 'async', replicas: { max: REPLICAS, concurrency: 1 } } },
    });
    cleanUp.defer(kill);
    const connections = cleanUp.adopt(new Pool(url, { connections: SUBMITTERS }), (pool) => pool.destroy());
    const cold = await timeOf(connections, runs);
    await warm(connections);
    const again = await timeOf(connections, runs);
    shares.push({ cold: ideal / cold.wall, warm: ideal / again.wall });
    print(
      `  from zero ${seconds(cold.wall)}, all replicas ready after ${cold.completeAfter === null ? 'never' : seconds(cold.completeAfter)}; warm ${seconds(again.wall)}; ideal ${seconds(ideal)}`,
    );
  }
  const of = (part: (share: { cold: number; warm: number }) => number): string => ratio(median(shares.map(part)));
  print(
    `scale: ${count(runs)} runs of ${RUN_MS} ms on ${REPLICAS} replicas: ${of(({ warm: share }) => share)} of ideal once warm, ${of(({ cold }) => cold)} from zero (medians of ${ROUNDS})`,
  );
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(2)} s`;

/** From the first submit to the end of the last run. */
async function timeOf(connections: Pool, runs: number): Promise<Taken> {
  const startedAt = performance.now();
  let left = runs;
  const runIds: string[] = [];
  const submitter = async (): Promise<void> => {
    while ((left -= 1) >= 0) runIds.push(await submit(connections));
  };
  const submitted = Promise.all(Array.from({ length: SUBMITTERS }, submitter));
  let completeAfter: number | null = null;
  let isSubmitted = false;
  void submitted.then(() => (isSubmitted = true));
  for (;;) {
    const { replicas, queued, running } = await show(connections);
    if (replicas.current === REPLICAS) completeAfter ??= performance.now() - startedAt;
    if (isSubmitted && queued + running === 0) break;
    await sleep(LOOK_MS);
  }
  const wall = performance.now() - startedAt;
  await submitted;
  for (const runId of runIds) {
    const { status } = await json<RunBody>(connections, 'GET', `/runs/${runId}`);
    if (status !== 'succeeded') throw new Error(`Run ${runId} is ${status}.`);
  }
  return { wall, completeAfter };
}

async function warm(connections: Pool): Promise<void> {
  await json(connections, 'POST', '/endpoints/slow/warm', JSON.stringify({ replicas: REPLICAS }));
  while ((await show(connections)).replicas.current < REPLICAS) await sleep(LOOK_MS);
}

const show = (connections: Pool): Promise<EndpointBody> => json(connections, 'GET', '/endpoints/slow');

async function submit(connections: Pool): Promise<string> {
  return (await json<{ run_id: string }>(connections, 'POST', '/endpoints/slow/invoke', BODY)).run_id;
}

async function json<Body>(connections: Pool, method: 'GET' | 'POST', path: string, body?: string): Promise<Body> {
  const headers = { 'content-type': 'application/json' };
  const answer = await connections.request({ method, path, headers, body: body ?? null });
  if (answer.statusCode >= 300) throw new Error(`${path} answered ${answer.statusCode}: ${await answer.body.text()}`);
  return (await answer.body.json()) as Body;
}
