// Tables that are answered as Arrow, through a whole server.

import { tableFromIPC } from 'apache-arrow';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hasPython, NO_PYTHON } from '../../support/python.ts';
import { serviceForTest, type TestService } from '../../support/service.ts';

const STREAM = 'application/vnd.apache.arrow.stream';
const FILE = 'application/vnd.apache.arrow.file';

let service: TestService;
beforeAll(async () => {
  const endpoint = { batchSize: 4, replicas: { max: 1 } };
  service = await serviceForTest(
    {
      endpoints: {
        node: { ...endpoint, model: './careful-rows.ts' },
        ...(hasPython && { python: { ...endpoint, model: './careful-rows.py' } }),
      },
    },
    afterAll,
  );
});

const answer = (endpoint: string, lines: string, accept: string) =>
  service.postRaw(`/endpoints/${endpoint}/invoke`, 'application/jsonlines', lines, { accept });

const rowsOf = (bytes: Uint8Array) =>
  tableFromIPC(bytes)
    .toArray()
    .map((row): unknown =>
      JSON.parse(JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))),
    );

test.each(['node', 'python'])(
  'a row whose value Arrow cannot hold is marked, and the others are answered: %s',
  async (endpoint) => {
    if (endpoint === 'python' && !hasPython) return expect(NO_PYTHON).not.toBe('');
    const lines = '{"t":"a","n":1}\n{"t":"\\ud800","n":2}\n{"t":"b","n":1e400}\n{"t":"\\ud83d\\ude00","n":4}\n';
    const { status, bytes } = await answer(endpoint, lines, STREAM);
    expect(status).toBe(200);
    expect(rowsOf(bytes)).toEqual([
      { t: 'a', n: 1, inference_error: null },
      { t: null, n: 2, inference_error: expect.stringMatching(/invalid-output: .*column "t": .*surrogate pair/) },
      { t: 'b', n: null, inference_error: expect.stringMatching(/invalid-output: .*column "n": .*no float holds/) },
      { t: '😀', n: 4, inference_error: null },
    ]);
  },
);

test('rows of which each has a column that no Arrow table can name are all marked', async () => {
  const { bytes } = await answer('node', '{"\\ud800":1}\n{"\\ud800":2}\n', STREAM);
  const rows = rowsOf(bytes);
  expect(rows).toHaveLength(2);
  for (const row of rows) expect(row).toEqual({ inference_error: expect.stringContaining('half of a surrogate pair') });
});

test('an Arrow file is answered where one is asked for, and a stream where that is', async () => {
  for (const [accept, magic, ending] of [
    [FILE, 'ARROW1', 'arrow'],
    [STREAM, '\ufffd', 'arrows'],
  ] as const) {
    const { bytes, headers } = await answer('node', '{"t":"a"}\n', accept);
    expect(headers['content-type']).toBe(accept);
    expect(headers['content-disposition']).toMatch(new RegExp(`\\.${ending}"$`));
    expect(bytes.toString().startsWith(magic)).toBe(true);
    expect(rowsOf(bytes)).toEqual([{ t: 'a' }]);
  }
});

test('columns whose names are whole numbers stay where they are', async () => {
  const { bytes } = await answer('node', '{"b":1,"10":2,"2":3}\n', STREAM);
  expect(tableFromIPC(bytes).schema.names).toEqual(['b', '10', '2']);
  const { bytes: lines } = await answer('node', '{"b":1,"10":2,"2":3}\n{"10":1}\n', 'application/jsonlines');
  expect(lines.toString()).toBe('{"b":1,"10":2,"2":3}\n{"10":1}\n');
});
