import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Decimal, Table, tableFromIPC, tableToIPC, vectorFromArray } from 'apache-arrow';
import { digitsOf } from '../../src/engine/handed-numbers.ts';
import { FIXTURES, serviceForTest, type TestService } from '../support/service.ts';

const LINES = 'application/jsonlines';
const JSON_TYPE = 'application/json';

let service: TestService;
beforeAll(async () => {
  service = await serviceForTest(
    {
      endpoints: {
        node: { model: [process.execPath, join(FIXTURES, 'hands-through.ts')], batchSize: 2 },
        any: { model: [process.execPath, join(FIXTURES, 'hands-through.ts')] },
        renaming: { model: [process.execPath, join(FIXTURES, 'hands-through.ts')], features: ['amount'], batchSize: 2 },
        python: { model: ['python3', join(FIXTURES, 'hands_through.py')], batchSize: 2 },
      },
    },
    afterAll,
  );
});

/** What an endpoint answers, byte for byte. */
async function answerOf(
  endpoint: string,
  contentType: string,
  body: string | Uint8Array,
  query = '',
): Promise<Uint8Array> {
  const { json } = await service.postRaw(`/endpoints/${endpoint}/invoke${query}`, contentType, body);
  expect(json).toMatchObject({ status: 'succeeded' });
  return (await service.get(`/runs/${json.run_id}/output`)).bytes;
}

const textOf = async (...of: Parameters<typeof answerOf>): Promise<string> =>
  Buffer.from(await answerOf(...of)).toString();

/** Four rows, which are two chunks. */
const ROWS = [
  '{"id":9007199254740993,"amount":75003283610278.63}',
  '{"id":-9223372036854775808,"amount":-123456789012345678901234567890.12345678}',
  '{"id":18446744073709551615,"amount":1.5}',
  '{"id":7,"amount":0.30000000000000004}',
];

describe('a program that hands numbers through answers with their digits', () => {
  test('in a batch of several chunks', async () => {
    const lines = `${ROWS.join('\n')}\n`;
    expect(await textOf('node', LINES, lines)).toBe(lines);
    expect(await textOf('node', JSON_TYPE, `[${ROWS.join(',')}]`)).toBe(`[${ROWS.join(',')}]`);
    const { json } = await service.postRaw('/endpoints/node/invoke?async=true', LINES, lines);
    const run = await service.ended(json.run_id);
    expect(run).toMatchObject({ status: 'succeeded' });
    expect((await service.get(`/runs/${json.run_id}/output`)).text).toBe(lines);
  });

  test('in a table that goes to it whole', async () => {
    const lines = `${ROWS.join('\n')}\n`;
    expect(await textOf('node', LINES, lines, '?batch=false')).toBe(lines);
  });

  test.each([
    ['an object', ROWS[0]!, ROWS[0]!],
    ['rows', `[${ROWS.join(',')}]`, `[${ROWS.join(',')}]`],
    ['instances', `{"instances":[${ROWS.join(',')}]}`, `{"predictions":[${ROWS.join(',')}]}`],
  ])('in a call with %s', async (_, input, output) => {
    expect(await textOf('any', JSON_TYPE, `{"input":${input}}`)).toBe(output);
  });

  test('in a column that it knows under another name', async () => {
    expect(await textOf('renaming', LINES, '{"AMOUNT":75003283610278.63}\n')).toBe('{"AMOUNT":75003283610278.63}\n');
  });

  test('in the decimals of Arrow', async () => {
    const unscaled = new Uint32Array(new BigUint64Array([7_500_328_361_027_863n, 0n]).buffer);
    const amount = vectorFromArray([unscaled], new Decimal(2, 38, 128));
    const table = await answerOf(
      'node',
      'application/vnd.apache.arrow.stream',
      tableToIPC(new Table({ amount }), 'stream'),
    );
    const back = tableFromIPC(table).getChild('amount')!;
    expect([String(back.type), [...(back.get(0) as Uint32Array)]]).toEqual([String(amount.type), [...unscaled]]);
  });

  test('in Python, whose whole numbers are exact', async () => {
    const lines = '{"id": 9007199254740993, "amount": 75003283610278.63}\n{"id": 1, "amount": 0.1}\n';
    expect(await textOf('python', LINES, lines)).toBe(lines);
  });
});

describe('a program is taken at its word', () => {
  test('where it has computed a number, or rounded it to another double', async () => {
    expect(await textOf('node', LINES, '{"double":75003283610278.63,"rounded":9007199254740993}\n')).toBe(
      '{"double":150006567220557.25,"rounded":9007199254741000}\n',
    );
  });

  test('where its whole numbers are exact, and it has computed the double next to the input', async () => {
    expect(await textOf('python', LINES, '{"id": 9007199254740993, "less": 9007199254740993}\n')).toBe(
      '{"id": 9007199254740993, "less": 9007199254740992}\n',
    );
  });
});

