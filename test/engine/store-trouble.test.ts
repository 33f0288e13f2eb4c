// What a store says is no outcome of a run: while blobs cannot be had, runs wait for them, and none
// of them fails.

import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { newFolder, removeFolder } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** Too large for the ledger. */
const LARGE = 'x'.repeat(20_000);
/** Too large to be held. */
const VERY_LARGE = 'x'.repeat(1_100_000);

let server: TestService;
let folder: string;
let gates: Gates;
let number = 0;

beforeAll(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
  const one = { max: 1, concurrency: 1 };
  server = await startTestService({
    endpoints: {
      jobs: { model: './anything.ts', mode: 'async', replicas: one },
      rows: { model: './careful-rows.ts', mode: 'async', batchSize: 500, replicas: one },
    },
  });
});
afterAll(async () => {
  await server.stop();
  await removeFolder(folder);
});
beforeEach(() => {
  number += 1;
});

const myGate = (): string => gates.path(String(number));
const openGate = (): void => gates.open(String(number));

/** Takes the disk of the blobs away; answers how it comes back. */
function takeBlobsAway(): () => void {
  const blobs = join(server.data, 'blobs');
  renameSync(blobs, `${blobs}-away`);
  const bringBack = (): void => {
    if (existsSync(`${blobs}-away`)) renameSync(`${blobs}-away`, blobs);
  };
  onTestFinished(bringBack);
  return bringBack;
}

async function submitText(text: string): Promise<string> {
  return (await server.postRaw('/endpoints/jobs/invoke', 'text/plain', text)).json.run_id as string;
}

async function submitTable(...rows: readonly string[]): Promise<string> {
  const body = ['id,gate', ...rows].join('\n');
  return (await server.postRaw('/endpoints/rows/invoke', 'text/csv', body)).json.run_id as string;
}

const outcomesOf = async (runId: string): Promise<string[]> =>
  // oxlint-disable-next-line typescript/no-explicit-any -- a run as it came
  (await server.run(runId)).attempts.map(({ outcome }: any) => outcome as string);

const isPutBack = (runId: string): Promise<boolean | null> =>
  until('the run is put back', async () => ((await outcomesOf(runId)).includes('released') ? true : null));

describe('while the disk of the blobs is away', () => {
  test.each([
    ['an input that is held', LARGE],
    ['an input that is sent from the disk', VERY_LARGE],
  ])('a call with %s waits for it, and succeeds', async (_, text) => {
    const first = await server.submit('jobs', { do: 'say', value: 1, path: myGate() });
    await server.inStatus(first, 'running');
    const runId = await submitText(text);
    const bringBack = takeBlobsAway();
    openGate();
    await isPutBack(runId);
    bringBack();
    expect(await server.ended(runId)).toMatchObject({ status: 'succeeded' });
    expect(new Set(await outcomesOf(runId))).toEqual(new Set(['released', 'succeeded']));
    expect((await server.get(`/runs/${runId}/output`)).text).toBe(text);
  });

  test('a batch waits for its table, and succeeds with every row', async () => {
    // As many as are at work at once: the third waits.
    const others = [await submitTable(`1,${myGate()}`), await submitTable(`1,${myGate()}`)];
    for (const other of others) await server.inStatus(other, 'running');
    const rows = Array.from({ length: 1_000 }, (_, id) => `row-${id}-${'x'.repeat(20)},`);
    const runId = await submitTable(...rows);
    const bringBack = takeBlobsAway();
    openGate();
    await isPutBack(runId);
    bringBack();
    expect(await server.ended(runId)).toMatchObject({ status: 'succeeded', progress: { done: 1_000, failed: 0 } });
    expect((await server.get(`/runs/${runId}/output`)).text.trimEnd().split('\n').slice(1)).toEqual(rows);
  });

  test('a submit that needs it, and a reader of it, are told to come again, and nothing is stored', async () => {
    const runId = await submitText(LARGE);
    await server.ended(runId);
    const bringBack = takeBlobsAway();
    const refusals = await Promise.all([
      server.postRaw('/endpoints/jobs/invoke', 'text/plain', LARGE),
      server.postRaw('/endpoints/jobs/invoke', 'text/plain', VERY_LARGE),
      server.get(`/runs/${runId}/output`),
      server.get(`/runs/${runId}/output`, { range: 'bytes=10-20' }),
    ]);
    for (const { status, headers, json } of refusals) {
      expect({ status, retryAfter: headers['retry-after'], type: json.type as string }).toEqual({
        status: 503,
        retryAfter: '5',
        type: expect.stringMatching(/storage-unavailable$/) as string,
      });
    }
    bringBack();
    expect((await server.get('/runs?endpoint=jobs&limit=1')).json.runs).toMatchObject([{ run_id: runId }]);
    expect((await server.get(`/runs/${runId}/output`)).text).toBe(LARGE);
  });

  test('an output waits until it can be stored, and its run is made once', async () => {
    const calls = join(folder, 'calls');
    const runId = await server.submit('jobs', { do: 'say', value: LARGE, path: myGate(), log: calls });
    // A run is running before its input, which is a blob too, has been read.
    await until('the replica has the input', () => existsSync(calls) || null);
    const bringBack = takeBlobsAway();
    openGate();
    // The replica has given its answer when it is free for the next.
    await server.ended(await server.submit('jobs', { do: 'say', value: 2 }));
    expect(await server.run(runId)).toMatchObject({ status: 'running' });
    bringBack();
    expect(await server.ended(runId)).toMatchObject({ status: 'succeeded' });
    expect(await outcomesOf(runId)).toEqual(['succeeded']);
    expect((await server.get(`/runs/${runId}/output`)).json).toBe(LARGE);
  });
});
