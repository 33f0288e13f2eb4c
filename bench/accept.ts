// accept: durable async submits at 64 connections, against a bare server that stores nothing, in
// the same run.

import type { BenchOptions } from './support/options.ts';
import { claimcheckAt, submitRate } from './support/load.ts';
import { print, ratio } from './support/print.ts';
import { startClaimcheck, startProgram } from './support/program.ts';
import { median } from './support/statistics.ts';
import { folderFor } from './support/stores.ts';

const CONNECTIONS = 64;
const ROUNDS = 3;

/** Runs the bench and prints its figures. */
export async function accept({ short }: BenchOptions): Promise<void> {
  // The warm-up is long enough for both to be compiled: what is compared are servers that have been
  // up for a while.
  const [warmUpSeconds, seconds] = short ? [2, 2] : [4, 5];
  await using cleanUp = new AsyncDisposableStack();
  const bare = await startProgram('support/bare-server.ts');
  cleanUp.defer(() => bare.kill());
  // Its model never becomes ready, so that accepting is all it does.
  const claimcheck = await startClaimcheck({ data: await folderFor(cleanUp), database: null, model: 'never' });
  cleanUp.defer(() => claimcheck.kill());
  const measure = async (duration: number): Promise<{ bare: number; claimcheck: number }> => ({
    bare: await submitRate({ url: bare.url, submitPath: '/' }, CONNECTIONS, duration),
    claimcheck: await submitRate(claimcheckAt(claimcheck.url), CONNECTIONS, duration),
  });
  await measure(warmUpSeconds);
  const rates: { bare: number; claimcheck: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) rates.push(await measure(seconds));
  const { calls, commits } = JSON.parse(await claimcheck.stop()) as { calls: number; commits: number };
  for (const rate of rates)
    print(
      `  bare ${Math.round(rate.bare)}/s, claimcheck ${Math.round(rate.claimcheck)}/s, ratio ${ratio(rate.claimcheck / rate.bare)}`,
    );
  const share = median(rates.map((rate) => rate.claimcheck / rate.bare));
  print(
    `accept: ${ratio(share)} of a bare server (median of ${ROUNDS}), ${(calls / commits).toFixed(1)} runs per fsync, ${CONNECTIONS} connections`,
  );
}
