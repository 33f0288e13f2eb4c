import * as flechette from '@uwdata/flechette';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Capture,
  CaptureNotFoundError,
  type Claimcheck,
  connect,
  EvaluationNotFoundError,
  InvalidRequestError,
  ModelError,
} from '../../src/index.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { startLosingProxy } from './losing-proxy.ts';

let server: TestService;
let client: Claimcheck;
beforeAll(async () => {
  const scored = { model: './predictor.ts', mode: 'sync', target: 'truth', idColumn: 'id' } as const;
  server = await startTestService({
    endpoints: {
      scored: { ...scored, default: true, evaluation: './evaluation.csv' },
      async: { ...scored, mode: 'async' },
      plain: { model: './predictor.ts' },
    },
  });
  client = connect({ url: server.url });
});
afterAll(() => server.stop());

const ROWS = [
  { id: 'a', guess: 1, truth: 1 },
  { id: 'b', guess: 3, truth: 2 },
];
const CSV = { bytes: new TextEncoder().encode('id,guess,truth\na,1,1\nb,3,2\n'), contentType: 'text/csv' };

describe('inference with a capture', () => {
  test.each(['scored', 'async'])('answers its table, and keeps it under the name (%s)', async (name) => {
    const endpoint = client.endpoint(name);
    const answers = await endpoint.inference(ROWS, { capture: 'holdout-2026' });
    expect(answers).toEqual([
      { id: 'a', prediction: 1 },
      { id: 'b', prediction: 3 },
    ]);
    const capture = await endpoint.capture('holdout-2026');
    expect(capture).toBeInstanceOf(Capture);
    expect(capture).toMatchObject({ name: 'holdout-2026', version: 1, metrics: { task: 'regression', mae: 0.5 } });
    expect(await capture.predictions()).toEqual(answers);
    expect(await capture.ids()).toEqual(['a', 'b']);
  });

  test('of an Arrow table keeps what was answered as Arrow, and scores it', async () => {
    const endpoint = client.endpoint('scored');
    const table = flechette.tableFromArrays({ id: ['a', 'b'], guess: [1, 3], truth: [1, 2] });
    const answers = await endpoint.inference(table, { capture: 'arrow' });
    expect(answers.numRows).toBe(2);
    const capture = await endpoint.capture('arrow');
    expect(capture).toMatchObject({ version: 1, metrics: { task: 'regression', mae: 0.5 } });
    expect(await capture.predictions()).toEqual([
      { id: 'a', prediction: 1 },
      { id: 'b', prediction: 3 },
    ]);
  });

  test.each([['my holdout'], [{ name: '../holdout' }]])(
    'is refused before anything is computed for the name %j',
    async (capture) => {
      const before = (await Array.fromAsync(client.runs())).length;
      await expect(client.endpoint('scored').inference(ROWS, { capture })).rejects.toMatchObject({
        name: 'InvalidRequestError',
        detail: expect.stringContaining('name') as string,
      });
      expect(await Array.fromAsync(client.runs())).toHaveLength(before);
    },
  );

  test('never overwrites: another table is another version, and each is there', async () => {
    const endpoint = client.endpoint('scored');
    await Promise.all(ROWS.map((row) => endpoint.inference([row], { capture: 'versions' })));
    const captures = await endpoint.captures({ name: 'versions' });
    expect(captures.map(({ version }) => version)).toEqual([2, 1]);
    const rows = await Promise.all(
      captures.map(async ({ version }) => (await endpoint.capture('versions', version)).predictions()),
    );
    expect(new Set(rows.flat().map(({ id }) => id))).toEqual(new Set(['a', 'b']));
  });

  test('gives bytes back as they came, and takes what the endpoint does not say', async () => {
    const endpoint = client.endpoint('plain');
    const choice = { name: 'bytes', target: 'truth', task: 'classification' } as const;
    const answer = await endpoint.inference(CSV, { capture: choice });
    const capture = await endpoint.capture('bytes');
    expect(await capture.output()).toEqual(answer);
    expect(capture.metrics).toMatchObject({ task: 'classification', accuracy: 0.5 });
    expect(await capture.ids()).toBeNull();
  });

  test('makes no capture of an empty table, or of a run that fails', async () => {
    const endpoint = client.endpoint('scored');
    expect(await endpoint.inference([], { capture: 'none' })).toEqual([]);
    const failing = [{ id: 'a', guess: 1, truth: 1, fail: 'throw' }];
    await expect(endpoint.inference(failing, { capture: 'none', onRowError: 'fail' })).rejects.toThrow(ModelError);
    await expect(endpoint.capture('none')).rejects.toThrow(CaptureNotFoundError);
  });

  test('is one version where the answer is lost on its way and asked for again', async () => {
    const run = await client.endpoint('scored').submit(ROWS, { batch: true });
    await run.wait();
    const proxy = await startLosingProxy(server.url);
    const endpoint = connect({ url: proxy.url }).endpoint('scored');
    const capture = await endpoint.captureRun(run.id, 'once');
    expect(capture.version).toBe(1);
    expect(proxy.connections()).toBeGreaterThan(1);
    expect(await client.endpoint('scored').captures({ name: 'once' })).toHaveLength(1);
    proxy.close();
  });
});

