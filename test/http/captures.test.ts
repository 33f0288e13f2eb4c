import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capturesFolder } from '../../src/config/config.ts';
import { sha256 } from '../../src/domain/digest.ts';
import { days } from '../../src/domain/time.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { serviceWithKeys } from '../support/keys.ts';
import { collectIn } from '../support/collect.ts';
import { FIXTURES, serviceForTest, startTestService, type TestService } from '../support/service.ts';

const ENDPOINTS = {
  scored: {
    model: './predictor.ts',
    mode: 'sync',
    default: true,
    batchSize: 3,
    target: 'truth',
    idColumn: 'id',
    evaluation: './evaluation.csv',
  },
  plain: { model: './predictor.ts', mode: 'sync' },
  anything: { model: './anything.ts', mode: 'sync' },
} as const;
const TABLE = 'id,guess,truth\n007,1.5,1\nb,2.5,2\nc,2.5,3\n';

/** The id of a run of a CSV table that has ended. */
async function ranOn(server: TestService, table: string, endpoint = 'scored', query = ''): Promise<string> {
  const path = `/endpoints/${endpoint}/invoke?async=true&batch=true${query}`;
  const { json } = await server.postRaw(path, 'text/csv', table);
  const ended = await server.ended(json.run_id as string);
  expect(ended.status).toBe('succeeded');
  return ended.run_id as string;
}

const capture = (server: TestService, body: object, endpoint = 'scored', headers = {}) =>
  server.post(`/endpoints/${endpoint}/captures`, body, headers);

