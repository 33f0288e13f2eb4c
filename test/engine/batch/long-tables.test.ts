// Tables that stay on the disk while their batch is at work, and tables that come without an
// envelope.

import * as flechette from '@uwdata/flechette';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { join } from 'node:path';
import { arrowOf, contentOf } from '../../table/arrow/tables.ts';
import { FIXTURES, startTestService, type TestService } from '../../support/service.ts';

let server: TestService;
beforeAll(async () => {
  server = await startTestService({
    endpoints: {
      mirror: {
        model: [process.execPath, join(FIXTURES, 'obeying-program.js')],
        env: { ECHOES: '1' },
        batchSize: 4_000,
        replicas: { max: 2 },
      },
      rows: { model: './careful-rows.ts', batchSize: 2_000 },
      needy: { model: './echo.ts', features: ['ID', 'smiles'] },
      whole: { model: './anything.ts' },
    },
  });
});
afterAll(() => server.stop());

/**
 * Over the megabyte up to which a table is held, with values of many bytes and quotes here and
 * there.
 */
const ROWS = 12_000;
const PAD = 'x'.repeat(100);
const valueOf = (row: number): string =>
  row % 1_000 === 7 ? '"two\nlines, ""quoted"""' : row % 500 === 3 ? '5" pipe' : `naïve ${row} ${PAD}`;
const CSV = `id,value\n${Array.from({ length: ROWS }, (_, row) => `${row},${valueOf(row)}\r\n`).join('')}`;
const LINES = Array.from({ length: ROWS }, (_, row) => `{"id": 9007199254740993${row}, "v":"é${PAD}"}\n`).join('');

describe('a table of more than a megabyte', () => {
  test.each([
    ['text/csv', CSV],
    ['application/jsonlines', LINES],
  ])('of %s comes back byte for byte', async (type, table) => {
    expect(Buffer.byteLength(table)).toBeGreaterThan(1_048_576);
    const answer = await server.postRaw('/endpoints/mirror/invoke', type, table, { accept: type });
    expect(answer.status).toBe(200);
    expect(answer.text === table).toBe(true);
  });

  test('of Arrow comes back with its types and values', async () => {
    const rows = Array.from({ length: ROWS }, (_, row) => row);
    const columns = { id: [rows, flechette.int16()], v: [rows.map(valueOf), flechette.utf8()] } as const;
    const table = arrowOf(columns, ROWS);
    expect(table.length).toBeGreaterThan(1_048_576);
    const type = 'application/vnd.apache.arrow.stream';
    const answer = await server.postRaw('/endpoints/mirror/invoke', type, table, { accept: type });
    expect(answer.status).toBe(200);
    expect(contentOf(answer.bytes)).toEqual(contentOf(table));
  });

  test('of Arrow that is cut short is refused with what is wrong, and nothing is kept of it', async () => {
    const texts = Array.from({ length: ROWS }, (_, row) => valueOf(row));
    const table = arrowOf({ v: [texts, flechette.utf8()] }, ROWS).subarray(0, -100);
    const answer = await server.postRaw('/endpoints/needy/invoke', 'application/vnd.apache.arrow.stream', table);
    expect(answer).toMatchObject({ status: 400, json: { detail: expect.stringContaining('it is cut short') } });
    expect((await server.get('/runs?endpoint=needy')).json.runs).toEqual([]);
  });

  test.each([1, 7, 997])('has its rows cut right where chunks are of %d rows', async (size) => {
    const rows = 40 * size;
    const some = `id,value,pad\n${Array.from({ length: rows }, (_, row) => `${row},${valueOf(row)},${' '.repeat(Math.ceil(32_000 / size))}\n`).join('')}`;
    expect(Buffer.byteLength(some)).toBeGreaterThan(1_048_576);
    const answer = await server.postRaw(`/endpoints/mirror/invoke?batch_size=${size}`, 'text/csv', some, {
      accept: 'text/csv',
    });
    expect(answer.text === some).toBe(true);
  });

  test('marks the rows that fail, and keeps every other', async () => {
    const table = `id,fail,pad\n${Array.from({ length: ROWS }, (_, row) => `${row},${row === 8_234 ? 'throw' : ''},${PAD}\n`).join('')}`;
    const answer = await server.postRaw('/endpoints/rows/invoke', 'text/csv', table, { accept: 'text/csv' });
    const lines = answer.text.trimEnd().split('\n');
    expect(lines).toHaveLength(ROWS + 1);
    expect(lines[0]).toMatch(/,inference_error$/);
    expect(lines.filter((line) => line.includes('model-error'))).toEqual([
      expect.stringMatching(/^8234,throw,x{100},.*model-error: .*Row 8234 is bad/),
    ]);
    expect(lines.slice(1).map((line) => line.split(',')[0])).toEqual(
      Array.from({ length: ROWS }, (_, row) => `${row}`),
    );
  });

  test('is answered in the other format where that is asked for', async () => {
    const answer = await server.postRaw('/endpoints/rows/invoke', 'text/csv', CSV, { accept: 'application/jsonlines' });
    const last = answer.text.trimEnd().split('\n').at(-1)!;
    expect(JSON.parse(last)).toMatchObject({ id: `${ROWS - 1}`, value: `naïve ${ROWS - 1} ${PAD}` });
  });

  test('is refused for a column that it lacks, and for a row far down that is broken, and nothing is kept of it', async () => {
    const lacks = await server.postRaw('/endpoints/needy/invoke', 'text/csv', CSV);
    expect(lacks).toMatchObject({ status: 422, json: { detail: expect.stringContaining('lacks "smiles"') } });
    const lines = await server.postRaw('/endpoints/needy/invoke', 'application/jsonlines', LINES);
    expect(lines).toMatchObject({ status: 422, json: { detail: expect.stringContaining('lacks "smiles"') } });
    const row = ROWS - 2;
    const broken = LINES.replace(`9007199254740993${row},`, `9007199254740993${row}`);
    const answer = await server.postRaw('/endpoints/mirror/invoke', 'application/jsonlines', broken);
    expect(answer).toMatchObject({ status: 400, json: { errors: [{ pointer: `line ${row + 1}` }] } });
    expect((await server.get('/runs?endpoint=needy')).json.runs).toEqual([]);
  });
});

