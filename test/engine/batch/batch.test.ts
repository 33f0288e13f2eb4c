import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as flechette from '@uwdata/flechette';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BORDER_TYPES } from '../../../src/table/format.ts';
import { decodeRows } from '../../../src/table/rows.ts';
import { Gates } from '../../support/gate.ts';
import { newFolder, removeFolder } from '../../support/folder.ts';
import { FIXTURES, startTestService, type TestService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const ARROW = BORDER_TYPES.arrow;

let server: TestService;
let folder: string;
let gates: Gates;
let number = 0;

beforeAll(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
  server = await startTestService({
    endpoints: {
      rows: {
        model: './careful-rows.ts',
        batchSize: 4,
        env: { CHUNK_LOG: join(folder, 'chunks.log') },
        replicas: { max: 2 },
      },
      seen: { model: './echo.ts' },
      steps: { model: './careful-rows.ts', mode: 'async', batchSize: 1 },
      patient: { model: './careful-rows.ts', batchSize: 2, retry: { maxAttempts: 1 } },
      whole: { model: './anything.ts' },
      fleet: { model: './careful-rows.ts', replicas: { max: 4 } },
      mirror: { model: [process.execPath, join(FIXTURES, 'obeying-program.js')], env: { ECHOES: '1' }, batchSize: 3 },
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

/** Runs a table and answers the output. */
async function answerTo(table: string, query = '', contentType = 'text/csv', accept = contentType): Promise<string> {
  const answer = await server.postRaw(`/endpoints/rows/invoke${query}`, contentType, table, { accept });
  if (answer.status !== 200) throw new Error(`The batch was answered with ${answer.status}: ${answer.text}`);
  expect(answer.headers['content-type']).toContain(accept);
  return answer.text;
}

/** The bytes of the output of a batch in another format. */
async function outputOf(
  contentType: string,
  table: string | Uint8Array,
  accept: string,
  query: string,
): Promise<Uint8Array> {
  const path = `/endpoints/rows/invoke?async=true${query}`;
  const { json } = await server.postRaw(path, contentType, table, { accept });
  expect(await server.ended(json.run_id)).toMatchObject({ status: 'succeeded' });
  return (await server.get(`/runs/${json.run_id}/output`)).bytes;
}

/** Submits the text of an input as it is. */
const submitted = async (input: string): Promise<string> =>
  (await server.post('/endpoints/mirror/invoke', `{"async":true,"input":${input}}`)).json.run_id;

const columnOf = (table: string, column: number): string[] =>
  table
    .trimEnd()
    .split('\n')
    .map((line) => line.split(',')[column]!);

describe('a table', () => {
  const VALUES = ['00123', '1e5', '-0', '0.10', ' padded ', '9007199254740993', 'TRUE', 'NaN', '', '=1+1', '\\n'];
  const QUOTED = ['"a,b"', '""', '"with ""quotes"""', '"two\nlines"', '"two\r\nlines"', '"not needed"'];
  const TABLE = `id,value\n${[...VALUES, ...QUOTED, 'café', '🧪'].map((value, id) => `${id},${value}`).join('\n')}\n`;

  test('comes back byte for byte in the order that it had, where its model gives its bytes back', async () => {
    const answer = await server.postRaw('/endpoints/mirror/invoke', 'text/csv', TABLE, { accept: 'text/csv' });
    expect(answer.text).toBe(TABLE);
  });

  test.each([
    ['application/json', (rows: string[]) => `[${rows.join(' ,\n')}]`],
    ['application/jsonlines', (rows: string[]) => rows.map((row) => `${row}\n`).join('')],
  ])('of %s keeps what JavaScript would change: large numbers, escapes, spaces', async (contentType, tableOf) => {
    const rows = ['{"n":9007199254740993}', '{"n":1e400, "m":2}', '{ "n" : -0.10 }', '{"n":"\\u0041"}'];
    const runId =
      contentType === 'application/json'
        ? await submitted(tableOf(rows))
        : (await server.postRaw('/endpoints/mirror/invoke?async=true', contentType, tableOf(rows))).json.run_id;
    expect(await server.ended(runId)).toMatchObject({ status: 'succeeded', progress: { failed: 0 } });
    const { text } = await server.get(`/runs/${runId}/output`);
    for (const row of rows) expect(text).toContain(row);
  });

  test('comes back with every value as it was, where its model gives its rows back', async () => {
    const rows = (text: string): unknown[] => decodeRows(new TextEncoder().encode(text), 'csv');
    expect(rows(await answerTo(TABLE))).toEqual(rows(TABLE));
  });

  test('of CSV with CRLF comes back with the same values', async () => {
    const back = await answerTo('id,value\r\n1,"a""b"\r\n2,00\r\n3,\r\n4,x\r\n5,y');
    expect(back.replaceAll('\r\n', '\n').trimEnd()).toBe('id,value\n1,"a""b"\n2,00\n3,\n4,x\n5,y');
  });

  test('of JSON Lines comes back as JSON Lines', async () => {
    const lines = Array.from({ length: 9 }, (_, id) => `{"id":${id},"text":"a \\"quoted\\" text","none":null}`);
    const table = `${lines.join('\n')}\n`;
    expect(await answerTo(table, '', 'application/jsonlines')).toBe(table);
  });

  test('of JSON records comes back as JSON records', async () => {
    const records = Array.from({ length: 9 }, (_, id) => ({ id, nested: { list: [1, '2'] } }));
    const answer = await server.post('/endpoints/rows/invoke', { input: records });
    expect(answer.json).toMatchObject({ status: 'succeeded', outputs: records, batch: { size: 4 } });
  });

  test.each([
    ['text/csv', 'id,value\n1,00\n2,\n', 'application/jsonlines', '{"id":"1","value":"00"}\n{"id":"2","value":""}\n'],
    ['text/csv', 'id,value\n1,00\n2,\n', 'application/json', '[{"id":"1","value":"00"},{"id":"2","value":""}]'],
    ['application/jsonlines', '{"id":"1"}\n{"id":"2"}\n', 'text/csv', 'id\n1\n2\n'],
  ])('of %s %j comes back as %s where that is asked for', async (contentType, table, accept, expected) => {
    const { json } = await server.postRaw('/endpoints/rows/invoke?async=true', contentType, table, { accept });
    expect(await server.ended(json.run_id)).toMatchObject({ status: 'succeeded', progress: { failed: 0 } });
    const output = await server.get(`/runs/${json.run_id}/output`);
    expect(output.headers['content-type']).toContain(accept);
    // JSON may be written with or without spaces and line ends between its records.
    expect(accept === 'application/json' ? JSON.stringify(output.json) : output.text).toBe(expected);
  });

  test('of a thousand rows has exactly a thousand, each at its place', async () => {
    const ids = Array.from({ length: 1_000 }, (_, id) => String(id));
    const back = await answerTo(`id\n${ids.join('\n')}\n`, '?batch_size=37');
    expect(columnOf(back, 0)).toEqual(['id', ...ids]);
  });

  test('without rows is a table without rows', async () => {
    expect(await answerTo('id,value\n')).toBe('id,value\n');
    expect((await server.post('/endpoints/rows/invoke', { input: [] })).json).toMatchObject({
      status: 'succeeded',
      outputs: [],
      progress: { done: 0, total: 0, failed: 0 },
    });
  });

  test.each([
    ['has none', 'id,value\n', ''],
    ['all of whose rows were dropped', 'id,fail\n1,throw\n2,throw\n', '&on_row_error=drop'],
  ])('that %s keeps its columns in every format that shows columns', async (_, table, query) => {
    const columns = table.split('\n', 1)[0]!.split(',');
    const arrow = await outputOf('text/csv', table, ARROW, query);
    const read = flechette.tableFromIPC(arrow);
    expect([read.numRows, read.names]).toEqual([0, columns]);
    const back = await outputOf(ARROW, arrow, 'text/csv', query);
    expect(new TextDecoder().decode(back)).toBe(`${columns.join(',')}\n`);
  });

  test('has its chunks as runs of their own, and says how it was cut', async () => {
    const { json } = await server.postRaw(
      '/endpoints/rows/invoke?batch_size=2&max_in_flight=1',
      'text/csv',
      'id\n1\n2\n3\n',
    );
    expect(json).toMatchObject({
      status: 'succeeded',
      batch: { size: 2, max_in_flight: 1, on_row_error: 'mark' },
      progress: { done: 3, total: 3, failed: 0, unit: 'rows' },
      links: { children: `/runs?parent_id=${json.run_id}` },
    });
    expect(await server.chunks(json.run_id)).toMatchObject([
      { rows: { from: 0, to: 2 }, parent_id: json.run_id, status: 'succeeded' },
      { rows: { from: 2, to: 3 }, parent_id: json.run_id, status: 'succeeded' },
    ]);
  });

  test('of one row starts one replica, and not all that there may be', async () => {
    const runId = await server.submit('fleet', [{ id: 1 }]);
    expect(await server.ended(runId)).toMatchObject({ status: 'succeeded' });
    expect((await server.endpoint('fleet')).replicas).toMatchObject({ current: 1, min: 0, max: 4 });
  });

  test('is a batch where its model takes rows, and goes to any other model whole', async () => {
    const seen = await server.postRaw('/endpoints/seen/invoke', 'text/csv', 'id\n1\n', { accept: 'text/csv' });
    expect(seen.text).toBe('id,seen\n1,true\n');
    const batch = await server.run(seen.headers['run-id'] as string);
    expect(batch.batch).toEqual({ size: 10, max_in_flight: 64, on_row_error: 'mark' });
    const whole = await server.postRaw('/endpoints/whole/invoke', 'text/csv', 'id\n1\n', { accept: 'text/csv' });
    expect(whole.text).toBe('id\n1\n');
    expect(await server.run(whole.headers['run-id'] as string)).toMatchObject({ batch: null, progress: null });
  });

  test.each(['?batch=false', ''])('goes to its model in one piece where that is asked for%s', async (query) => {
    const answer =
      query === ''
        ? await server.post('/endpoints/rows/invoke', { input: [{ id: 1 }], batch: false })
        : await server.postRaw(`/endpoints/rows/invoke${query}`, 'text/csv', 'id\n1\n');
    expect(answer.json).toMatchObject({ status: 'succeeded', batch: null });
  });
});

describe('a bad row', () => {
  const TABLE = 'id,fail\n1,\n2,throw\n3,\n4,\n5,\n6,\n7,throw\n';

  test('is marked with why, and costs no other row its answer', async () => {
    expect(await answerTo(TABLE)).toBe(
      [
        'id,fail,inference_error',
        '1,,',
        '2,throw,model-error: Row 2 is bad.',
        '3,,',
        '4,,',
        '5,,',
        '6,,',
        '7,throw,model-error: Row 7 is bad.',
        '',
      ].join('\n'),
    );
  });

  test('is left out where that is asked for', async () => {
    expect(await answerTo(TABLE, '?on_row_error=drop')).toBe('id,fail\n1,\n3,\n4,\n5,\n6,\n');
  });

  test('fails the whole batch where that is asked for, and is named', async () => {
    const answer = await server.postRaw('/endpoints/rows/invoke?on_row_error=fail', 'text/csv', TABLE);
    expect(answer.status).toBe(424);
    expect(answer.json.detail).toMatch(/Row [27] /);
    expect(answer.json.detail).toContain('is bad');
    const chunks = await server.chunks(answer.json.run_id);
    expect(chunks.every(({ done }) => done === true)).toBe(true);
  });

  test('among JSON records is null for the good ones and a reason for itself', async () => {
    const { json } = await server.post('/endpoints/rows/invoke', { input: [{ id: 1 }, { id: 2, fail: 'throw' }] });
    expect(json.outputs).toEqual([
      { id: 1, inference_error: null },
      { id: 2, inference_error: 'model-error: Row 2 is bad.' },
    ]);
    expect(json.progress).toMatchObject({ done: 2, total: 2, failed: 1 });
  });

  test('everywhere is a batch that succeeds with a reason in every row', async () => {
    const back = await answerTo('id,fail\n1,throw\n2,throw\n3,throw\n');
    expect(columnOf(back, 2)).toEqual(['inference_error', ...[1, 2, 3].map((id) => `model-error: Row ${id} is bad.`)]);
  });

  test('with a value that the format asked for cannot hold costs no other row its answer', async () => {
    const table = '{"id":1,"text":"fine"}\n{"id":2,"text":"a\\u0000b"}\n{"id":3}\n';
    const back = await answerTo(table, '', 'application/jsonlines', 'text/csv');
    const [header, ...lines] = back.trimEnd().split('\n');
    expect(header).toBe('id,text,inference_error');
    expect([lines[0], lines[2]]).toEqual(['1,fine,', '3,,']);
    expect(lines[1]).toMatch(/^2,,"?invalid-output: .*NUL character/);
  });

  test('for which the model returns too few rows is found, too', async () => {
    const back = await answerTo('id,fail\n1,\n2,short\n3,\n');
    expect(columnOf(back, 0)).toEqual(['id', '1', '2', '3']);
    expect(back.split('\n')[2]).toContain('invalid-output');
    expect(columnOf(back, 2).filter((reason) => reason !== '')).toHaveLength(2);
  });

  test('for which the model returns NaN is found, and the place named', async () => {
    const { json } = await server.post('/endpoints/rows/invoke', {
      input: [{ id: 1 }, { id: 2, fail: 'not-a-number' }],
    });
    expect(json.outputs[1].inference_error).toContain('invalid-output');
    expect(json.outputs[1].inference_error).toContain('score');
    expect(json.outputs[0]).toEqual({ id: 1, inference_error: null });
  });

  test('that hangs costs its own timeout alone', async () => {
    const back = await answerTo('id,fail\n1,\n2,hang\n3,\n', '?timeout=0.2');
    expect(columnOf(back, 2).map((reason) => reason.split(':')[0])).toEqual(['inference_error', '', 'run-timeout', '']);
  });

  test('that crashes its replica costs that row alone', async () => {
    const answer = await server.postRaw('/endpoints/patient/invoke', 'text/csv', 'id,fail\n1,\n2,exit\n3,\n4,\n', {
      accept: 'text/csv',
    });
    const reasons = columnOf(answer.text, 2);
    expect(reasons.map((reason) => reason.replaceAll('"', '').split(':')[0])).toEqual([
      'inference_error',
      '',
      'replica-crashed',
      '',
      '',
    ]);
  });

  test('is asked about once by itself: the good rows of its chunk are halved away', async () => {
    const mine = Array.from({ length: 4 }, (_, place) => `${number}-${place}`);
    await answerTo(`id,fail\n${mine.map((id, place) => `${id},${place === 3 ? 'throw' : ''}`).join('\n')}\n`);
    const asked = readFileSync(join(folder, 'chunks.log'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as string[])
      .filter(([id]) => mine.includes(id!))
      .map((ids) => ids.map((id) => mine.indexOf(id)));
    expect(asked.toSorted((a, b) => b.length - a.length || a[0]! - b[0]!)).toEqual([
      [0, 1, 2, 3],
      [0, 1],
      [2, 3],
      [2],
      [3],
    ]);
  });
});

describe('the progress of a batch', () => {
  test('rises row by row while it runs, and ends at its total', async () => {
    const gate = (row: number): string => `${number}-${row}`;
    const rows = Array.from({ length: 5 }, (_, row) => ({
      id: row,
      gate: gates.path(gate(row)),
      fail: row === 3 ? 'throw' : '',
    }));
    const runId = await server.submit('steps', rows, { batch: { max_in_flight: 2 } });
    for (let done = 0; done < 5; done += 1) {
      // At least as many: row 3 fails without waiting at its gate.
      const seen = await until(`${done} rows are done`, async () => {
        const run = await server.run(runId);
        return run.status === 'running' && run.progress.done >= done ? run : null;
      });
      expect(seen).toMatchObject({ status: 'running', waiting_on: 'children', progress: { total: 5, unit: 'rows' } });
      gates.open(gate(done));
    }
    expect(await server.ended(runId)).toMatchObject({
      status: 'succeeded',
      progress: { done: 5, total: 5, failed: 1 },
    });
  });

  test('never has more chunks outstanding than max_in_flight', async () => {
    const rows = Array.from({ length: 6 }, (_, id) => ({ id, gate: gates.path(`${number}`) }));
    const runId = await server.submit('steps', rows, { batch: { max_in_flight: 2 } });
    await until('a chunk runs', async () => (await server.chunks(runId)).some(({ status }) => status === 'running'));
    expect(await server.chunks(runId)).toHaveLength(2);
    gates.open(`${number}`);
    await server.ended(runId);
    expect(await server.chunks(runId)).toHaveLength(6);
  });
});

describe('a batch that is cancelled', () => {
  test('stops the chunks that run, and starts none of those that wait', async () => {
    const rows = Array.from({ length: 6 }, (_, id) => ({ id, fail: 'hang' }));
    const runId = await server.submit('steps', rows, { batch: { max_in_flight: 4 } });
    await until('a chunk runs', async () => (await server.chunks(runId)).some(({ status }) => status === 'running'));
    await server.send('DELETE', `/runs/${runId}`);
    const chunks = await server.chunks(runId);
    expect(chunks).toHaveLength(4);
    expect(chunks.every(({ status }) => status === 'cancelled')).toBe(true);
    const [running] = chunks;
    await until('its replica has stopped', async () => (await server.run(running.run_id)).attempts[0]?.stopped_at);
    // The replica is free for the next run, and no chunk of the old batch comes before it.
    expect(await server.ended(await server.submit('steps', [{ id: 1 }]))).toMatchObject({ status: 'succeeded' });
    expect(await server.chunks(runId)).toHaveLength(4);
    expect(await server.endpoint('steps')).toMatchObject({ queued: 0, backlog: 0, running: 0 });
  });

  test('goes on without a chunk that was cancelled alone', async () => {
    const gate = `${number}`;
    const rows = [
      { id: 1, fail: 'hang' },
      { id: 2, gate: gates.path(gate) },
    ];
    const runId = await server.submit('steps', rows);
    const [first] = await until('a chunk runs', async () => {
      const chunks = await server.chunks(runId);
      return chunks[0]?.status === 'running' ? chunks : null;
    });
    await server.send('DELETE', `/runs/${first.run_id}`);
    gates.open(gate);
    const run = await server.ended(runId);
    expect(run).toMatchObject({ status: 'succeeded', progress: { done: 2, failed: 1 } });
    expect(run.outputs[0].inference_error).toContain('cancelled');
    expect(run.outputs[1].inference_error).toBeNull();
  });
});

test('a batch has no more chunks at work than it may, also once some have ended', async () => {
  const gate = gates.path('in flight');
  const table = `id,gate\n1,\n${[2, 3, 4, 5].map((id) => `${id},${gate}\n`).join('')}`;
  const { json } = await server.postRaw('/endpoints/steps/invoke?max_in_flight=2', 'text/csv', table);
  const chunks = await until('the first has ended, and others are there', async () => {
    const { runs } = (await server.get(`/runs?parent_id=${json.run_id}`)).json;
    return runs.length > 2 ? (runs as unknown[]) : null;
  });
  expect(chunks).toHaveLength(3);
  gates.open('in flight');
  expect(await server.ended(json.run_id)).toMatchObject({ status: 'succeeded' });
});

test('the chunks of a batch have its priority', async () => {
  const { json } = await server.postRaw('/endpoints/steps/invoke?priority=7', 'text/csv', 'id\n1\n2\n');
  await server.ended(json.run_id);
  const { runs } = (await server.get(`/runs?parent_id=${json.run_id}`)).json as { runs: { priority: number }[] };
  expect(runs.map(({ priority }) => priority)).toEqual([7, 7]);
});
