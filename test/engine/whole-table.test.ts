import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, badHookForTest } from '../support/bad-hook.ts';
import { serviceForTest, type TestService } from '../support/service.ts';

let service: TestService;
beforeAll(async () => {
  const replicas = { max: 1 };
  service = await serviceForTest(
    {
      endpoints: {
        rows: { model: './careful-rows.ts', replicas },
        lengths: { model: './smiles-length.ts', features: ['smiles'], replicas },
        bytes: { model: './anything.ts', replicas },
      },
    },
    afterAll,
  );
});

const CSV = 'text/csv';
/** More than is held in memory on its way. */
const long = (header: string, row: string): string => `${header}\n${`${row}\n`.repeat(2 ** 19)}`;

const NO_TABLES: [string, string, RegExp][] = [
  ['semicolons and decimal commas', 'id;b\n1,5;2\n', /seems to be separated by semicolons.*df\.to_csv/],
  ['tabs', '\uFEFFid\tb\n1\t2\n', /seems to be separated by tabs/],
  ['vertical bars', 'id|b\n', /seems to be separated by vertical bars/],
  ['a row for a header', '5.1,3.5\n4.9,3\n', /seems to be a row and no header/],
];

describe('a CSV that goes to a model for rows whole', () => {
  test.each([...NO_TABLES, ['semicolons, and is long', long('id;b', '1,5;2'), /separated by semicolons/] as const])(
    'and has %s is refused as it is in a batch, and nothing is stored',
    async (_what, text, says) => {
      const runs = async (): Promise<unknown> => (await service.get('/runs')).json;
      const before = await runs();
      const { status, json } = await service.postRaw('/endpoints/rows/invoke?batch=false', CSV, text);
      expect([status, json.type]).toEqual([400, expect.stringContaining('malformed-body')]);
      expect(json.detail).toMatch(says);
      expect(json.errors).toEqual([{ pointer: 'line 1', detail: json.detail }]);
      const batch = await service.postRaw('/endpoints/rows/invoke', CSV, text);
      expect(batch.status).toBe(400);
      expect(await runs()).toEqual(before);
    },
  );

  test('and is one is answered', async () => {
    const { status, json } = await service.postRaw('/endpoints/rows/invoke?batch=false', CSV, 'id,"a;b"\n1,x\n');
    expect([status, json.status]).toEqual([200, 'succeeded']);
  });
});

test('a model that takes bytes is given any CSV as it is', async () => {
  const { json } = await service.postRaw('/endpoints/bytes/invoke', CSV, 'id;b\n1,5;2\n');
  expect((await service.get(`/runs/${json.run_id}/output`)).text).toBe('id;b\n1,5;2\n');
});

describe('a table that is fetched', () => {
  const fetched = async (endpoint: string, type: string, text: string) => {
    const files = await badHookForTest(answering(200, { 'content-type': type }, text));
    const { json } = await service.post(`/endpoints/${endpoint}/invoke`, {
      input_location: `${files.url}/table.csv?signature=s3cret`,
    });
    return service.ended(json.run_id);
  };

  test.each([
    ...NO_TABLES.map(([what, text, says]) => [what, 'rows', CSV, text, says] as const),
    ['semicolons, and is long', 'rows', CSV, long('id;b', '1,5;2'), /separated by semicolons/] as const,
    [
      'another charset',
      'rows',
      'text/csv; charset=latin1',
      'id\n1\n',
      /Content-Type of the fetched input says charset=latin1/,
    ],
    ['other columns than the required ones', 'lengths', CSV, 'id\n1\n', /The table lacks "smiles"; it has "id"/],
    ['other columns, and is long', 'lengths', CSV, long('id', '1'), /The table lacks "smiles"/],
  ] as const)('and has %s fails its run with the same words', async (_what, endpoint, type, text, says) => {
    const { status, error, attempts } = await fetched(endpoint, type, text);
    expect([status, error.type]).toEqual(['failed', 'model-error']);
    expect(error.detail).toMatch(says);
    expect(attempts).toHaveLength(1);
  });

  test('and is one is given to the model', async () => {
    expect(await fetched('lengths', CSV, 'SMILES\nCC\n')).toMatchObject({ status: 'succeeded' });
  });
});
