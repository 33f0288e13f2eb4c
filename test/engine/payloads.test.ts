import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Readable } from 'node:stream';
import { inputKey } from '../../src/stores/blobs/blobs.ts';
import { openBlobDirectory } from '../../src/stores/blobs/directory.ts';
import { newRunId } from '../../src/system/clock.ts';
import { Payloads, PayloadTooLong } from '../../src/engine/payloads.ts';
import { someBytes } from '../stores/blobs/conformance.ts';
import { Gates } from '../support/gate.ts';
import { folderForTest, newFolder, removeFolder } from '../support/folder.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

const LARGE = 'x'.repeat(20_000);
let server: TestService;
let folder: string;
let gates: Gates;
let number = 0;

beforeAll(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
  server = await startTestService({
    endpoints: {
      jobs: { model: './anything.ts', mode: 'async' },
      rows: { model: './careful-rows.ts', mode: 'async', batchSize: 1 },
      narrow: { model: './anything.ts', mode: 'async', replicas: { outputBytes: '2MB' } },
      flowing: { model: ['node', './pipe.js'], mode: 'async', replicas: { outputBytes: '2MB' } },
      closed: { model: './anything.ts', queueLimit: 0 },
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

/** The blobs that belong to a run, as files. */
const blobsOf = (runId: string): string[] =>
  readdirSync(join(server.data, 'blobs'), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.startsWith(runId))
    .map((entry) => join(entry.parentPath, entry.name));

function damage(runId: string): void {
  const [file] = blobsOf(runId);
  const bytes = readFileSync(file!);
  bytes[100]! ^= 1;
  writeFileSync(file!, bytes);
}

/** Payloads in a folder of their own. */
async function payloadsForTest(): Promise<{ payloads: Payloads; files: () => string[] }> {
  const blobs = await folderForTest();
  const files = (): string[] =>
    readdirSync(blobs, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
  return { payloads: new Payloads(await openBlobDirectory(blobs)), files };
}

test.each([0, 1, 16 * 1_024, 16 * 1_024 + 1, 3_000_000])(
  '%i bytes that come in chunks are the payload that they are at once',
  async (length) => {
    const { payloads, files } = await payloadsForTest();
    const bytes = someBytes(length);
    const runId = newRunId();
    const chunks = Readable.from(bytes.length === 0 ? [] : [bytes.subarray(0, 1_000), bytes.subarray(1_000)]);
    const streamed = await payloads.storeStream(chunks, 'text/plain', inputKey(runId), length);
    expect(streamed).toEqual(await payloads.store(bytes, 'text/plain', inputKey(runId)));
    const opened = [
      await payloads.open(streamed),
      length < 100 ? null : await payloads.open(streamed, { from: 10, to: 100 }),
    ];
    const [whole, range] = await Promise.all(
      opened.map(async (one) => (one instanceof Readable ? Buffer.concat(await one.toArray()) : one)),
    );
    expect(Buffer.compare(whole!, bytes)).toBe(0);
    if (range !== null) {
      expect(Buffer.compare(range!, bytes.subarray(10, 100))).toBe(0);
      expect(Buffer.compare(await payloads.read(streamed, { from: 10, to: 100 }), bytes.subarray(10, 100))).toBe(0);
    }
    await payloads.discard(streamed);
    expect(files()).toEqual([]);
  },
);

test.each([10, 20_000])(
  'of more than %i bytes in chunks, nothing is kept where no more are taken',
  async (bytesMax) => {
    const { payloads, files } = await payloadsForTest();
    const chunks = Readable.from([someBytes(bytesMax), someBytes(1)]);
    await expect(payloads.storeStream(chunks, 'text/plain', inputKey(newRunId()), bytesMax)).rejects.toThrow(
      PayloadTooLong,
    );
    expect(files()).toEqual([]);
    expect(chunks.destroyed).toBe(true);
  },
);

test('a payload up to 16 KiB stays in the ledger, and a larger one is a file with its hash beside the run', async () => {
  const [small, large] = await Promise.all(
    [16 * 1_024, 16 * 1_024 + 1].map((length) => server.submit('jobs', 'x'.repeat(length - 2))),
  );
  expect(blobsOf(small!)).toHaveLength(0);
  expect(blobsOf(large!).length).toBeGreaterThan(0);
  for (const runId of [small!, large!]) expect(await server.ended(runId)).toMatchObject({ status: 'succeeded' });
  expect(blobsOf(large!).map((file) => file.split('/').at(-1))).toEqual(
    expect.arrayContaining([`${large}.input`, `${large}.output.1`]),
  );
});

test('a run whose input is damaged in the store fails, and never sees wrong bytes', async () => {
  const held = await server.submit('jobs', { path: myGate() });
  const log = `${myGate()}.log`;
  const runId = await server.submit('jobs', { do: 'say', value: LARGE, log });
  damage(runId);
  openGate();
  await server.ended(held);
  expect(await server.ended(runId)).toMatchObject({
    status: 'failed',
    error: { type: 'payload-damaged', retryable: false, detail: expect.stringContaining('damaged') as string },
  });
  expect(() => readFileSync(log)).toThrow(/ENOENT/);
  // The replica is not the one to blame, and goes on.
  expect(await server.ended(await server.submit('jobs', 1))).toMatchObject({ status: 'succeeded' });
});

test('a run whose input flows from the store fails where it is damaged, and the replica that was sent some of it goes on', async () => {
  const held = await server.submit('jobs', { path: myGate() });
  const { json } = await server.postRaw('/endpoints/jobs/invoke', 'application/x-thing', someBytes(3_000_000));
  damage(json.run_id);
  openGate();
  await server.ended(held);
  const pid = async (): Promise<unknown> => (await server.ended(await server.submit('jobs', { do: 'pid' }))).outputs;
  const before = await pid();
  expect(await server.ended(json.run_id)).toMatchObject({
    status: 'failed',
    error: { type: 'payload-damaged', retryable: false, detail: expect.stringContaining('damaged') as string },
  });
  expect(await pid()).toBe(before);
});

test.each(['whole', 'flows'])(
  'an output that is longer than the endpoint takes is none, and nothing of it is kept: one that %s',
  async (how) => {
    const endpoint = how === 'whole' ? 'narrow' : 'flowing';
    const { json } = await server.postRaw(`/endpoints/${endpoint}/invoke`, 'application/x-thing', someBytes(3_000_000));
    expect(await server.ended(json.run_id)).toMatchObject({
      status: 'failed',
      error: { type: 'invalid-output', detail: expect.stringContaining('2 MB') as string },
    });
    expect(blobsOf(json.run_id).filter((file) => !file.endsWith('.input'))).toEqual([]);
  },
);

test('a batch whose table is damaged in the store fails', async () => {
  const held = await server.submit('rows', [{ id: 1, gate: myGate() }]);
  await server.inStatus(held, 'running');
  // Two batches are at work at once for one slot; this one waits behind them.
  const second = await server.submit('rows', [{ id: 2, gate: myGate() }]);
  await server.inStatus(second, 'running');
  const runId = await server.submit('rows', [{ id: 3, text: LARGE }]);
  damage(runId);
  openGate();
  expect(await server.ended(runId)).toMatchObject({
    status: 'failed',
    error: { type: 'payload-damaged', retryable: false, detail: expect.stringContaining('damaged') as string },
  });
  for (const other of [held, second]) expect(await server.ended(other)).toMatchObject({ status: 'succeeded' });
});

test.each([
  ['damaged', (runId: string) => damage(runId)],
  ['missing', (runId: string) => blobsOf(runId).forEach((file) => rmSync(file))],
])('an output that is %s in the store is a 500 that says nothing of the inside, and no wrong byte', async (_, harm) => {
  const { json } = await server.post('/endpoints/jobs/invoke', { input: { do: 'say', value: 1 } });
  const small = await server.ended(json.run_id);
  const runId = await server.submit('jobs', { do: 'say', value: LARGE });
  await server.ended(runId);
  for (const file of blobsOf(runId).filter((name) => name.endsWith('.input'))) rmSync(file);
  harm(runId);
  const answer = await server.get(`/runs/${runId}/output`);
  expect(answer.status).toBe(500);
  expect(answer.json).toMatchObject({ type: 'https://claimcheck.dev/problems/payload-damaged', retryable: false });
  expect(answer.text).not.toContain('xxx');
  expect(answer.text).not.toContain(server.data);
  // The run itself can be looked at: only its output is gone.
  expect((await server.get(`/runs?limit=1`)).json.runs).toMatchObject([{ run_id: runId, status: 'succeeded' }]);
  expect((await server.get(`/runs/${small.run_id}/output`)).text).toBe('1');
});

test('a request that is refused leaves no file behind', async () => {
  const files = (): number => blobsOf('').length;
  const before = files();
  expect((await server.post('/endpoints/closed/invoke', { input: LARGE })).status).toBe(429);
  const key = { 'idempotency-key': `twice ${number}` };
  const first = await server.post('/endpoints/jobs/invoke', { input: { do: 'say', value: 1, LARGE } }, key);
  await server.ended(first.json.run_id);
  expect((await server.post('/endpoints/jobs/invoke', { input: { do: 'say', value: 1, LARGE } }, key)).status).toBe(
    202,
  );
  expect((await server.post('/endpoints/jobs/invoke', { input: LARGE }, key)).status).toBe(422);
  expect(files()).toBe(before + 1);
});

test('the output of a run that was cancelled before it came is not kept', async () => {
  const wish = { do: 'stubborn', path: myGate(), log: `${myGate()}.log` };
  const runId = await server.submit('jobs', { ...wish, LARGE });
  await until('the model works on it', () => {
    try {
      return readFileSync(wish.log);
    } catch {
      return null;
    }
  });
  await server.send('DELETE', `/runs/${runId}`);
  openGate();
  await until('it has stopped', async () => (await server.run(runId)).attempts[0].stopped_at);
  expect(blobsOf(runId).filter((file) => file.includes('.output.'))).toEqual([]);
});
