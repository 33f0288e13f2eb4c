import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deploymentId, snapshotId } from '../../../src/http/faces/zenml.ts';
import type { TestAnswer } from '../../support/http.ts';
import { startTestService, type TestService } from '../../support/service.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let server: TestService;
beforeAll(async () => {
  server = await startTestService({
    endpoints: {
      pipeline: { model: './anything.ts', face: 'zenml', default: true },
      priced: { model: './priced.ts', face: 'zenml' },
      coerced: { model: './priced-standard.ts', face: 'zenml' },
      slow: { model: './anything.ts', face: 'zenml', mode: 'async' },
      plain: { model: './anything.ts' },
      program: { model: ['sleep', '600'], face: 'zenml', syncTimeout: '50ms', queueLimit: 1 },
    },
  });
});
afterAll(() => server.stop());

/** As `zenml deployment invoke` asks, with what its dashboard sends beside the parameters. */
const invoke = (endpoint: string, parameters: unknown, options: object = {}): Promise<TestAnswer> =>
  server.post(`/endpoints/${endpoint}/invoke`, { parameters, ...options }, { accept: 'application/json' });

describe('a pipeline that succeeds', () => {
  test('is answered with its outputs by their names, how long it took, and what it was called with', async () => {
    const answer = await invoke(
      'pipeline',
      { city: 'Lagos', days: 3 },
      { run_name: 'forecast', timeout: 300, skip_artifact_materialization: true },
    );
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      success: true,
      outputs: { city: 'Lagos', days: 3 },
      execution_time: expect.any(Number) as number,
      error: null,
      metadata: {
        deployment_id: deploymentId('pipeline'),
        deployment_name: 'pipeline',
        snapshot_id: snapshotId('pipeline', 1),
        snapshot_name: '1',
        pipeline_name: 'pipeline',
        run_id: answer.headers['run-id'],
        run_index: expect.any(Number) as number,
        run_name: 'forecast',
        parameters_used: { city: 'Lagos', days: 3 },
      },
    });
    expect(answer.json.execution_time).toBeGreaterThanOrEqual(0);
    expect(await server.run(answer.headers['run-id'] as string)).toMatchObject({ status: 'succeeded' });
  });

  test('needs neither a name nor a time, and may say that it has none', async () => {
    for (const options of [{}, { run_name: null }, { timeout: 300, skip_artifact_materialization: false }])
      expect((await invoke('pipeline', { a: 1 }, options)).json).toMatchObject({
        success: true,
        metadata: { run_name: null, parameters_used: { a: 1 } },
      });
  });

  test('that has an output without a name gives it one', async () => {
    expect((await invoke('pipeline', { do: 'say', value: [1, 2] })).json.outputs).toEqual({ output: [1, 2] });
    expect((await invoke('pipeline', { do: 'say', value: null })).json.outputs).toEqual({ output: null });
  });

  test('has no parameters by their names where its input is a list', async () => {
    const answer = await server.postRaw('/endpoints/pipeline/invoke?on_row_error=mark', 'application/json', '[]');
    expect(answer.json.metadata.parameters_used).toEqual({});
    expect(answer.json.outputs).toEqual({ output: [] });
  });

  test('has its numbers as they were written', async () => {
    const { text } = await server.post('/invoke', '{"parameters":{"big":9007199254740993}}');
    expect(text).toContain('"parameters_used":{"big":9007199254740993}');
  });

  test('is a run like any other where it is asked for asynchronously', async () => {
    const asked = await server.post(
      '/endpoints/pipeline/invoke',
      { parameters: { a: 1 } },
      { prefer: 'respond-async' },
    );
    expect(asked.status).toBe(202);
    expect(asked.json).toMatchObject({ status: 'queued' });
    expect((await invoke('pipeline', { a: 1 }, { async: true })).status).toBe(202);
    expect(await server.ended(asked.json.run_id)).toMatchObject({ status: 'succeeded', outputs: { a: 1 } });
  });
});

describe('a pipeline that fails', () => {
  test('is a 200 that says so, in its own words', async () => {
    const answer = await invoke('pipeline', { do: 'throw' });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({
      success: false,
      outputs: null,
      metadata: { parameters_used: { do: 'throw' }, run_id: answer.headers['run-id'] },
    });
    expect(answer.json.error).toContain('The model does not like this.');
  });

  test('is one, too, where it took longer than it may', async () => {
    const { status, json } = await invoke('pipeline', { do: 'hang' }, { timeout: 0.05 });
    expect(status).toBe(200);
    expect(json).toMatchObject({ success: false, outputs: null });
    expect(json.error).toContain('timeout');
  });

  test('and one that goes on is not: it is a 504 whose detail says where it is', async () => {
    const { status, json } = await invoke('program', {});
    expect(status).toBe(504);
    expect(json.detail).toContain('/runs/');
    const full = await invoke('program', {});
    expect(full.status).toBe(429);
    expect(full.json.detail).toContain('queue_limit');
  });
});