describe('JSON records without an envelope', () => {
  const json = (path: string, body: unknown) => server.postRaw(path, 'application/json', JSON.stringify(body));

  test('run as a batch where the endpoint takes rows, with the options in the query', async () => {
    const answer = await json('/endpoints/rows/invoke?batch_size=1&run_name=bare', [{ id: 1 }, { id: 2 }]);
    expect(answer).toMatchObject({
      status: 200,
      json: { run_name: 'bare', batch: { size: 1 }, progress: { total: 2 } },
    });
    expect(answer.json.outputs).toMatchObject([{ id: 1 }, { id: 2 }]);
  });

  test('of {"instances": […]} are answered as {"predictions": […]}, with an envelope and without', async () => {
    const instances = [{ id: 1 }, { id: 2, fail: 'throw' }];
    const bare = await json('/endpoints/rows/invoke', { instances });
    expect(bare.json.outputs).toMatchObject({
      predictions: [
        { id: 1, inference_error: null },
        { id: 2, inference_error: expect.stringContaining('model-error') },
      ],
    });
    const inside = await server.post('/endpoints/rows/invoke', { input: { instances } });
    expect(inside.json.outputs).toEqual(bare.json.outputs);
    const csv = await server.post('/endpoints/rows/invoke', { input: { instances } }, { accept: 'text/csv' });
    expect(csv.text).toMatch(/^id,/);
  });

  test('are a mistake where the input goes to the model whole, unless a batch is asked for', async () => {
    expect(await json('/endpoints/whole/invoke', [{ id: 1 }])).toMatchObject({ status: 400 });
    expect(await json('/endpoints/whole/invoke', { instances: [{ id: 1 }] })).toMatchObject({ status: 422 });
    expect((await json('/endpoints/whole/invoke?batch=true', [{ id: 1 }])).json.batch).toMatchObject({ size: 10 });
  });

  test('are refused where they are no records, with the place', async () => {
    expect(await json('/endpoints/rows/invoke', [{ id: 1 }, 2])).toMatchObject({
      status: 400,
      json: { errors: [{ pointer: '/1' }] },
    });
    expect(await json('/endpoints/rows/invoke', { instances: [], other: 1 })).toMatchObject({ status: 400 });
  });
});
