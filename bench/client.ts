// client: what lies between the end of the model's work on a chunk and the table in the caller's
// hands, on an asynchronous endpoint.

import { fileURLToPath } from 'node:url';
import { connect, type Endpoint } from '../src/index.ts';
import type { BenchOptions } from './support/options.ts';
import { ms, print } from './support/print.ts';
import { startClaimcheck } from './support/program.ts';
import { median, percentile } from './support/statistics.ts';
import { folderFor } from './support/stores.ts';

/** Rows of a table, in chunks of ten. */
const ROWS = [10, 200];

/** Runs the bench and prints its figures. */
export async function client({ short }: BenchOptions): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const { url, kill } = await startClaimcheck({
    data: await folderFor(cleanUp),
    database: null,
    model: {
      stamp: {
        model: fileURLToPath(new URL('support/stamp-model.ts', import.meta.url)),
        mode: 'async',
        batchSize: 10,
        replicas: { min: 1, max: 1 },
      },
    },
  });
  cleanUp.defer(kill);
  const endpoint = connect({ url }).endpoint('stamp');
  for (const rows of ROWS) {
    await measure(endpoint, rows, 20);
    const times = await measure(endpoint, rows, short ? 50 : 300);
    print(
      `client: ${rows / 10} ${rows === 10 ? 'chunk' : 'chunks'}: the table is in hand ${ms(median(times))} (p50) and ${ms(percentile(times, 0.99))} (p99) after the model was done with the last of it`,
    );
  }
}

async function measure(endpoint: Endpoint, rows: number, times: number): Promise<number[]> {
  const table = Array.from({ length: rows }, (_, id) => ({ id }));
  const after: number[] = [];
  for (let k = 0; k < times; k += 1) {
    const answers = await endpoint.inference<{ ended_at: number }>(table);
    const inHand = performance.timeOrigin + performance.now();
    after.push(inHand - Math.max(...answers.map((row) => row.ended_at)));
  }
  return after;
}
