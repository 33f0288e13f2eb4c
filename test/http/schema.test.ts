// Inputs against the schemas of models, through a whole service.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ANYBODY } from '../../src/domain/access.ts';
import { readSubmission } from '../../src/http/request/submission.ts';
import { specsOf, startTestService, type TestService } from '../support/service.ts';

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
    const input = { order: { price: 'much' }, oder: 1 };
    const answer = await server.post('/endpoints/priced/invoke', { input, run_name: 'unfit' });
    expect(answer.status).toBe(422);
    expect(answer.json).toMatchObject({ type: 'https://claimcheck.dev/problems/invalid-request' });
    expect(answer.json.detail).toContain('/input/order/price must be number');
    expect(answer.json.errors).toEqual(
      expect.arrayContaining([
        { pointer: '/input/order/price', detail: 'must be number' },
        { pointer: '/input/oder', detail: expect.stringContaining('did you mean "order"?') as string },
      ]),
    );
    const { json } = await server.get('/runs?run_name=unfit');
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
    const runId = await server.submit('priced', { order: { price: 'much' }, say });
    expect(await server.ended(runId)).toMatchObject({
      status: 'failed',
      error: {
        type: 'model-error',
        detail: "The input does not fit the model's schema: /order/price must be number.",
      },
    });
  });
});

describe('an input that fits', () => {
  test('is run', async () => {
    const { json } = await server.post('/endpoints/priced/invoke', { input: { order: { price: 1.5 } } });
    expect(json).toMatchObject({ status: 'succeeded', outputs: { paid: 1.5 } });
  });

  test('goes on byte for byte as it was sent', () => {
    const [spec] = specsOf({ priced: { model: './priced.ts' } });
    const input = '{"price": 1.50, "id": 9007199254740993}';
    const { submission } = readSubmission(
      {
        principal: ANYBODY,
        headers: { 'content-type': 'application/json' },
        query: {},
        body: new TextEncoder().encode(`{"input": ${input}}`),
      },
      {
        spec: spec!,
        version: 1,
        takes: 'any',
        inputSchema: { properties: { price: { type: 'number' } } },
        outputSchema: null,
      },
    );
    expect(submission.input).toEqual({ contentType: 'application/json', bytes: new TextEncoder().encode(input) });
  });

  test('may be bytes: those are not checked', async () => {
    const { json } = await server.postRaw('/endpoints/priced/invoke', 'application/octet-stream', 'four');
    expect(json).toMatchObject({ status: 'succeeded', outputs: { bytes: 4 } });
  });
});

test('an output that does not fit the schema of its model is invalid', async () => {
  const runId = await server.submit('priced', { order: { price: 1 }, say: 'much' });
  expect(await server.ended(runId)).toMatchObject({
    status: 'failed',
    error: {
      type: 'invalid-output',
      detail: "The output does not fit the model's schema: it must be either object or number.",
    },
  });
});

describe('a table', () => {
  test('loses only the rows that do not fit, each with its reason, and the others come as the schema made them', async () => {
    const answer = await server.postRaw('/endpoints/rows/invoke', 'text/csv', 'price\n1\n2\nmuch\n4\n600\n', {
      accept: 'application/json',
    });
    const reason = (text: string): unknown => expect.stringContaining(text);
    expect(answer.json.outputs).toEqual([
      { double: 2, inference_error: null },
      { double: 4, inference_error: null },
      { double: null, inference_error: reason('model-error: The input row does not fit the model') },
      { double: 8, inference_error: null },
      { double: null, inference_error: reason('invalid-output: The output row does not fit the model') },
    ]);
  });

  test('for a model that takes any input is not held against the schema of the whole', async () => {
    const answer = await server.post('/endpoints/chunked/invoke', { input: [{ order: 1 }], async: true });
    expect(answer.status).toBe(202);
  });
});
