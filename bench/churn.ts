// churn: how long a claim takes in a ledger with a million ended runs, against one that is new,
// both in turn within one run.

import { join } from 'node:path';
import type { BenchOptions } from './support/options.ts';
import { openLedger, PortRuns } from './support/port.ts';
import { count, ms, print, ratio } from './support/print.ts';
import { fill } from './support/program.ts';
import { median, percentile } from './support/statistics.ts';
import { type CleanUp, folderFor, postgresFor } from './support/stores.ts';

const ROUNDS = 5;
const WARM_UP_LOOPS = 500;
const LOOPS = 2_000;
const ENDPOINT = 'noop';

interface Sides {
  readonly fresh: PortRuns;
  readonly churned: PortRuns;
}

/** Runs the bench and prints its figures. */
export async function churn({ short }: BenchOptions): Promise<void> {
  const ended = short ? 50_000 : 1_000_000;
  const loops = short ? LOOPS / 5 : LOOPS;
  await using cleanUp = new AsyncDisposableStack();
  const folder = await folderFor(cleanUp);
  const sqlite = await openSides(cleanUp, join(folder, 'fresh.sqlite'), join(folder, 'churned.sqlite'), ended);
  report('SQLite', ended, await measure(sqlite, loops));
  const postgres = await postgresFor(cleanUp);
  const sides = await openSides(cleanUp, await postgres.newDatabase(), await postgres.newDatabase(), ended);
  report('Postgres', ended, await measure(sides, loops));
}

async function openSides(cleanUp: CleanUp, fresh: string, churned: string, runs: number): Promise<Sides> {
  await fill({ place: churned, endpoint: ENDPOINT, runs, state: 'succeeded' });
  const open = async (place: string): Promise<PortRuns> =>
    PortRuns.deploy(
      cleanUp.adopt(await openLedger(place), (ledger) => ledger.close()),
      ENDPOINT,
    );
  return { fresh: await open(fresh), churned: await open(churned) };
}

/**
 * Milliseconds of every claim, round by round. The two sides take turns loop by loop, so that what
 * else the machine does hits both alike.
 */
async function measure({ fresh, churned }: Sides, loops: number): Promise<{ fresh: number[]; churned: number[] }[]> {
  const rounds = Array.from({ length: ROUNDS }, () => ({ fresh: [] as number[], churned: [] as number[] }));
  for (let warm = 0; warm < WARM_UP_LOOPS; warm += 1) {
    await timedClaim(fresh);
    await timedClaim(churned);
  }
  for (const times of rounds) {
    for (let loop = 0; loop < loops; loop += 1) {
      times.fresh.push(await timedClaim(fresh));
      times.churned.push(await timedClaim(churned));
    }
  }
  return rounds;
}

async function timedClaim(runs: PortRuns): Promise<number> {
  await runs.enqueue(1);
  const startedAt = performance.now();
  const claimed = await runs.claim(1);
  const took = performance.now() - startedAt;
  await runs.finish(claimed);
  return took;
}

function report(store: string, ended: number, rounds: readonly { fresh: number[]; churned: number[] }[]): void {
  const p99s = rounds.map(({ fresh, churned }) => ({
    fresh: percentile(fresh, 0.99),
    churned: percentile(churned, 0.99),
  }));
  for (const { fresh, churned } of p99s)
    print(`  ${store}: p99 of a claim ${ms(fresh)} fresh, ${ms(churned)} churned, ratio ${ratio(churned / fresh)}`);
  const [fresh, churned] = [rounds.flatMap((round) => round.fresh), rounds.flatMap((round) => round.churned)];
  print(`  ${store}: median of a claim ${ms(median(fresh))} fresh, ${ms(median(churned))} churned`);
  print(
    `churn: on ${store} the claim's p99 after ${count(ended)} ended runs is ${ratio(percentile(churned, 0.99) / percentile(fresh, 0.99))} of a fresh ledger's (all ${count(fresh.length)} claims of a side; median of rounds ${ratio(median(p99s.map((p99) => p99.churned / p99.fresh)))})`,
  );
}
