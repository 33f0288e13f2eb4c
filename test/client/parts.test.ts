// The parts of a batch with the SDK: over connections that break and servers that end.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type Claimcheck,
  connect,
  InvalidRequestError,
  ModelError,
  type Part,
  type Run,
  RunCancelledError,
} from '../../src/index.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { until } from '../support/until.ts';
import { cuttable } from './cuttable.ts';
import { type RunningServer, startServer } from './server.ts';

let server: RunningServer;
let client: Claimcheck;
let gates: Gates;
beforeAll(async () => {
  server = await startServer();
  client = connect({ url: server.url });
});
afterAll(() => server.stop());
beforeEach(async () => {
  gates = new Gates(await folderForTest());
});

const rowsOf = (count: number): Record<string, unknown>[] => Array.from({ length: count }, (_, id) => ({ id }));

/**
 * Every part, in the order of rows; `react` is called with each as it comes, and how many there are
 * by then.
 */
async function partsOf(run: Run, react: (count: number) => unknown = () => {}): Promise<Part[]> {
  const parts: Part[] = [];
  for await (const part of run.parts()) {
    parts.push(part);
    await react(parts.length);
  }
  return parts.toSorted((a, b) => a.rows.from - b.rows.from);
}

const ids = (parts: readonly Part[]): unknown[] => parts.flatMap(({ table }) => table?.map(({ id }) => id) ?? []);

describe('the parts of a batch', () => {
  test('come with their rows while the others are at work', async () => {
    const gated = rowsOf(20).map((row) => (row['id'] === 7 ? { ...row, gate: gates.path('open') } : row));
    const run = await client.endpoint('rows').submit(gated, { batch: true });
    const parts = await partsOf(run, (count) => count === 9 && gates.open('open'));
    expect(ids(parts)).toEqual(gated.map(({ id }) => id));
    expect(parts.map(({ rows }) => rows)).toEqual(
      Array.from({ length: 10 }, (_, n) => ({ from: 2 * n, to: 2 * n + 2 })),
    );
  });

  test('are fetched a few at a time, however many there are', async () => {
    const run = await client.endpoint('rows').submit(rowsOf(51), { batch: true, batchSize: 1 });
    await run.wait();
    const { promise: letGo, resolve } = Promise.withResolvers<void>();
    let underway = 0;
    const holding: typeof fetch = async (input, init) => {
      if (String(input instanceof Request ? input.url : input).includes('/output')) {
        underway += 1;
        await letGo;
      }
      return fetch(input, init);
    };
    const parts = partsOf(connect({ url: server.url, fetch: holding }).run(run.id));
    await until('some are fetched', () => underway >= 8);
    for (let turn = 0; turn < 50; turn += 1) await new Promise((then) => setImmediate(then));
    expect(underway).toBe(8);
    resolve();
    expect(ids(await parts)).toEqual(rowsOf(51).map(({ id }) => id));
  });

  test('come again, whole, when the batch has ended', async () => {
    const run = await client.endpoint('rows').submit(rowsOf(51), { batch: true, batchSize: 1 });
    await run.wait();
    expect(ids(await partsOf(client.run(run.id)))).toEqual(rowsOf(51).map(({ id }) => id));
  });

  test('have an error where a row failed, and leave every other row alone', async () => {
    const rows = rowsOf(5).map((row) => ({ ...row, fail: row['id'] === 3 }));
    const parts = await partsOf(await client.endpoint('rows').submit(rows, { batch: true, batchSize: 5 }));
    const failed = parts.filter(({ error }) => error !== null);
    expect(failed).toMatchObject([{ rows: { from: 3, to: 4 }, table: null, error: expect.any(ModelError) }]);
    expect(ids(parts)).toEqual([0, 1, 2, 4]);
  });

  test('have the bytes of a CSV as they are', async () => {
    const bytes = new TextEncoder().encode('id,value\n001,1e5\n002,NA\n003,\n');
    const run = await client.endpoint('rows').submit({ bytes, contentType: 'text/csv' }, { batch: true });
    const [first] = await partsOf(run);
    expect(new TextDecoder().decode(first!.content!.bytes)).toBe('id,value,type\n001,1e5,string\n002,NA,string\n');
    expect(first!.table).toEqual([
      { id: '001', value: '1e5', type: 'string' },
      { id: '002', value: 'NA', type: 'string' },
    ]);
  });

  test('come once each where the connection breaks', async () => {
    const { client: near, cut } = await cuttable(server.url);
    const gated = rowsOf(12).map((row) => (row['id'] === 11 ? { ...row, gate: gates.path('open') } : row));
    const { id } = await client.endpoint('rows').submit(gated, { batch: true });
    const parts = await partsOf(near.run(id), (count) => {
      if (count === 2 || count === 5) cut();
      if (count === 5) gates.open('open');
    });
    expect(parts).toHaveLength(6);
    expect(ids(parts)).toEqual(gated.map((row) => row['id']));
  });

  test('come once each where the server is killed and started again', async () => {
    const gated = rowsOf(6).map((row) => (row['id'] === 5 ? { ...row, gate: gates.path('open') } : row));
    const run = await client.endpoint('rows').submit(gated, { batch: true });
    const parts = await partsOf(run, async (count) => {
      if (count !== 2) return;
      await server.kill();
      gates.open('open');
      await server.restart();
    });
    expect(parts).toHaveLength(3);
    expect(ids(parts)).toEqual(gated.map((row) => row['id']));
  });

  test('end with the error of a batch that fails or is cancelled, after those that there are', async () => {
    const rows = rowsOf(4).map((row) => ({ ...row, ...(row['id'] === 3 && { gate: gates.path('never') }) }));
    const run = await client.endpoint('rows').submit(rows, { batch: true });
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { rows: range } of run.parts()) {
        seen.push(range);
        await run.cancel();
      }
    })();
    await expect(reading).rejects.toBeInstanceOf(RunCancelledError);
    expect(seen).toEqual([{ from: 0, to: 2 }]);
  });

  test('are followed no more once the loop is left: no connection stays, and the run goes on', async () => {
    const { client: near, open } = await cuttable(server.url);
    const gated = rowsOf(4).map((row) => ({ ...row, ...(row['id'] === 3 && { gate: gates.path('open') }) }));
    const { id } = await client.endpoint('rows').submit(gated, { batch: true });
    for await (const { table } of near.run(id).parts()) {
      expect(table).toHaveLength(2);
      break;
    }
    // The connection of the output may be kept for another request; that of the stream is not.
    await until('the stream is closed', () => open() <= 1);
    gates.open('open');
    expect(await client.run(id).wait()).toMatchObject({ status: 'succeeded' });
  });

  test('stop coming when that is asked for', async () => {
    const run = await client.endpoint('rows').submit([{ id: 1, gate: gates.path('open') }], { batch: true });
    const stop = new AbortController();
    const reading = run.parts({ signal: stop.signal }).next();
    stop.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
    gates.open('open');
    await run.wait();
  });
});

test('a run that is no batch has no parts', async () => {
  const run = await client.endpoint('anything').submit({});
  await expect(run.parts().next()).rejects.toBeInstanceOf(InvalidRequestError);
});