function kept(given: string, answered: string, from = LINES, to = from): string {
  const keep = digitsOf({ bytes: Buffer.from(given), contentType: from });
  const bytes = Buffer.from(answered);
  return Buffer.from(keep === null ? bytes : keep({ bytes, contentType: to })).toString();
}

test.each([
  ['a decimal as Java writes it', '75003283610278.63', '7.500328361027862E13'],
  ['a decimal with 17 digits', '75003283610278.63', '75003283610278.625'],
  ['an integer made a float', '9007199254740993', '9007199254740992.0'],
  ['an integer with all digits of its double', '9223372036854775807', '9223372036854775808'],
  ['an integer with the fewest digits', '9223372036854775807', '9223372036854776000'],
  ['a number far below one', '0.00000000000000012345678901234567891', '1.2345678901234568e-16'],
])('%s is found to be handed through', (_, given, answered) => {
  for (const [before, after] of [
    ['{"a":"é\\"","n":', '}\r\n'],
    ['{"n":[{"m":', '},1]}'],
    ['\uFEFF\n {"n" : ', ' , "a":1}\n\n'],
  ])
    expect(kept(`${before}${given}${after}`, `${before}${answered}${after}`)).toBe(`${before}${given}${after}`);
});

test.each([
  ['the same number with fewer zeros', '{"n":1.5000000000000000000}', '{"n":1.5}'],
  ['a number that no double is written as', '{"n":9007199254740992}', '{"n":9007199254740993}'],
  ['one beyond doubles', '{"n":1234567890123456e400}', '{"n":1e999}'],
  ['a text', '{"n":9007199254740993}', '{"n":"9007199254740992"}'],
  ['what was a text', '{"n":"9007199254740993"}', '{"n":9007199254740992}'],
  ['another column', '{"n":9007199254740993}', '{"m":9007199254740992}'],
  ['another level', '{"n":{"n":9007199254740993}}', '{"n":9007199254740992}'],
  ['a list of another length', '{"n":[1,9007199254740993]}', '{"n":[9007199254740992]}'],
  ['more rows', '{"n":9007199254740993}', '{"n":9007199254740992}\n{"n":9007199254740992}'],
  ['fewer rows', '{"n":9007199254740993}\n{"n":1}', '{"n":9007199254740992}'],
  ['what is no JSON', '{"n":9007199254740993}', '{"n":9007199254740992,}'],
  ['nothing', '{"n":9007199254740993}', ''],
  [
    'exact fractions of which one is like a double',
    '{"n":75003283610278.635,"m":75003283610278.63}',
    '{"n":75003283610278.63,"m":75003283610278.62}',
  ],
  [
    'nesting beyond all tables',
    '{"n":9007199254740993}',
    `{"n":9007199254740992,"m":${'['.repeat(100)}${']'.repeat(100)}}`,
  ],
])('%s is left as it is', (_, given, answered) => {
  expect(kept(given, answered)).toBe(answered);
});

test('rows may be answered in another frame than they came in', () => {
  const [given, answered] = ['{"n":9007199254740993}', '{"n":9007199254740992}'];
  expect(kept(`${given}\n${given}\n`, `[${answered},${answered}]`, LINES, JSON_TYPE)).toBe(`[${given},${given}]`);
  expect(kept(`[${given}]`, `{"predictions":[${answered}],"model":1}`, JSON_TYPE)).toBe(
    `{"predictions":[${given}],"model":1}`,
  );
  expect(kept(`{"instances":[${given}]}`, `${answered}\n`, JSON_TYPE, LINES)).toBe(`${given}\n`);
  expect(kept('[[1,9007199254740993]]', '[[1,9007199254740992]]', JSON_TYPE)).toBe('[[1,9007199254740993]]');
  expect(kept('9007199254740993', '9007199254740992', JSON_TYPE)).toBe('9007199254740993');
  expect(kept(`[${given}]`, answered, JSON_TYPE)).toBe(answered);
  expect(kept(given, 'n\n9007199254740992\n', LINES, 'text/csv')).toBe('n\n9007199254740992\n');
});

test('a table is looked into only where it has a number that a double may not hold', () => {
  const looks = (text: string, contentType = LINES): boolean =>
    digitsOf({ bytes: Buffer.from(text), contentType }) !== null;
  const pads = Array.from({ length: 20 }, (_, length) => ' '.repeat(length));
  expect(pads.every((pad) => looks(`${pad}{"n":9007199254740993}`))).toBe(true);
  expect(pads.some((pad) => looks(`${pad}{"n":123456789012345,"m":-0.5,"t":"2024-02-29T12:00:00.000"}`))).toBe(false);
  expect(looks('n\n9007199254740993\n', 'text/csv')).toBe(false);
  expect(looks('9007199254740993', 'image/png')).toBe(false);
});
