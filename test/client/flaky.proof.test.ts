// Clients that are cut off, and clients that are killed: what they ask for is done once.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, onTestFinished } from 'vitest';
import { connect, type Row } from '../../src/index.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { FIXTURES } from '../support/service.ts';
import { startServerProcess } from '../support/server-process.ts';
import { until } from '../support/until.ts';
import { type RunningServer, startServer } from './server.ts';
import { startShakyProxy } from './shaky-proxy.ts';

const SUBMITS = 60;

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

/** Connections are cut two times out of three, so that a request may need many tries. */
const retry = { tries: 100, seconds: 600 };

describe.each([1, 2, 3])('a network that cuts connections at random places (seed %i)', (seed) => {
  test('never makes a second run of a submit, and loses none', async () => {
    const proxy = await startShakyProxy(server.url, seed);
    const client = connect({ url: proxy.url, retry });
    await client.endpoints();
    proxy.shaky = true;
    const runName = `shaky ${seed}`;
    const submits = Array.from({ length: SUBMITS }, (_, n) => client.endpoint('anything').submit({ n }, { runName }));
    const ids = (await Promise.all(submits)).map(({ id }) => id);
    const runs = await Array.fromAsync(connect({ url: server.url }).runs({ runName }));
    expect(runs.map(({ run_id: id }) => id).toSorted()).toEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(SUBMITS);
    // Else this test has tested nothing.
    expect(proxy.cuts.requests).toBeGreaterThan(3);
    expect(proxy.cuts.answers).toBeGreaterThan(3);
  });

  test('brings every table back whole, from one run each', async () => {
    const proxy = await startShakyProxy(server.url, seed);
    const client = connect({ url: proxy.url, retry });
    await client.endpoints();
    proxy.shaky = true;
    const runName = `shaky tables ${seed}`;
    const table = Array.from({ length: 30 }, (_, id) => ({ id, value: 'x'.repeat(40) }));
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => client.endpoint('rows').inference(table, { runName, batchSize: 10 })),
    );
    for (const rows of answers) expect(rows).toEqual(table.map((row) => ({ ...row, type: 'string' })));
    expect(await Array.fromAsync(connect({ url: server.url }).runs({ runName }))).toHaveLength(5);
    expect(proxy.cuts.requests + proxy.cuts.answers).toBeGreaterThan(0);
  });
});

describe('a client that is killed while its batch is at work', () => {
  function startJob(url: string, table: readonly Row[]): ChildProcess {
    const job = [join(import.meta.dirname, 'fixtures/job.ts'), JSON.stringify(table), 'nightly'];
    const child = spawn(process.execPath, job, {
      env: { ...process.env, CLAIMCHECK_URL: url },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  }

  test('ends with the whole table when it is started again with its job key, and every row was computed once', async () => {
    const folder = await folderForTest();
    const gates = new Gates(folder);
    const log = join(folder, 'computed.log');
    const computed = (): number[] => {
      // What follows the last line end is a line that is being written.
      const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : [];
      return lines.flatMap((line) => JSON.parse(line) as number[]);
    };
    const replicas = { max: 1, concurrency: 2 };
    const rows = {
      model: join(FIXTURES, 'careful-rows.ts'),
      mode: 'async',
      env: { CHUNK_LOG: log },
      replicas,
    } as const;
    const { url } = await startServerProcess(folder, { rows });
    const table = Array.from({ length: 20 }, (_, id) => ({ id, gate: id === 10 ? gates.path('open') : '' }));

    const first = startJob(url, table);
    const gone = once(first, 'exit');
    await until('some rows are computed', () => computed().length >= 12);
    first.kill('SIGKILL');
    await gone;
    gates.open('open');

    const second = startJob(url, table);
    const printed = Buffer.concat((await second.stdout!.toArray()) as Buffer[]).toString();
    expect(JSON.parse(printed)).toEqual(table);
    expect(computed().toSorted((a, b) => a - b)).toEqual(table.map(({ id }) => id));
    expect(await Array.fromAsync(connect({ url }).runs())).toHaveLength(1);
  });
});
