import { expect, test } from 'vitest';
import { disorderIn } from '../../../src/engine/batch/row-order.ts';
import { connect } from '../../../src/index.ts';
import { serviceForTest } from '../../support/service.ts';

const csv = (text: string) => ({ bytes: new TextEncoder().encode(text), contentType: 'text/csv' });
const lines = (...rows: object[]) => ({
  bytes: new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join('')),
  contentType: 'application/jsonlines',
});

test('rows in another order are told of, with the first that is out of place', () => {
  const error = disorderIn(csv('id,x\na,1\nb,2\nc,3\n'), csv('id,y\na,1\nc,3\nb,2\n'), 'id');
  expect(error).toMatchObject({
    type: 'invalid-output',
    detail: expect.stringContaining('row 2 of the chunk has the id'),
  });
  expect(error!.detail).toContain('"c", and came with "b"');
});

test('rows in another order are told of where a model makes numbers of the texts that they are known by', () => {
  expect(disorderIn(csv('id\n1\n2\n'), lines({ id: 2 }, { id: 1 }), 'id')).not.toBeNull();
});

/** JSON Lines as they are written elsewhere, with whole numbers that no double is. */
const long = (...ids: string[]) => ({
  bytes: new TextEncoder().encode(ids.map((id) => `{"id":${id}}\n`).join('')),
  contentType: 'application/jsonlines',
});

test.each([
  [
    'two ids that are one as doubles',
    ['9007199254740993', '9007199254740992'],
    ['9007199254740992', '9007199254740993'],
  ],
  [
    'ids that have lost their digits',
    ['9007199254740993', '9007199254740997'],
    ['9007199254740996', '9007199254740992'],
  ],
])('rows in another order are told of by %s', (_what, given, answered) => {
  const error = disorderIn(long(...given), long(...answered), 'id');
  expect(error?.detail).toContain(`row 1 of the chunk has the id "${answered[0]!}", and came with "${given[0]!}"`);
  expect(disorderIn(csv(`id\n${given.join('\n')}\n`), long(...answered), 'id')).not.toBeNull();
  expect(disorderIn(long(...given), long(...given), 'id')).toBeNull();
});

test.each([
  ['in their order', csv('id\n1\n2\n'), lines({ id: 1 }, { id: '2' })],
  ['with the column in another case', csv('ID\n1\n2\n'), lines({ id: 1 }, { id: 2 })],
  ['without the column', csv('id\n1\n2\n'), lines({ x: 2 }, { x: 1 })],
  ['of an input without it', csv('x\n1\n2\n'), lines({ id: 2 }, { id: 1 })],
  ['whose ids were written anew', csv('id\n001\n002\n'), lines({ id: 2 }, { id: 1 })],
  ['whose ids are all the same', csv('id\n1\n1\n'), lines({ id: 1 }, { id: 1 })],
  ['of which there are none', csv('id\n'), lines()],
])('nothing is said of rows %s', (_what, input, output) => {
  expect(disorderIn(input, output, 'id')).toBeNull();
});

test('of a model that mixes the rows of a chunk up, every row comes to stand where it belongs', async () => {
  const { url } = await serviceForTest({
    endpoints: { rows: { model: './careful-rows.ts', idColumn: 'id', batchSize: 8, retry: { maxAttempts: 1 } } },
  });
  const table = Array.from({ length: 20 }, (_, id) => ({ id, fail: id === 5 ? 'reversed' : null }));
  const endpoint = connect({ url }).endpoint('rows');
  expect(await endpoint.inference(table)).toEqual(table);
});

test('too many rows, and other columns in one chunk, cost no other row its answer', async () => {
  const { url } = await serviceForTest({
    endpoints: { rows: { model: './careful-rows.ts', batchSize: 4, retry: { maxAttempts: 1 } } },
  });
  const endpoint = connect({ url }).endpoint('rows');
  const table = Array.from({ length: 12 }, (_, id) => ({ id, fail: id === 1 ? 'extra' : '' }));
  const answers = await endpoint.inference(table);
  expect(answers.map(({ id }) => id)).toEqual(table.map(({ id }) => id));
  expect(answers.filter((row) => row['inference_error'] !== null)).toMatchObject([
    { id: 1, inference_error: expect.stringContaining('given a row and returned 2') },
  ]);
  const mixed = csv(`id,fail\n${table.map(({ id }) => `${id},${id === 9 ? 'other-column' : ''}\n`).join('')}`);
  const { bytes } = await endpoint.inference(mixed);
  const text = new TextDecoder().decode(bytes).trimEnd().split('\n');
  // The columns are those of all chunks; a row whose chunk had no such column has an empty value.
  expect([text[0], text[1], text[9], text[12]]).toEqual(['id,fail,other', '0,,', '8,,x', '11,,x']);
});