describe('a request that is not valid is answered as FastAPI does', () => {
  test.each([
    ['no parameters', '{}', { loc: ['body', 'parameters'], type: 'missing', msg: 'Field required' }],
    [
      'parameters that are no object',
      '{"parameters":[1]}',
      { loc: ['body', 'parameters'], type: 'value_error', msg: expect.stringContaining('object') as string },
    ],
    [
      'a member that is not known',
      '{"parameters":{},"colour":"red"}',
      { loc: ['body', 'colour'], type: 'extra_forbidden', msg: 'Extra inputs are not permitted' },
    ],
    [
      'a time that is no number',
      '{"parameters":{},"timeout":"long"}',
      { loc: ['body', 'timeout'], type: 'value_error', msg: expect.any(String) as string },
    ],
    ['no JSON', '{"parameters":', { loc: ['body'], type: 'json_invalid', msg: expect.any(String) as string }],
  ])('%s', async (_, body, mistake) => {
    const answer = await server.post('/endpoints/pipeline/invoke', body);
    expect(answer.status).toBe(422);
    expect(answer.headers['content-type']).toMatch(/^application\/json\b/);
    expect(answer.json).toEqual({ detail: [mistake] });
  });

  test('a parameter that does not fit the schema is named with its place', async () => {
    const { json } = await invoke('priced', { order: { price: 'much' }, colour: 'red' });
    expect(json.detail.map(({ loc }: { loc: unknown }) => loc)).toEqual(
      expect.arrayContaining([
        ['body', 'parameters', 'order', 'price'],
        ['body', 'parameters', 'colour'],
      ]),
    );
    expect((await invoke('priced', {})).json.detail).toContainEqual({
      loc: ['body', 'parameters', 'order'],
      type: 'missing',
      msg: 'Field required',
    });
  });
});

test('a wrong type that only the replica can tell is a mistake of the request as well', async () => {
  const answer = await invoke('coerced', { price: 'much' });
  expect(answer.status).toBe(422);
  expect(answer.json.detail).toEqual([
    {
      type: 'value_error',
      loc: ['body', 'parameters', 'price'],
      msg: 'Value error, Expected a number, received "much"',
    },
  ]);
  expect((await invoke('coerced', { price: '7' })).json).toMatchObject({ success: true, outputs: { price: 7 } });
});

test('an endpoint that is asynchronous answers in this form too, unless the request asks for a 202', async () => {
  expect(await invoke('slow', { a: 1 })).toMatchObject({ status: 200, json: { success: true, outputs: { a: 1 } } });
  expect((await invoke('slow', { a: 1 }, { async: true })).status).toBe(202);
});

describe('the address of a deployment', () => {
  test('has /health, which is 200', async () => {
    const { status, text } = await server.get('/endpoints/pipeline/health');
    expect({ status, text }).toEqual({ status: 200, text: 'null' });
  });

  test('has /info, which says what it is and where everything else is', async () => {
    await invoke('priced', { order: { price: 2 } });
    const { status, json } = await server.get('/endpoints/priced/info');
    expect(status).toBe(200);
    expect(json).toMatchObject({
      deployment: { id: deploymentId('priced'), name: 'priced', auth_enabled: false },
      snapshot: { id: snapshotId('priced', 1), name: '1' },
      pipeline: { name: 'priced', input_schema: { required: ['order'] } },
      app: { invoke_url_path: '/endpoints/priced/invoke', health_url_path: '/endpoints/priced/health' },
      status: 'healthy',
    });
    expect(json.total_executions).toBeGreaterThanOrEqual(1);
    expect(json.uptime).toBeGreaterThan(0);
    expect(json.last_execution_time).toMatch(/Z$/);
  });

  test('has neither where the endpoint has no such face, and the server’s own stay what they are', async () => {
    for (const path of ['/endpoints/plain/health', '/endpoints/plain/info', '/endpoints/none/info'])
      expect([path, (await server.get(path)).status]).toEqual([path, 404]);
    expect((await server.get('/health')).json).toEqual({ status: 'alive' });
    expect((await server.get('/info')).json).toMatchObject({ name: 'claimcheck' });
  });
});

test('an endpoint without the face takes the same request, and answers with its run', async () => {
  const { status, json } = await invoke('plain', { a: 1 }, { timeout: 300, skip_artifact_materialization: true });
  expect(status).toBe(200);
  expect(json).toMatchObject({ status: 'succeeded', outputs: { a: 1 } });
});

test('ids are the same wherever they are made, and another for every endpoint and version', () => {
  const ids = [deploymentId('a'), deploymentId('b'), snapshotId('a', 1), snapshotId('a', 2), snapshotId('a1', 1)];
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(UUID);
  expect(deploymentId('a')).toBe(deploymentId('a'));
});