describe('a capture', () => {
  let server: TestService;
  beforeAll(async () => {
    server = await startTestService({ endpoints: ENDPOINTS });
  });
  afterAll(() => server.stop());
  const ran = (table: string, endpoint?: string, query?: string): Promise<string> =>
    ranOn(server, table, endpoint, query);

  test('has where it comes from, what it predicts, and how good that is', async () => {
    const runId = await ran(TABLE);
    const { status, headers, json } = await capture(server, { name: 'holdout-2026', run_id: runId });
    const run = await server.run(runId);
    expect(status).toBe(201);
    expect(json).toMatchObject({
      name: 'holdout-2026',
      version: 1,
      endpoint: 'scored',
      endpoint_version: 1,
      run_id: runId,
      captured_by: null,
      input: { content_type: 'text/csv', bytes: TABLE.length, sha256: sha256(TABLE) },
      predictions: { content_type: 'text/csv', sha256: run.output.sha256 },
      ids: { column: 'id' },
      rows: { total: 3, failed: 0, without_target: 0, without_prediction: 0, comparable: 3 },
      target: 'truth',
      prediction: 'prediction',
      metrics_missing: null,
      metrics: { task: 'regression', support: 3, rmse: 0.5, mae: 0.5, medae: 0.5, r2: 0.625 },
    });
    expect((await server.get(headers['location']!)).json).toEqual(json);
    const predictions = await server.get(json.predictions.href);
    expect(predictions.text).toBe((await server.get(`/runs/${runId}/output`)).text);
    expect(predictions.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="holdout-2026-v1.csv"',
      etag: `"${run.output.sha256}"`,
    });
    expect((await server.get(json.ids.href)).json).toEqual(['007', 'b', 'c']);
    const head = await server.send('HEAD', json.predictions.href);
    expect([head.text, head.headers['content-length']]).toEqual(['', String(predictions.text.length)]);
  });

  test('is another version for another run, and the same for the same run, also for callers that ask at once', async () => {
    const runs = [await ran(TABLE), await ran(TABLE), await ran(TABLE)];
    const asked = [...runs, ...runs, ...runs].map((runId) => capture(server, { name: 'same', run_id: runId }));
    const answers = await Promise.all(asked);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(3);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(6);
    for (const runId of runs) {
      const versions = answers.filter(({ json }) => json.run_id === runId).map(({ json }) => json.version as number);
      expect(new Set(versions).size).toBe(1);
    }
    const { json } = await server.get('/endpoints/scored/captures?name=same');
    expect(json.captures.map(({ version }: { version: number }) => version)).toEqual([3, 2, 1]);
    expect(new Set(json.captures.map((one: { run_id: string }) => one.run_id))).toEqual(new Set(runs));
  });

  test('never changes: the same run scored in another way needs another name', async () => {
    const runId = await ran(TABLE);
    const first = await capture(server, { name: 'unchanged', run_id: runId });
    const other = { run_id: runId, task: 'classification' };
    const refused = await capture(server, { ...other, name: 'unchanged' });
    expect(refused).toMatchObject({ status: 422, json: { errors: [{ pointer: '/name' }] } });
    expect(refused.json.detail).toContain('choose another name');
    expect((await capture(server, { ...other, name: 'otherwise' })).json.metrics).toMatchObject({
      task: 'classification',
    });
    expect((await server.get('/endpoints/scored/captures/unchanged')).json).toEqual(first.json);
  });

  test('counts failed rows and never scores them, marked or left out', async () => {
    const table = 'id,guess,truth,fail\n1,1,1,\n2,999,2,throw\n3,3,3,\n4,4,,\n5,,5,\n';
    const rows = { total: 5, failed: 1, without_target: 1, without_prediction: 1, comparable: 2 };
    for (const onRowError of ['mark', 'drop']) {
      const runId = await ran(table, 'scored', `&on_row_error=${onRowError}`);
      const { json } = await capture(server, { name: onRowError, run_id: runId });
      expect(json).toMatchObject({ rows, metrics: { support: 2, rmse: 0, r2: 1 } });
      const ids = (await server.get(json.ids.href)).json;
      expect(ids).toEqual(onRowError === 'drop' ? ['1', '3', '4', '5'] : ['1', '2', '3', '4', '5']);
    }
  });

  test('has no metrics where there is nothing to compare with, and says so', async () => {
    const untold = await capture(server, { name: 'x', run_id: await ran(TABLE, 'plain') }, 'plain');
    expect(untold.json).toMatchObject({
      metrics: null,
      metrics_missing: 'No target column is named, by the request or the endpoint.',
      ids: null,
      rows: { total: 3, comparable: 0 },
    });
    expect((await server.get('/endpoints/plain/captures/x/ids')).json).toBeNull();
    const absent = await capture(server, { name: 'x', run_id: await ran('id,guess\n1,2\n') });
    expect(absent.json).toMatchObject({ metrics: null, metrics_missing: 'The input has no column "truth".' });
  });

  test('takes target, prediction and task from the request before the endpoint’s own', async () => {
    const runId = await ran('id,guess,truth,label\n1,yes,1,yes\n2,no,1,yes\n');
    const { json } = await capture(server, { name: 'x', run_id: runId, target: 'LABEL' });
    expect(json).toMatchObject({
      target: 'label',
      metrics: {
        task: 'classification',
        accuracy: 0.5,
        confusion_matrix: {
          labels: ['no', 'yes'],
          counts: [
            [0, 0],
            [1, 1],
          ],
        },
      },
    });
    const [line] = (await server.get('/endpoints/scored/captures')).json.captures;
    const { classes: _classes, confusion_matrix: _matrix, ...summary } = json.metrics;
    expect(line.metrics).toEqual(summary);
    const wrong = await capture(server, { name: 'y', run_id: runId, prediction: 'score' });
    expect(wrong).toMatchObject({ status: 422, json: { run_id: runId } });
    expect(wrong.json.detail).toContain('The output has no column "score"; it has "id", "prediction".');
  });

  test('of a large table is scored in a thread, with the same numbers', async () => {
    const rows = Array.from({ length: 60_000 }, (_, at) => `${at},${at + (at % 2)},${at}`);
    const runId = await ran(`id,guess,truth\n${rows.join('\n')}\n`, 'scored', '&batch_size=20000');
    const { json } = await capture(server, { name: 'large', run_id: runId });
    expect(json.input.bytes + json.predictions.bytes).toBeGreaterThan(1_024 * 1_024);
    expect(json.metrics).toMatchObject({ support: 60_000, mae: 0.5, medae: 0.5 });
    expect(json.metrics.rmse).toBeCloseTo(Math.SQRT1_2, 12);
    const wrong = await capture(server, { name: 'wrong', run_id: runId, prediction: 'nothing' });
    expect(wrong).toMatchObject({ status: 422, json: { errors: [{ pointer: '/prediction' }] } });
  });

  test('is of a run that has succeeded, of this endpoint, and of a table', async () => {
    const folder = await folderForTest();
    const gate = new Gates(folder);
    const failed = await server.submit('anything', { do: 'throw' });
    await server.ended(failed);
    const going = await server.submit('anything', { do: 'say', path: gate.path('go') });
    const ask = (run_id: string, endpoint = 'anything') => capture(server, { name: 'x', run_id }, endpoint);
    expect(await ask(failed)).toMatchObject({ status: 424, json: { type: expect.stringMatching(/model-error$/) } });
    expect(await ask(going)).toMatchObject({ status: 409, json: { type: expect.stringMatching(/run-not-ended$/) } });
    await server.send('DELETE', `/runs/${going}`);
    expect(await ask(going)).toMatchObject({ status: 409, json: { type: expect.stringMatching(/run-cancelled$/) } });
    const batch = await ran(TABLE);
    expect((await ask(batch)).json.detail).toContain('/run_id is a run of scored, and not of anything');
    const [chunk] = await server.chunks(batch);
    expect((await ask(chunk.run_id as string, 'scored')).json.detail).toContain('capture the batch');
    const object = await server.submit('anything', { a: 1 });
    await server.ended(object);
    expect(await ask(object)).toMatchObject({ status: 422 });
    const image = await server.postRaw('/endpoints/anything/invoke?async=true', 'image/png', 'x');
    await server.ended(image.json.run_id as string);
    expect((await ask(image.json.run_id as string)).json.detail).toContain('its input is image/png');
    expect(await ask('0198b0ff-0000-7000-8000-000000000000')).toMatchObject({ status: 404 });
    expect((await server.get('/endpoints/anything/captures')).json.captures).toEqual([]);
  });

  test.each(['', '-a', 'a-', 'a/b', '../a', 'a b', 'é', 'a'.repeat(65), 'a\0'])(
    'has a name that is a name, and %j is none',
    async (name) => {
      const { status, json } = await capture(server, { name, run_id: 'x' });
      expect([status, json.errors[0].pointer]).toEqual([422, '/name']);
    },
  );

  test('that is not there is told of, with the newest version where there is one', async () => {
    await capture(server, { name: 'there', run_id: await ran(TABLE) });
    const detail = async (path: string) =>
      (await server.get(`/endpoints/scored/captures/${path}`)).json.detail as string;
    expect(await detail('there?version=2')).toBe('there has no version 2; the newest is 1.');
    expect(await detail('absent')).toContain('Nothing of scored is captured under the name');
    expect(await detail('absent%00')).toContain('Nothing of scored is captured');
    expect(await detail('absent/predictions')).toContain('Nothing of scored is captured');
  });

  test('is found page by page', async () => {
    for (const name of ['a', 'b', 'c']) await capture(server, { name, run_id: await ran(TABLE) });
    const names: string[] = [];
    for (let cursor = ''; ;) {
      const { json } = await server.get(`/endpoints/scored/captures?limit=1${cursor}`);
      names.push(...json.captures.map(({ name }: { name: string }) => name));
      if (json.next_cursor === null) break;
      cursor = `&cursor=${json.next_cursor as string}`;
    }
    expect(names.slice(0, 3)).toEqual(['c', 'b', 'a']);
    expect(names.length).toBe((await server.get('/endpoints/scored/captures?limit=100')).json.captures.length);
    expect((await server.get('/endpoints/scored/captures?cursor=x')).json.errors[0].pointer).toBe('query:cursor');
  });
});

