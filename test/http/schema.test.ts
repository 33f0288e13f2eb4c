// Inputs against the schemas of models, through a whole service.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestService, type TestService } from '../support/service.ts';

let server: TestService;
beforeAll(async () => {
  server = await startTestService({
    endpoints: {
      priced: { model: './priced.ts' },
      chunked: { model: './priced.ts', batchSize: 1 },
      standard: { model: './priced-standard.ts' },
      rows: { model: './priced-rows.ts', batchSize: 4 },
    },
  });
});
afterAll(() => server.stop());

describe('an input that does not fit the schema of its model', () => {
  test('is refused before anything is stored, with every place in the request', async () => {
    const answer = await server.post('/endpoints/priced/invoke', { input: { order: { price: 'much' }, oder: 1 } });
    expect(answer.status).toBe(422);
    expect(answer.json).toMatchObject({ type: 'https://claimcheck.dev/problems/invalid-request' });
    expect(answer.json.detail).toContain('/input/order/price must be number');
    expect(answer.json.errors).toEqual(
      expect.arrayContaining([
        { pointer: '/input/order/price', detail: 'must be number' },
        { pointer: '/input/oder', detail: expect.stringContaining('did you mean "order"?') as string },
      ]),
    );
    const { json } = await server.get('/runs?endpoint=priced&status=failed');
    expect(json.runs).toEqual([]);
  });

  test('is named by the member that holds it, also where that is "parameters"', async () => {
    const answer = await server.post('/endpoints/priced/invoke', { parameters: { order: {} } });
    expect(answer.status).toBe(422);
    expect(answer.json.errors).toEqual([{ pointer: '/parameters/order/price', detail: 'is required' }]);
  });

  test('is refused too where a Standard Schema can say itself as JSON Schema', async () => {
    const refused = await server.post('/endpoints/standard/invoke', { input: { price: null } });
    expect(refused.status).toBe(422);
    expect(refused.json.errors).toMatchObject([{ pointer: '/input/price' }]);
    const taken = await server.post('/endpoints/standard/invoke', { input: { price: '7' } });
    expect(taken.json).toMatchObject({ status: 'succeeded', outputs: { price: 7 } });
  });

  test('reaches the replica where it is too long to be checked at once, and fails there in the same words', async () => {
    const say = 'x'.repeat(1_024 * 1_024);
    const { json } = await server.post('/endpoints/priced/invoke', { input: { order: { price: 'much' }, say } });
    expect(json).toMatchObject({
      status: 'failed',
      error: {
        kind: 'model-error',
        message: "The input does not fit the model's schema: /order/price must be number.",
      },
    });
  });
});

describe('an input that fits', () => {
  test('is run, and its numbers are what they were', async () => {
    const body = '{"input": {"order": {"price": 1.50, "note": 9007199254740993}}}';
    const { json } = await server.post('/endpoints/priced/invoke', body);
    expect(json).toMatchObject({ status: 'succeeded', outputs: { paid: 1.5 } });
  });

  test('may be bytes: those are not checked', async () => {
    const { json } = await server.postRaw('/endpoints/priced/invoke', 'application/octet-stream', 'four');
    expect(json).toMatchObject({ status: 'succeeded', outputs: { bytes: 4 } });
  });
});

test('an output that does not fit the schema of its model is invalid', async () => {
  const { json } = await server.post('/endpoints/priced/invoke', { input: { order: { price: 1 }, say: 'much' } });
  expect(json).toMatchObject({
    status: 'failed',
    error: {
      kind: 'invalid-output',
      message: "The output does not fit the model's schema: it must be either object or number.",
    },
  });
});

describe('a table', () => {
  test('loses only the rows that do not fit, each with its reason', async () => {
    const runId = await server.submitTable('rows', 'price\n1\n2\nmuch\n4\n600\n');
    const run = await server.ended(runId);
    expect(run).toMatchObject({ progress: { done: 5, failed: 2 } });
  });
});