test('fastInference captures nothing', async () => {
  const before = await client.endpoint('scored').captures();
  expect(await client.endpoint('scored').fastInference(ROWS)).toHaveLength(2);
  expect((await client.endpoint('scored').fastInference(CSV)).contentType).toBe('text/csv');
  expect(await client.endpoint('scored').captures()).toEqual(before);
});

describe('a run that is captured later', () => {
  test('needs a prediction that can be told, and is there when it is named', async () => {
    const endpoint = client.endpoint('plain');
    const run = await endpoint.submit([{ id: 1, guess: 2, prediction: 9, truth: 2 }], { batch: true });
    await run.wait();
    const refused = endpoint.captureRun(run.id, { name: 'later', target: 'truth' });
    await expect(refused).rejects.toThrow(InvalidRequestError);
    await expect(refused).rejects.toThrow(/it has "id", "prediction"\. Name one with "prediction"/);
    const capture = await endpoint.captureRun(run.id, { name: 'later', target: 'truth', prediction: 'prediction' });
    expect(capture.metrics).toMatchObject({ rmse: 0 });
  });
});

describe('captures', () => {
  test('are listed newest first, as many as are asked for', async () => {
    const endpoint = client.endpoint('async');
    for (const name of ['x', 'y', 'x']) await endpoint.inference(ROWS, { capture: `list-${name}` });
    const [newest, ...others] = await endpoint.captures({ limit: 2 });
    expect([newest, ...others].map(({ name, version } = newest!) => [name, version])).toEqual([
      ['list-x', 2],
      ['list-y', 1],
    ]);
    expect(newest).toMatchObject({ metrics: { mae: 0.5 }, rows: { total: 2 } });
  });
});

describe('a capture that is deleted', () => {
  test('is gone, one version or all of them, and its number stays taken', async () => {
    const endpoint = client.endpoint('scored');
    for (const _ of [1, 2, 3]) await endpoint.inference(ROWS, { capture: 'gone' });
    expect(await endpoint.deleteCapture('gone', 3)).toBe(1);
    await expect(endpoint.capture('gone', 3)).rejects.toThrow(CaptureNotFoundError);
    expect(await endpoint.deleteCapture('gone')).toBe(2);
    await expect(endpoint.deleteCapture('gone')).rejects.toThrow(CaptureNotFoundError);
    await endpoint.inference(ROWS, { capture: 'gone' });
    expect(await endpoint.capture('gone')).toMatchObject({ version: 4 });
  });

  test('is of the default endpoint where none is named', async () => {
    await client.endpoint().inference(ROWS, { capture: 'of-the-default' });
    expect(await client.endpoint().deleteCapture('of-the-default')).toBe(1);
  });
});

describe('a smoke test', () => {
  test('runs the rows of the evaluation data that were held out, and captures them as auto_inference', async () => {
    const { rows, capture } = await client.endpoint().autoInference();
    expect(rows).toEqual([
      { id: '1', prediction: '1.5' },
      { id: '3', prediction: '3.5' },
      { id: '5', prediction: '5.5' },
    ]);
    expect(capture.name).toBe('auto_inference');
    expect(capture.metrics).toMatchObject({ support: 3, rmse: 0.5 });
  });

  test('runs so many of them, the same ones every time', async () => {
    const tried = [await client.endpoint('scored').testInference(2), await client.endpoint('scored').testInference(2)];
    expect(tried.map(({ rows }) => rows.map(({ id }) => id))).toEqual([
      ['1', '3'],
      ['1', '3'],
    ]);
    const [first, second] = tried.map(({ capture }) => capture.body);
    expect(second!.version).toBe(first!.version + 1);
    expect(second!.input.sha256).toBe(first!.input.sha256);
  });

  test('needs evaluation data', async () => {
    await expect(client.endpoint('plain').autoInference()).rejects.toThrow(EvaluationNotFoundError);
  });
});
