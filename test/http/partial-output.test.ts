import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/index.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

let server: TestService;
let folder: string;
let gates: Gates;

beforeAll(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
  server = await startTestService({
    endpoints: {
      rows: { model: './careful-rows.ts', mode: 'async', batchSize: 1, maxInFlight: 1, replicas: { concurrency: 4 } },
      whole: { model: './anything.ts', mode: 'async' },
    },
  });
});
afterAll(async () => {
  await server.stop();
  await removeFolder(folder);
});

const submit = async (csv: string, query = ''): Promise<string> => {
  const { json } = await server.postRaw(`/endpoints/rows/invoke${query}`, 'text/csv', csv);
  return json.run_id as string;
};
const partial = (runId: string) => server.get(`/runs/${runId}/output?partial=true`);

test('of a batch that its first failed row has ended, the rows that are done can be fetched, and the others are marked', async () => {
  const runId = await submit('id,fail\n1,\n2,throw\n3,\n', '?on_row_error=fail');
  expect(await server.ended(runId)).toMatchObject({ status: 'failed' });
  expect(await server.get(`/runs/${runId}/output`)).toMatchObject({ status: 424 });
  const answer = await partial(runId);
  expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'text/csv; charset=utf-8' } });
  expect(answer.headers['content-disposition']).toBe(`attachment; filename="${runId}.partial.csv"`);
  expect(answer.text).toBe(
    'id,fail,inference_error\n1,,\n2,throw,model-error: Row 2 is bad.\n3,,not-done: The batch has not come to this row.\n',
  );
});

test('of a batch that was cancelled as well, also by the client; and of one that goes on', async () => {
  const runId = await submit(`id,gate\n1,\n2,${gates.path('open')}\n3,\n`);
  await until('its first row is done', async () => (await server.run(runId)).progress.done === 1);
  const going = (await partial(runId)).text;
  expect(going.split('\n').slice(0, 2)).toEqual(['id,gate,inference_error', '1,,']);
  expect(going.match(/not-done/g)).toHaveLength(2);
  await server.send('DELETE', `/runs/${runId}`);
  const { bytes, contentType } = await connect({ url: server.url }).run(runId).partialOutput();
  expect(contentType).toBe('text/csv');
  const lines = Buffer.from(bytes).toString().trimEnd().split('\n');
  expect(lines).toEqual([
    'id,gate,inference_error',
    '1,,',
    expect.stringContaining('run-cancelled'),
    '3,,not-done: The batch has not come to this row.',
  ]);
  gates.open('open');
});

test('of a batch whose rows are done in another order, each row stands at its place', async () => {
  const held = [gates.path('second'), gates.path('fourth')] as const;
  const runId = await submit(`id,gate\n1,\n2,${held[0]}\n3,\n4,${held[1]}\n`, '?max_in_flight=4');
  await until('two are done', async () => (await server.run(runId)).progress.done === 2);
  const lines = (await partial(runId)).text.trimEnd().split('\n');
  expect(lines).toEqual([
    'id,gate,inference_error',
    '1,,',
    `2,${held[0]},not-done: The batch has not come to this row.`,
    '3,,',
    `4,${held[1]},not-done: The batch has not come to this row.`,
  ]);
  for (const name of ['second', 'fourth']) gates.open(name);
});

test('leaves the others out where failed rows are left out, and is the output of a batch that has succeeded', async () => {
  const dropping = await submit(`id,fail\n1,\n2,throw\n3,hang\n`, '?on_row_error=drop');
  await until('two rows are done', async () => (await server.run(dropping)).progress.done === 2);
  await server.send('DELETE', `/runs/${dropping}`);
  expect((await partial(dropping)).text).toBe('id,fail\n1,\n');
  const runId = await submit('id,fail\n1,\n');
  await server.ended(runId);
  expect((await partial(runId)).text).toBe('id,fail\n1,\n');
});

test('is had of batches alone', async () => {
  const runId = await server.submit('whole', { do: 'throw', path: gates.path('whole') });
  expect(await partial(runId)).toMatchObject({ status: 409, json: { retryable: true } });
  gates.open('whole');
  await server.ended(runId);
  expect(await partial(runId)).toMatchObject({ status: 424 });
  expect(await server.get(`/runs/${runId}/output?partial=maybe`)).toMatchObject({ status: 422 });
});
