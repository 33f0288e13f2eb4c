// Rows that each have columns of their own: few bytes that would be very many in a format that has
// every column in every row.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FIXTURES, startTestService, type TestService } from '../../support/service.ts';

let server: TestService;
beforeAll(async () => {
  server = await startTestService({
    endpoints: {
      mirror: {
        model: [process.execPath, join(FIXTURES, 'obeying-program.js')],
        env: { ECHOES: '1' },
        batchSize: 1_000,
      },
      long: { model: './careful-rows.ts', batchSize: 5_000, replicas: { outputBytes: '1MB' } },
      rows: { model: './careful-rows.ts', batchSize: 10, replicas: { outputBytes: '1MB' } },
    },
  });
});
afterAll(() => server.stop());

const rowsWithOwnColumns = (rows: number): string =>
  Array.from({ length: rows }, (_, row) => `{"k${row}":1}\n`).join('');

/** The outputs of a run that are kept apart from the ledger. */
const outputsOf = (runId: string): string[] =>
  readdirSync(join(server.data, 'blobs'), { withFileTypes: true, recursive: true }).flatMap(({ name }) =>
    name.startsWith(`${runId}.output`) ? name : [],
  );

async function ended(table: string, accept: string, endpoint = 'rows') {
  const path = `/endpoints/${endpoint}/invoke?async=true`;
  const { json } = await server.postRaw(path, 'application/jsonlines', table, { accept });
  return server.ended(json.run_id);
}

test('rows that each have a column of their own do not fill the memory where Arrow is asked for', async () => {
  const run = await ended(rowsWithOwnColumns(6_000), 'application/vnd.apache.arrow.stream', 'mirror');
  expect(run).toMatchObject({ status: 'failed', output: null, error: { type: 'invalid-output' } });
  expect(run.error.detail).toMatch(/36000000 for the 6000 columns of these 6000 rows, .*\(application\/jsonlines\)/);
});

test('rows that each have a column of their own do not fill the disk where CSV is asked for', async () => {
  const run = await ended(rowsWithOwnColumns(2_000), 'text/csv');
  expect(run).toMatchObject({ status: 'failed', output: null, error: { type: 'invalid-output' } });
  expect(run.error.detail).toMatch(
    /longer than 1 MB, though the chunks have answered \d+ bytes, .* application\/jsonlines/,
  );
  expect(outputsOf(run.run_id)).toEqual([]);
});

test('rows that fail do not fill the disk with columns of others that they do not have', async () => {
  const column = 'a long name '.repeat(80);
  const good = Array.from({ length: 30 }, (_, row) => `{"${column}${row}":1}\n`);
  const rows = [...good, ...Array.from({ length: 45 }, () => '{"fail":"throw"}\n')];
  const run = await ended(rows.join(''), 'application/jsonlines');
  expect(run).toMatchObject({ status: 'failed', output: null, error: { type: 'invalid-output' } });
  expect(run.error.detail).toContain('longer than 1 MB');
});

test('an output that is longer than one of a replica may be is kept whole, since its table is', async () => {
  const rows = Array.from({ length: 20_000 }, (_, row) => `{"id":${row},"text":"${'x'.repeat(100)}"}\n`).join('');
  const run = await ended(rows, 'text/csv', 'long');
  expect(run.status).toBe('succeeded');
  expect(run.output.bytes).toBeGreaterThan(2_000_000);
  expect(outputsOf(run.run_id)).toHaveLength(1);
});

test('columns that only some chunks have are empty in all other rows, within what an output may have', async () => {
  const run = await ended(rowsWithOwnColumns(500), 'text/csv');
  expect(run.status).toBe('succeeded');
  const { text } = await server.get(`/runs/${run.run_id}/output`);
  expect(text.split('\n')[500]).toBe(`${','.repeat(499)}1`);
});