test('a capture whose predictions are damaged on the disk never hands them out', async () => {
  const server = await serviceForTest({ endpoints: ENDPOINTS });
  const { json } = await capture(server, { name: 'a', run_id: await ranOn(server, TABLE) });
  const folder = capturesFolder(server.data);
  const names = await readdir(folder, { recursive: true });
  await writeFile(
    join(
      folder,
      names.find((name) => name.endsWith('.predictions'))!,
    ),
    'other',
  );
  const { status, text } = await server.get(json.predictions.href);
  expect(status).toBe(500);
  expect(text).toContain('The predictions of this capture are damaged in the store.');
  expect((await server.get(json.ids.href)).json).toEqual(['007', 'b', 'c']);
});

test('captures and their predictions outlive the server, and the retention of their runs', async () => {
  const data = await folderForTest();
  // A clock can be set ahead only where the ledger has one of its own.
  const options = { endpoints: ENDPOINTS, data, database: null };
  const first = await startTestService(options);
  const runId = await ranOn(first, TABLE);
  const { json: kept } = await capture(first, { name: 'kept', run_id: runId });
  const { text } = await first.get(kept.predictions.href);
  await first.stop();
  await collectIn(data, days(8));
  const second = await serviceForTest(options);
  expect((await second.get(`/runs/${runId}/output`)).status).toBe(410);
  expect((await second.get('/endpoints/scored/captures/kept')).json).toEqual(kept);
  expect((await second.get(kept.predictions.href)).text).toBe(text);
  expect(await capture(second, { name: 'kept', run_id: runId })).toMatchObject({ status: 200, json: kept });
  expect(await capture(second, { name: 'late', run_id: runId })).toMatchObject({ status: 410 });
});

