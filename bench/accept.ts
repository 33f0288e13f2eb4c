// accept: durable async submits at 64 connections, against a bare server that stores nothing, in the same run.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';

const CONNECTIONS = 64;
const SECONDS = 5;
const ROUNDS = 3;
/** Long enough for both to be compiled: what is compared are servers that have been up for a while. */
const WARM_UP_SECONDS = 4;
const BODY = JSON.stringify({ input: { smiles: 'CC(C)=CCCC(C)=CC(=O)', id: 42 } });

interface Server {
  readonly url: string;
  /** Ends the server; answers the last line that it printed. */
  stop(): Promise<string>;
}

/** Runs the bench and prints its figures. */
export async function accept(): Promise<void> {
  const [bare, claimcheck] = [await start('./bare-server.ts'), await start('./accept-server.ts')];
  await load(bare.url, WARM_UP_SECONDS);
  await load(claimcheck.url, WARM_UP_SECONDS);
  const rates: { bare: number; claimcheck: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    rates.push({ bare: await load(bare.url, SECONDS), claimcheck: await load(claimcheck.url, SECONDS) });
  await bare.stop();
  const { calls, commits } = JSON.parse(await claimcheck.stop()) as { calls: number; commits: number };
  for (const rate of rates) print(rate.bare, rate.claimcheck);
  const ratio = median(rates.map((rate) => rate.claimcheck / rate.bare));
  process.stdout.write(
    `accept: ${ratio.toFixed(2)} of a bare server (median of ${ROUNDS}), ${(calls / commits).toFixed(1)} runs per fsync, ${CONNECTIONS} connections\n`,
  );
}

async function start(file: string): Promise<Server> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(file, import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let last = '';
  const [first] = (await once(child.stdout, 'data')) as [Buffer];
  child.stdout.on('data', (bytes: Buffer) => (last = bytes.toString()));
  return { url: first.toString().trim(), stop: () => stop(child, () => last) };
}

async function stop(child: ChildProcess, last: () => string): Promise<string> {
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await closed;
  clearTimeout(patience);
  return last();
}

/** Requests per second that were answered with 202; anything else is an error. */
async function load(url: string, duration: number): Promise<number> {
  const result = await autocannon({
    url,
    connections: CONNECTIONS,
    duration,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: BODY,
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${url}: ${result.non2xx} answers were not 202, ${result.errors} connections broke.`);
  return result['2xx'] / result.duration;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

function print(bare: number, claimcheck: number): void {
  process.stdout.write(
    `  bare ${Math.round(bare)}/s, claimcheck ${Math.round(claimcheck)}/s, ratio ${(claimcheck / bare).toFixed(2)}\n`,
  );
}
