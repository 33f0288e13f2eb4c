import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tableFromArrays, tableFromIPC, tableToIPC } from 'apache-arrow';
import { asDeclared } from '../../src/engine/feature-names.ts';
import { FIXTURES, serviceForTest, type TestService } from '../support/service.ts';

const PROGRAM = [process.execPath, join(FIXTURES, 'obeying-program.js')];

let service: TestService;
beforeAll(async () => {
  service = await serviceForTest(
    {
      endpoints: {
        lengths: { model: './smiles-length.ts', features: ['smiles'], batchSize: 2, replicas: { max: 1 } },
        program: { model: PROGRAM, env: { MEASURES: '1' }, features: ['smiles'] },
      },
    },
    afterAll,
  );
});

const invoke = (contentType: string, body: string | Uint8Array, query = '') =>
  service.postRaw(`/endpoints/lengths/invoke${query}`, contentType, body);

const output = async (contentType: string, body: string | Uint8Array, query = '') => {
  const { json } = await invoke(contentType, body, query);
  expect(json).toMatchObject({ status: 'succeeded' });
  return service.get(`/runs/${json.run_id}/output`);
};

describe('a required feature that the caller spells in another case is found by the model, and comes back as it was sent', () => {
  test.each([
    ['text/csv', 'id,SMILES\n1,CC\n2,"C\nC"\n3,C\n', 'id,SMILES,length\n1,CC,2\n2,"C\nC",3\n3,C,1\n'],
    ['text/csv', '\uFEFF"Smiles"\r\nCC\r\n', 'Smiles,length\nCC,2\n'],
    [
      'application/jsonlines',
      '{"id":1,"Smiles":"CC"}\n{"Smiles":"C","id":2}\n',
      '{"id":1,"Smiles":"CC","length":2}\n{"Smiles":"C","id":2,"length":1}\n',
    ],
    [
      'application/json',
      '[{"SMILES":"CC"},{"\\u0053MILES":"C"}]',
      '[{"SMILES":"CC","length":2},{"SMILES":"C","length":1}]',
    ],
    ['application/json', '{"input":{"SMILES":"CCC"}}', '{"SMILES":"CCC","length":3}'],
    [
      'text/csv',
      'SMILES\nCC\nbad\nCCC\n',
      'SMILES,length,inference_error\nCC,2,\nbad,,model-error: no molecule\nCCC,3,\n',
    ],
  ])('%s %j', async (contentType, body, answer) => {
    expect((await output(contentType, body)).text).toBe(answer);
  });

  test('in a table that goes to the model whole', async () => {
    const { text } = await output('text/csv', 'SMILES\nCC\n', '?batch=false');
    expect(text).toBe('SMILES,length\nCC,2\n');
  });

  test.each([
    ['a row', '{"SMILES":"CC"}', '{"SMILES":"CC","length":2}'],
    ['rows', '[{"SMILES":"CC"},{"SMILES":"C"}]', '[{"SMILES":"CC","length":2},{"SMILES":"C","length":1}]'],
    ['what has none', '[{"id":1}]', '[{"id":1,"length":0}]'],
  ])('by a program that is called with %s', async (_, body, answer) => {
    const { json } = await service.postRaw('/endpoints/program/invoke', 'application/json', `{"input":${body}}`);
    expect(json).toMatchObject({ status: 'succeeded', outputs: JSON.parse(answer) as unknown });
  });

  test('by a program that is called with a long table', async () => {
    const rows = Array.from({ length: 2 ** 17 }, () => '{"SMILES":"CC"}');
    const { json } = await service.postRaw(
      '/endpoints/program/invoke',
      'application/json',
      `{"input":[${rows.join(',')}]}`,
    );
    const { text } = await service.get(`/runs/${json.run_id}/output`);
    expect(text.slice(0, 30)).toBe('[{"SMILES":"CC","length":2},{"');
  });

  test('in Arrow, with its type', async () => {
    const table = tableToIPC(tableFromArrays({ SMILES: ['CC', 'C'] }), 'stream');
    const { bytes } = await output('application/vnd.apache.arrow.stream', table);
    expect(tableFromIPC(bytes).toArray().map(String)).toEqual([
      '{"SMILES": "CC", "length": 2}',
      '{"SMILES": "C", "length": 1}',
    ]);
  });
});

test.each([
  ['text/csv', 'SMILES,smiles\nC,C\n', ''],
  ['text/csv', 'SMILES,Smiles\nC,C\n', ''],
  ['text/csv', 'SMILES,Smiles\nC,C\n', '?batch=false'],
  ['application/jsonlines', '{"smiles":"C"}\n{"SMILES":"C"}\n', ''],
  ['application/json', '{"input":{"smiles":"C","SMILES":"C"}}', ''],
])('columns of which each may be the required one are refused by their names: %s %j %s', async (type, body, query) => {
  const { status, json } = await invoke(type, body, query);
  expect(status).toBe(422);
  expect(json.detail).toMatch(/The columns "\w+", "\w+" differ in case alone/);
});

test('a long table that goes to the model whole is renamed and held to the features too', async () => {
  const rows = 'C\n'.repeat(2 ** 19);
  const { text } = await output('text/csv', `SMILES\n${rows}`, '?batch=false');
  expect(text.slice(0, 20)).toBe('SMILES,length\nC,1\nC,');
  const { status, json } = await invoke('text/csv', `id\n${rows}`, '?batch=false');
  expect([status, json.detail]).toEqual([422, 'The table lacks "smiles"; it has "id".']);
});

test('a row alone that lacks a feature is refused, as a table is', async () => {
  const { status, json } = await invoke('application/json', '{"input":{"id":1}}');
  expect([status, json.detail]).toEqual([422, 'The table lacks "smiles"; it has "id".']);
});

test('an output that has both spellings keeps both, and what is no table is left as it is', () => {
  const bytes = new TextEncoder().encode('SMILES\nC\n');
  const { giveBack } = asDeclared({ bytes, contentType: 'text/csv' }, ['smiles'], null)!;
  for (const text of ['smiles,SMILES\nC,D\n', '', 'a\nb,c\n', '"'])
    expect(Buffer.from(giveBack({ bytes: Buffer.from(text), contentType: 'text/csv' })).toString()).toBe(text);
  expect(asDeclared({ bytes: Buffer.from('smiles\nC\n'), contentType: 'text/csv' }, ['smiles'], null)).toBeNull();
  expect(asDeclared({ bytes, contentType: 'image/png' }, ['smiles'], null)).toBeNull();
});