test('a capture is its tenant’s, and says which key asked for it', async () => {
  const server = await serviceWithKeys({ endpoints: ENDPOINTS }, { ada: { tenant: 'ada' }, bob: { tenant: 'bob' } });
  const { ada, bob } = server.keys;
  const run = async (headers: object) => {
    const asked = { input: [{ id: 1, guess: 1, truth: 1 }], batch: true, async: false };
    return (await server.post('/endpoints/scored/invoke', asked, { ...headers })).json.run_id as string;
  };
  const hers = await run(ada.headers);
  const made = await capture(server, { name: 'same', run_id: hers }, 'scored', ada.headers);
  expect(made.json).toMatchObject({ version: 1, captured_by: ada.keyId });
  expect((await capture(server, { name: 'same', run_id: hers }, 'scored', bob.headers)).status).toBe(404);
  expect((await server.get(made.json.predictions.href, bob.headers)).status).toBe(404);
  expect((await server.get('/endpoints/scored/captures', bob.headers)).json.captures).toEqual([]);
  const his = await capture(server, { name: 'same', run_id: await run(bob.headers) }, 'scored', bob.headers);
  expect(his.json).toMatchObject({ version: 1, captured_by: bob.keyId });
});

describe('a capture that is deleted', () => {
  let server: TestService;
  beforeAll(async () => {
    server = await startTestService({ endpoints: ENDPOINTS });
  });
  afterAll(() => server.stop());
  const captured = async (name: string, table = TABLE) =>
    (await capture(server, { name, run_id: await ranOn(server, table) })).json;
  const deleted = (path: string) => server.send('DELETE', `/endpoints/scored/captures/${path}`);
  const filesOf = async (): Promise<string[]> =>
    (await readdir(capturesFolder(server.data), { recursive: true })).filter((name) =>
      /\.(?:predictions|ids)$/.test(name),
    );

  test('is gone with its predictions and its ids, and nothing else is', async () => {
    const [first, second] = [await captured('one'), await captured('one')];
    const files = await filesOf();
    expect(await deleted('one?version=1')).toMatchObject({ status: 200, json: { deleted: 1 } });
    for (const { href } of [first.predictions, first.ids]) expect((await server.get(href)).status).toBe(404);
    expect((await server.get(second.predictions.href)).status).toBe(200);
    expect((await server.get(second.ids.href)).json).toEqual(['007', 'b', 'c']);
    expect(files.length - (await filesOf()).length).toBe(2);
    expect((await server.get(`/runs/${first.run_id}/output`)).status).toBe(200);
  });

  test('is told of as one that never was, with the newest version where there is one', async () => {
    for (const _ of [1, 2]) await captured('two');
    expect((await deleted('two?version=2')).status).toBe(200);
    const gone = '/endpoints/scored/captures/two?version=2';
    for (const { status, json } of [await deleted('two?version=2'), await server.get(gone)])
      expect([status, json.type, json.detail]).toEqual([
        404,
        'https://claimcheck.dev/problems/capture-not-found',
        'two has no version 2; the newest is 1.',
      ]);
    expect((await deleted('two?version=0')).json.errors[0].pointer).toBe('query:version');
    for (const name of ['absent', 'absent%00', 'absent?version=7'])
      expect((await deleted(name)).json.detail).toContain('Nothing of scored is captured under the name');
    expect((await server.send('DELETE', '/endpoints/none/captures/two')).json.type).toMatch(/endpoint-not-found$/);
  });

  test('leaves its number taken, also where all versions of the name are deleted', async () => {
    for (const _ of [1, 2, 3]) await captured('three');
    expect((await deleted('three?version=3')).json).toEqual({ deleted: 1 });
    expect((await captured('three')).version).toBe(4);
    expect((await deleted('three')).json).toEqual({ deleted: 3 });
    expect((await server.get('/endpoints/scored/captures?name=three')).json.captures).toEqual([]);
    expect((await captured('three')).version).toBe(5);
  });

  test('may be made again of the same run, and scored in another way', async () => {
    const { run_id } = await captured('four');
    await deleted('four');
    const again = await capture(server, { name: 'four', run_id, task: 'classification' });
    expect(again).toMatchObject({ status: 201, json: { version: 2, metrics: { task: 'classification' } } });
    expect((await server.get(again.json.predictions.href)).status).toBe(200);
  });

  test('while its run is captured again by many takes nothing from the capture that is there', async () => {
    const { run_id } = await captured('five');
    const predictions = (await server.get(`/runs/${run_id as string}/output`)).text;
    for (let round = 0; round < 8; round += 1) {
      const work = [1, 2, 3].flatMap(() => [deleted('five'), capture(server, { name: 'five', run_id })]);
      for (const { status } of await Promise.all(work)) expect([200, 201, 404]).toContain(status);
      const { json } = await capture(server, { name: 'five', run_id });
      expect((await server.get(json.predictions.href)).text).toBe(predictions);
      expect((await server.get(json.ids.href)).json).toEqual(['007', 'b', 'c']);
    }
    await deleted('five');
    const { json } = await server.get('/endpoints/scored/captures?limit=100');
    expect(await filesOf()).toHaveLength(2 * json.captures.length);
  });

  test('is its tenant’s to delete, with a key for that and for the endpoint', async () => {
    const keys = {
      ada: { tenant: 'ada' },
      bob: { tenant: 'bob' },
      elsewhere: { tenant: 'ada', endpoints: ['plain'] },
      maker: { tenant: 'ada', scopes: ['invoke', 'read'] },
    } as const;
    const keyed = await serviceWithKeys({ endpoints: ENDPOINTS }, keys);
    const { ada, bob, elsewhere, maker } = keyed.keys;
    const asked = { input: [{ id: 1, guess: 1, truth: 1 }], batch: true, async: false };
    const run = (await keyed.post('/endpoints/scored/invoke', asked, { ...ada.headers })).json.run_id as string;
    const made = await capture(keyed, { name: 'hers', run_id: run }, 'scored', ada.headers);
    const path = '/endpoints/scored/captures/hers';
    const statuses = [];
    for (const { headers } of [bob, elsewhere, maker])
      statuses.push((await keyed.send('DELETE', path, { headers })).status);
    expect(statuses).toEqual([404, 403, 403]);
    expect((await keyed.get(path, ada.headers)).json).toEqual(made.json);
    expect((await keyed.send('DELETE', path, { headers: ada.headers })).json).toEqual({ deleted: 1 });
  });
});

