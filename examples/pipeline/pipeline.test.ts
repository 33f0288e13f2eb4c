import { chmodSync, existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type RunBody } from '../../src/index.ts';
import { newFolder, removeFolder } from '../../test/support/folder.ts';
import { startTestService, type TestService } from '../../test/support/service.ts';
import { until } from '../../test/support/until.ts';

const TEXT = 'The cat saw the dog, and the dog saw the cat. The bird saw nothing.';

let server: TestService;
let work: string;
beforeAll(async () => {
  work = await newFolder();
  // The model may run as a user of its own.
  chmodSync(work, 0o777);
  const model = resolve(import.meta.dirname, 'pipeline.ts');
  server = await startTestService({ endpoints: { pipeline: { model, mode: 'async', env: { WORK: work } } } });
});
afterAll(async () => {
  await server.stop();
  await removeFolder(work);
});

const submit = (secondsPerStep: number) =>
  connect({ url: server.url })
    .endpoint('pipeline')
    .submit({ text: TEXT, secondsPerStep }, { metadata: { for: 'a test' } });

test('the pipeline says how far it has come, step by step, and what it found', async () => {
  const run = await submit(0.2);
  const seen: RunBody[] = [];
  const ended = await run.wait({ onProgress: (body) => seen.push(body) });
  expect(ended).toMatchObject({
    status: 'succeeded',
    outputs: { most: ['the', 'saw', 'cat'] },
    progress: { done: 4, total: 4, unit: 'steps', message: 'done' },
  });
  const steps = seen.map(({ progress }) => progress?.done ?? 0);
  expect(steps).toEqual(steps.toSorted((a, b) => a - b));
});

test('its logs tell every step', async () => {
  const run = await submit(0);
  await run.wait();
  const lines = await run.logs();
  expect(lines.map(({ message }) => message)).toEqual(
    ['split', 'count', 'rank', 'report'].flatMap((step) => [`step ${step} begins`, `step ${step} is done`]),
  );
  expect(lines[0]!.fields).toEqual({ for: 'a test' });
  expect(lines.at(-1)!.fields).toEqual({ files: ['counts.json', 'ranks.json', 'words.json'] });
});

test('its logs can be followed until it ends', async () => {
  const run = await submit(0.1);
  const followed: string[] = [];
  for await (const { message } of run.followLogs()) followed.push(message);
  expect(followed).toEqual((await run.logs()).map(({ message }) => message));
  expect(followed).toHaveLength(8);
});

test('cancelled in the middle, it stops at once and tidies up after itself', async () => {
  const run = await submit(3_600);
  await until('the first step has begun', async () => (await run.logs()).length > 0 || null);
  await until('its progress says so', async () => (await run.status()).progress?.message === 'split');
  expect(await run.cancel()).toMatchObject({ status: 'cancelled' });
  await until('the replica has stopped', async () => (await run.status()).attempts[0]!.stopped_at);
  expect((await run.logs()).map(({ message }) => message)).toEqual(['step split begins', 'stopped in the middle']);
  const [folder] = readdirSync(work);
  expect(readdirSync(join(work, folder!))).toEqual([]);
});

test('an input without a text fails with a sentence', async () => {
  const run = await connect({ url: server.url }).endpoint('pipeline').submit({ words: 3 });
  expect((await run.wait()).error).toMatchObject({ detail: 'The input needs a text: {"text": "…"}.' });
});

test('its working folder is gone once its replica has been stopped', async () => {
  await (await submit(0)).wait();
  const folders = readdirSync(work).map((name) => join(work, name));
  expect(folders).toHaveLength(1);
  await server.stop();
  expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
});