describe('evaluation data', () => {
  test('are given without the rows that the model was trained on', async () => {
    const server = await serviceForTest({ endpoints: ENDPOINTS });
    const { text, headers } = await server.get('/endpoints/scored/evaluation');
    expect(text).toBe('id,guess,truth,training\n1,1.5,1,false\n3,3.5,3,False\n5,5.5,5,0\n');
    expect(headers['content-type']).toBe('text/csv; charset=utf-8');
    const two = (await server.get('/endpoints/scored/evaluation?rows=2')).text;
    expect(two.split('\n').slice(1, 3)).toEqual(['1,1.5,1,false', '3,3.5,3,False']);
    expect((await server.get('/endpoints/plain/evaluation')).json).toMatchObject({
      status: 404,
      detail: 'plain has no evaluation data: name a file with "evaluation" in its configuration.',
    });
  });

  test('are looked at before a server starts, and before an endpoint is deployed', async () => {
    const wrong = { ...ENDPOINTS.scored, target: 'price' };
    const mistake = /evaluation\.csv has no column "price", which is the endpoint's target; it has "id", "guess"/;
    await expect(startTestService({ endpoints: { scored: wrong }, data: await folderForTest() })).rejects.toThrow(
      mistake,
    );
    const server = await serviceForTest({ endpoints: ENDPOINTS });
    const put = await server.send('PUT', '/endpoints/another', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: './predictor.ts', evaluation: './none.csv' }),
    });
    expect(put).toMatchObject({ status: 422, json: { errors: [{ pointer: '/evaluation' }] } });
    expect(put.json.detail).toContain('none.csv does not exist');
  });

  test('that have gone since are told of without the path', async () => {
    const folder = await folderForTest();
    const file = join(folder, 'rows.csv');
    await writeFile(file, await readFile(join(FIXTURES, 'evaluation.csv')));
    const server = await serviceForTest({ endpoints: { scored: { ...ENDPOINTS.scored, evaluation: file } } });
    await rename(file, `${file}.gone`);
    const { status, text } = await server.get('/endpoints/scored/evaluation');
    expect(status).toBe(404);
    expect(text).not.toContain(folder);
  });
});
