import * as flechette from '@uwdata/flechette';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pl from 'nodejs-polars';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  type CachedInferenceOptions,
  connect,
  type Endpoint,
  InferenceCache,
  type InferenceCacheOptions,
  ModelError,
  TableError,
} from '../../src/index.ts';
import { arrowOf, contentOf } from '../table/arrow/tables.ts';
import type { TestAnswer } from '../support/http.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { folderForTest, newFolder, removeFolder } from '../support/folder.ts';
import { serviceWithKeys } from '../support/keys.ts';
import { until } from '../support/until.ts';

const model = new URL('fixtures/squares.ts', import.meta.url).pathname;

let folder: string;
let server: TestService;
/** The endpoint of most tests, which find it as new; one that is deployed takes a second. */
let shared: Squares;
let count = 0;

/** An endpoint of the model `squares`, and what it was asked. */
interface Squares {
  readonly endpoint: Endpoint;
  readonly file: string;
  /** What was computed, the smallest first. */
  calls(): unknown[];
  /** Deploys a new version, which says who it is. */
  redeploy(by: string): Promise<void>;
}

beforeAll(async () => {
  folder = await newFolder();
  server = await startTestService({
    endpoints: { anything: { model: './anything.ts' } },
    deploy: { users: ['own', 'server'] },
  });
  shared = await newSquares({});
});
afterAll(async () => {
  await server.stop();
  await removeFolder(folder);
});

/** The shared endpoint with nothing kept of it, or one with settings of its own. */
async function squares(settings: object | null = null): Promise<Squares> {
  if (settings !== null) return newSquares(settings);
  await new InferenceCache(shared.endpoint, { keyColumns: ['n'] }).clear();
  writeFileSync(shared.file, '');
  return shared;
}

async function newSquares(settings: object): Promise<Squares> {
  const name = `squares-${(count += 1)}`;
  const file = join(folder, name);
  writeFileSync(file, '');
  const endpoint = connect({ url: server.url }).endpoint(name);
  const redeploy = async (by: string): Promise<void> => {
    const environment = { isolation: { user: 'server' }, env: { CALLS: file, NAME: by } };
    await endpoint.deploy({ model, mode: 'async', batchSize: 4, ...environment, ...settings });
    await until(`${by} is at work`, async () => (await endpoint.describe()).rollout === null);
  };
  await redeploy('first');
  const calls = (): unknown[] =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as unknown)
      .toSorted((a, b) => Number(a) - Number(b));
  return { endpoint, file, calls, redeploy };
}

const rowOf = (n: number) => ({ n, note: `note ${n}` });
const answerOf = (n: number, note = `note ${n}`) => ({
  n,
  note,
  status: 'done',
  square: n * n,
  code: '00123',
  by: 'first',
});

/** The text that somebody answers to a table as text. */
async function answeredText(
  of: Endpoint | InferenceCache,
  text: string,
  contentType: string,
  options: CachedInferenceOptions = {},
): Promise<string> {
  const table = { bytes: new TextEncoder().encode(text), contentType };
  const { bytes } = await (of instanceof InferenceCache ? of.inference(table, options) : of.inference(table, options));
  return new TextDecoder().decode(bytes);
}

/** How many runs of tables there were of an endpoint. */
async function runsOf({ name }: Endpoint): Promise<number> {
  let runs = 0;
  for await (const _ of connect({ url: server.url }).runs({ endpoint: name! })) runs += 1;
  return runs;
}

describe.each(['server', 'file'] as const)('a cache in a %s', (kind) => {
  let store: InferenceCacheOptions['store'];
  beforeEach(async () => {
    store = kind === 'server' ? 'server' : { file: join(await folderForTest(), 'answers.sqlite') };
  });
  const cacheOf = (endpoint: Endpoint, options: Partial<InferenceCacheOptions> = {}): InferenceCache => {
    const cache = new InferenceCache(endpoint, { keyColumns: ['n'], store, ...options });
    onTestFinished(() => cache.close());
    return cache;
  };

  test('only rows that nobody has asked for are computed, and all come back in their order', async () => {
    const { endpoint, calls } = await squares();
    const cache = cacheOf(endpoint);
    expect(await cache.inference([1, 2, 3].map(rowOf))).toEqual([1, 2, 3].map((n) => answerOf(n)));
    expect(await cache.inference([4, 3, 1, 5].map(rowOf))).toEqual([4, 3, 1, 5].map((n) => answerOf(n)));
    expect(calls()).toEqual([1, 2, 3, 4, 5]);
    expect(await cache.size()).toBe(5);
    expect(await cache.info()).toMatchObject({ rows: 5, versions: [{ version: 1, rows: 5 }] });
  });

  test('a table of a library, and one as bytes, is answered with one of its kind, and only new rows are computed', async () => {
    const { endpoint, calls } = await squares();
    const cache = cacheOf(endpoint);
    await cache.inference([1, 2].map(rowOf));
    const arrow = flechette.tableFromArrays({ n: Int32Array.from([2, 3]), note: ['two', 'three'] });
    const answered = await cache.inference(arrow);
    expect(answered.numRows).toBe(2);
    expect([...answered.toArray()]).toEqual([answerOf(2, 'two'), answerOf(3, 'three')]);
    expect(answered.getChild('n').type).toEqual(arrow.getChild('n').type);
    const lines = {
      bytes: Buffer.from('{"n":3,"note":"c"}\n{"n":1,"note":"a"}\n'),
      contentType: 'application/jsonlines',
    };
    const { bytes, contentType } = await cache.inference(lines);
    expect(contentType).toBe('application/jsonlines');
    const rows = new TextDecoder().decode(bytes).trimEnd().split('\n');
    expect(rows.map((row) => JSON.parse(row) as unknown)).toEqual([answerOf(3, 'c'), answerOf(1, 'a')]);
    expect(calls()).toEqual([1, 2, 3]);
  });

  test('another program’s cache knows what this one has computed', async () => {
    const { endpoint, calls } = await squares();
    await cacheOf(endpoint).inference([rowOf(1)]);
    expect(await cacheOf(endpoint).inference([rowOf(1)])).toEqual([answerOf(1)]);
    expect(calls()).toEqual([1]);
  });

  test('a key that is in a table several times is computed once, and every row keeps what is its own', async () => {
    const { endpoint, calls } = await squares();
    const table = [
      { n: 2, note: 'a' },
      { n: 3, note: 'b' },
      { n: 2, note: 'c' },
    ];
    const expected = [answerOf(2, 'a'), answerOf(3, 'b'), answerOf(2, 'c')];
    expect(await cacheOf(endpoint).inference(table)).toEqual(expected);
    expect(await cacheOf(endpoint).inference(table)).toEqual(expected);
    expect(calls()).toEqual([2, 3]);
  });

  test('the caller’s own columns come back as they went in, and what the model writes is the model’s, also where both are the same by chance', async () => {
    const { endpoint } = await squares();
    const cache = cacheOf(endpoint);
    await cache.inference([
      { n: 1, status: 'done', id: '00123' },
      { n: 2, status: 'new', id: null },
    ]);
    const seen = await cache.inference([{ n: 1, status: 'old', id: '1e5', extra: [1, { a: 'ä' }] }, { n: 2 }]);
    const computed = { status: 'done', code: '00123', by: 'first' };
    expect(seen).toEqual([
      { n: 1, id: '1e5', extra: [1, { a: 'ä' }], square: 1, ...computed },
      { n: 2, square: 4, ...computed },
    ]);
  });

  test('a prediction that was in the table already is not missing from the answer to who sends none, and no stale one is handed back', async () => {
    const { endpoint, calls } = await squares();
    const cache = cacheOf(endpoint);
    const table = [
      { n: 3, square: 9 },
      { n: 4, square: 16 },
    ];
    expect(await cache.inference(table)).toEqual(await endpoint.inference(table));
    for (const rows of [[{ n: 3 }], [{ n: 3, square: 99 }], [{ n: 4 }, { n: 4, square: 99 }]])
      expect(await cache.inference(rows)).toEqual(await endpoint.inference(rows));
    // Each three times by the endpoint, once for the table, and once more for what 3 is without a
    // square.
    expect(calls()).toEqual([3, 3, 3, 3, 3, 4, 4, 4, 4]);
  });

  test('a stale prediction is told from a caller’s own value by any other answer of the table, from any caller', async () => {
    const { endpoint } = await squares();
    await cacheOf(endpoint).inference([{ n: 3, square: 9 }]);
    await cacheOf(endpoint).inference([{ n: 4 }]);
    const table = [{ n: 3, square: 99 }, { n: 4 }];
    expect(await cacheOf(endpoint).inference(table)).toEqual(await endpoint.inference(table));
    await cacheOf(endpoint).inference([
      { n: 5, square: 25 },
      { n: 6, square: 0 },
    ]);
    expect(await cacheOf(endpoint).inference([{ n: 5, square: 99 }])).toMatchObject([{ square: 25 }]);
  });

  test('nobody is answered another’s note, and one row that is computed again shows it for all', async () => {
    const { endpoint, calls } = await squares();
    await cacheOf(endpoint).inference([1, 2, 3].map(rowOf));
    const cache = cacheOf(endpoint);
    const { note: _, ...withoutNote } = answerOf(1);
    expect(await cache.inference([{ n: 1 }, { n: 2 }])).toEqual([withoutNote, { ...withoutNote, n: 2, square: 4 }]);
    expect(await cache.inference([{ n: 3 }])).toEqual([{ ...withoutNote, n: 3, square: 9 }]);
    expect(calls()).toEqual([1, 1, 2, 3]);
  });

  test('ids and notes that differ between callers are their own, and nothing is computed again', async () => {
    const { endpoint, calls } = await squares();
    await cacheOf(endpoint).inference([1, 2].map(rowOf));
    const table = [
      { n: 2, note: 'b', id: 7 },
      { n: 1, note: null },
    ];
    expect(await cacheOf(endpoint).inference(table)).toEqual([
      { ...answerOf(2, 'b'), id: 7 },
      { ...answerOf(1), note: null },
    ]);
    expect(calls()).toEqual([1, 2]);
  });

  test('1 and "1", null and "null", and 2^53 and its neighbour as text are keys of their own', async () => {
    const { endpoint, calls } = await squares();
    const cache = cacheOf(endpoint);
    const keys = [1, '1', null, 'null', '9007199254740992', '9007199254740993', '00123', '123', true, 'true', ''];
    const table = keys.map((n) => ({ n }));
    const first = await cache.inference(table);
    expect(first.map(({ n }) => n)).toEqual(keys);
    expect(await cache.inference(table)).toEqual(first);
    expect(calls()).toHaveLength(keys.length);
  });

  test('a row that fails is marked as the endpoint marks it, and never kept', async () => {
    const { endpoint, calls } = await squares();
    const cache = cacheOf(endpoint);
    await cache.inference([rowOf(1)]);
    for (const table of [[1, 13, 2, 13], [13, 1], [13]].map((numbers) => numbers.map(rowOf)))
      expect(await cache.inference(table)).toEqual(await endpoint.inference(table));
    expect(calls().filter((n) => n === 13).length).toBeGreaterThanOrEqual(6);
    expect((await cache.info()).rows).toBe(2);
  });

  test('failed rows are left out, or end the call, where that is asked for or the endpoint does it', async () => {
    const table = [1, 13, 2].map(rowOf);
    const { endpoint } = await squares();
    const cache = cacheOf(endpoint);
    await expect(cache.inference(table, { onRowError: 'fail' })).rejects.toBeInstanceOf(ModelError);
    expect(await cache.size()).toBe(0);
    expect(await cache.inference(table, { onRowError: 'drop' })).toEqual([answerOf(1), answerOf(2)]);
    const dropping = await squares({ onRowError: 'drop' });
    expect(await cacheOf(dropping.endpoint).inference(table)).toEqual([answerOf(1), answerOf(2)]);
    const failing = await squares({ onRowError: 'fail' });
    await expect(cacheOf(failing.endpoint).inference(table)).rejects.toBeInstanceOf(ModelError);
  });

  test('the row that ends a call is named by its place in the caller’s table, as it is without a cache', async () => {
    const { endpoint } = await squares();
    const cache = cacheOf(endpoint);
    await cache.inference([1, 2, 3].map(rowOf));
    const options = { onRowError: 'fail' } as const;
    const failureOf = (answer: Promise<unknown>) => answer.catch((error: unknown) => error as ModelError);
    for (const numbers of [[1, 2, 3, 13], [4, 4, 1, 13, 5], [13]]) {
      const table = numbers.map(rowOf);
      const [cached, plain] = [cache.inference(table, options), endpoint.inference(table, options)].map(failureOf);
      const { message, runId } = (await cached) as ModelError;
      expect(message).toMatch(new RegExp(`^Row ${numbers.indexOf(13) + 1} failed .*: 13 has no square`));
      expect(await cached).toBeInstanceOf(ModelError);
      expect(await plain).toMatchObject({ name: 'ModelError', message });
      expect(await connect({ url: server.url }).run(runId!).status()).toMatchObject({ status: 'failed' });
    }
  });

  test('a new version starts empty, unless old answers will do', async () => {
    const { endpoint, calls, redeploy } = await squares({});
    const [cache, old] = [cacheOf(endpoint), cacheOf(endpoint, { invalidate: 'never' })];
    await cache.inference([1, 2].map(rowOf));
    await redeploy('second');
    expect(await old.inference([1, 3].map(rowOf))).toEqual([answerOf(1), { ...answerOf(3), by: 'second' }]);
    expect(await cache.size()).toBe(1);
    expect(await cache.inference([1, 3].map(rowOf))).toEqual([1, 3].map((n) => ({ ...answerOf(n), by: 'second' })));
    expect(calls()).toEqual([1, 1, 2, 3]);
    expect(await old.size()).toBe(3);
    expect((await cache.info()).versions.map(({ version, rows }) => [version, rows])).toEqual([
      [2, 2],
      [1, 2],
    ]);
  });

  test('a key that two versions have answered is one of those that can be answered, not two', async () => {
    const { endpoint, redeploy } = await squares({});
    const [cache, old] = [cacheOf(endpoint), cacheOf(endpoint, { invalidate: 'never' })];
    await cache.inference([1, 2].map(rowOf));
    expect([await cache.size(), await old.size()]).toEqual([2, 2]);
    await redeploy('second');
    expect([await cache.size(), await old.size()]).toEqual([0, 2]);
    await cache.inference([rowOf(1)]);
    expect([await cache.size(), await old.size()]).toEqual([1, 2]);
    expect(await old.info()).toMatchObject({ rows: 3, keys: 2 });
  });

  test('where the version changes between the look and the run, the whole table is of the new one', async () => {
    const { endpoint, redeploy } = await squares({});
    const cache = cacheOf(endpoint);
    await cache.inference([1, 2].map(rowOf));
    const { describe: real } = endpoint;
    // The moment between the two is made long: what describes the endpoint is held until there is a
    // new version.
    const stale = await endpoint.describe();
    await redeploy('second');
    endpoint.describe = async () => stale;
    const answers = await cache.inference([1, 2, 3].map(rowOf));
    endpoint.describe = real;
    expect(answers).toEqual([1, 2, 3].map((n) => ({ ...answerOf(n), by: 'second' })));
    expect(await cache.size()).toBe(3);
  });

  test('a model that writes its key column anew is held to give the key back elsewhere', async () => {
    const { endpoint, calls } = await squares();
    const options = { keyColumns: ['smiles'], outputKeyColumn: 'orig_smiles' };
    const cache = cacheOf(endpoint, options);
    const table = ['c1o', 'C1O', 'c1o'].map((smiles) => ({ smiles }));
    const answers = await cache.inference(table);
    expect(answers.map(({ smiles, orig_smiles: original }) => [smiles, original])).toEqual([
      ['C1O', 'c1o'],
      ['C1O', 'C1O'],
      ['C1O', 'c1o'],
    ]);
    expect(await cache.inference(table)).toEqual(answers);
    expect(calls()).toHaveLength(2);
    const wrong = cacheOf(endpoint, { ...options, outputKeyColumn: 'smiles' }).inference([
      { smiles: 'c1o' },
      { smiles: 'n1n' },
    ]);
    await expect(wrong).rejects.toMatchObject({ row: 2, column: 'smiles' });
    await expect(wrong).rejects.toThrow('The row with "smiles" "n1n" came back with another key: "smiles" is "N1N".');
    expect(await cache.size()).toBe(2);
  });

  test('what is forgotten is computed again', async () => {
    const { endpoint, calls } = await squares();
    const cache = cacheOf(endpoint);
    const table = [1, 2, 3].map(rowOf);
    await cache.inference(table);
    expect(await cache.deleteEntries([1, { n: 2 }, 99])).toBe(2);
    await cache.inference(table);
    expect(calls()).toEqual([1, 1, 2, 2, 3]);
    expect(await cache.clear()).toBe(3);
    expect(await cache.compact()).toBeGreaterThanOrEqual(0);
    expect(await cache.info()).toMatchObject({ rows: 0, bytes: 0, versions: [] });
    expect(await cache.inference(table)).toEqual([1, 2, 3].map((n) => answerOf(n)));
  });

  test('two calls for the same new keys share one computation, and each has the rest to itself', async () => {
    const { endpoint, calls } = await squares();
    const table = Array.from({ length: 20 }, (_, n) => rowOf(n + 20));
    const answers = await Promise.all([
      cacheOf(endpoint).inference(table),
      cacheOf(endpoint).inference([...table, rowOf(50)].toReversed()),
    ]);
    expect(answers[0]).toEqual(table.map(({ n }) => answerOf(n)));
    expect(answers[1]).toEqual([...table, rowOf(50)].toReversed().map(({ n }) => answerOf(n)));
    expect(calls()).toEqual([...table.map(({ n }) => n), 50]);
  });

  test('of five that ask for ten new keys at once, one misses each of them, and the other four hit it once', async () => {
    const { endpoint, calls } = await squares({});
    const gate = join(await folderForTest(), 'gate');
    const numbers = Array.from({ length: 10 }, (_, n) => n + 60);
    const asking = Array.from({ length: 5 }, () => cacheOf(endpoint).inference(numbers.map((n) => ({ n, gate }))));
    await until('one of them computes', () => calls().length > 0);
    writeFileSync(gate, '');
    for (const answers of await Promise.all(asking)) expect(answers).toMatchObject(numbers.map((n) => ({ n })));
    expect(await cacheOf(endpoint).info()).toMatchObject({ rows: 10, hits: 40, misses: 10 });
  });

  test('a killed program loses none of the rows that its run had computed', async () => {
    const { endpoint, calls } = await squares({ batchSize: 2 });
    const gate = join(await folderForTest(), 'gate');
    const table = Array.from({ length: 8 }, (_, n) => ({ n, note: `note ${n}`, ...(n === 5 && { gate }) }));
    const victim = otherProgram(endpoint.name!, store, table);
    const reader = cacheOf(endpoint);
    await until('half of it is kept', async () => calls().includes(5) && (await reader.size()) >= 4);
    victim.kill('SIGKILL');
    expect(await victim.answer).toBeNull();
    const asked = [0, 3, 1, 2].map(rowOf);
    expect(await reader.inference(asked)).toEqual([0, 3, 1, 2].map((n) => answerOf(n)));
    expect(calls()).toEqual([0, 1, 2, 3, 4, 5]);
    writeFileSync(gate, '');
    const answers = await cacheOf(endpoint).inference(table);
    expect(answers).toMatchObject(table.map(({ n }) => ({ n, note: `note ${n}`, square: n * n })));
    for (const n of [0, 1, 2, 3]) expect(calls().filter((one) => one === n)).toHaveLength(1);
    // The run goes on without its program. Where the store is the server's, nothing at all is
    // computed twice.
    if (kind === 'server') expect(calls()).toEqual(table.map(({ n }) => n));
  });

  test('what a later part shows of a column holds for the answers of the parts before', async () => {
    const { endpoint } = await squares({ batchSize: 1 });
    await cacheOf(endpoint).inference([
      { n: 5, square: 25 },
      { n: 6, square: 0 },
    ]);
    await until('it is known of the first', async () => {
      const [row] = await cacheOf(endpoint).inference([{ n: 5, square: 99 }]);
      return row!['square'] === 25;
    });
  });

  test('what a killed program was computing is answered to who waits for it', async () => {
    const { endpoint, calls } = await squares({ batchSize: 1, replicas: { max: 2 } });
    const gate = join(await folderForTest(), 'gate');
    const victim = otherProgram(endpoint.name!, store, [{ n: 7, gate }]);
    await until('the other one computes it', () => calls().length === 1);
    const waiting = cacheOf(endpoint).inference([{ n: 7 }, { n: 8 }]);
    await until('what is not the other’s has been computed', () => calls().includes(8));
    expect(calls()).toEqual([7, 8]);
    victim.kill('SIGKILL');
    // A file knows nothing of the run that goes on; a server renews the claims of who is gone until
    // the run has ended.
    if (kind === 'file') await until('it is computed again', () => calls().length === 3);
    else await claimsOfTheDeadLapse(endpoint.name!);
    writeFileSync(gate, '');
    expect(await waiting).toMatchObject([{ square: 49 }, { square: 64 }]);
    expect(calls()).toEqual(kind === 'server' ? [7, 8] : [7, 7, 8]);
  });

  test('a caller that gives up leaves its keys to the next at once', async () => {
    const { endpoint, calls } = await squares({ batchSize: 1, replicas: { max: 2 } });
    const gate = join(await folderForTest(), 'gate');
    const patience = new AbortController();
    const first = cacheOf(endpoint).inference([{ n: 7, gate }], { signal: patience.signal, cancelOnAbort: true });
    await until('it is computed', () => calls().length === 1);
    patience.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    expect(await cacheOf(endpoint).inference([{ n: 7 }])).toMatchObject([{ square: 49 }]);
  });

  test('programs that ask for the same at the same time compute every row once', async () => {
    const { endpoint, calls } = await squares();
    const table = Array.from({ length: 30 }, (_, n) => ({ n: n + 100 }));
    const programs = [table, table.toReversed(), table].map((rows) => otherProgram(endpoint.name!, store, rows));
    const said = await Promise.all(programs.map(({ answer }) => answer));
    expect(said[0]).toEqual(table.map(({ n }) => n * n));
    expect(said[1]).toEqual(said[0]!.toReversed());
    expect(said[2]).toEqual(said[0]);
    expect(calls()).toEqual(table.map(({ n }) => n));
  });

  test('a row without a key column is refused before anything is sent, and named', async () => {
    const { endpoint, calls } = await squares();
    const refused = cacheOf(endpoint).inference([{ n: 1 }, { m: 2 }]);
    await expect(refused).rejects.toBeInstanceOf(TableError);
    await expect(refused).rejects.toThrow('Row 2 has no "n", which is a key column of the cache; its columns are "m".');
    expect(calls()).toEqual([]);
  });

  test('an empty table is an empty one, and has the columns that it has without a cache', async () => {
    const { endpoint } = await squares();
    expect(await cacheOf(endpoint).inference([])).toEqual([]);
    for (const [text, contentType] of [
      ['n,note\n', 'text/csv'],
      ['', 'application/jsonlines'],
      ['[]', 'application/json'],
      ['{"instances":[]}', 'application/json'],
    ] as const)
      expect(await answeredText(cacheOf(endpoint), text, contentType)).toBe(
        await answeredText(endpoint, text, contentType),
      );
    const frame = pl.DataFrame({ n: [1] }).limit(0);
    expect((await cacheOf(endpoint).inference(frame)).columns).toEqual(['n']);
  });

  test('a CSV of which all rows were dropped is its header, as it is without a cache', async () => {
    const { endpoint } = await squares();
    const options = { onRowError: 'drop' } as const;
    for (const of of [endpoint, cacheOf(endpoint)])
      expect(await answeredText(of, 'n,note\n13,a\n13,b\n', 'text/csv', options)).toBe('n,note\n');
    const failing = '{"n":13}\n';
    const type = 'application/jsonlines';
    expect(await answeredText(cacheOf(endpoint), failing, type, options)).toBe(
      await answeredText(endpoint, failing, type, options),
    );
  });

  test('a CSV says in its last column why rows failed, also where rows have more columns than the first', async () => {
    const { endpoint } = await squares();
    const cache = cacheOf(endpoint);
    const text = 'n,more\n1,\n2,root\n13,\n3,cube\n';
    const expected = await answeredText(endpoint, text, 'text/csv');
    expect(expected.split('\n', 1)[0]).toMatch(/,inference_error$/);
    for (const _ of ['computed', 'kept']) expect(await answeredText(cache, text, 'text/csv')).toBe(expected);
    const frame = pl.DataFrame({ n: [1, 2, 13], more: ['', 'root', ''] });
    for (const answered of [endpoint.inference(frame), cache.inference(frame)])
      expect((await answered).columns.at(-1)).toBe('inference_error');
  });

  test('a file is answered as its bytes are', async () => {
    const { endpoint } = await squares();
    const text = '{"n":1}\n{"n":2}\n';
    const answered = await cacheOf(endpoint).inference({
      bytes: new Blob([text]),
      contentType: 'application/jsonlines',
    });
    expect(new TextDecoder().decode(answered.bytes)).toBe(await answeredText(endpoint, text, 'application/jsonlines'));
  });

  test('what came as instances is answered as predictions', async () => {
    const { endpoint } = await squares();
    const text = '{"instances":[{"n":1},{"n":2}]}';
    for (const of of [cacheOf(endpoint), cacheOf(endpoint), endpoint])
      expect(JSON.parse(await answeredText(of, text, 'application/json'))).toMatchObject({
        predictions: [{ square: 1 }, { square: 4 }],
      });
  });

  test('a row with the column that marks failed rows is refused, also where its key is known', async () => {
    const { endpoint } = await squares();
    const cache = cacheOf(endpoint);
    await cache.inference([{ n: 1 }]);
    const refused = cache.inference([{ n: 1 }, { n: 1, inference_error: 'x' }]);
    await expect(refused).rejects.toBeInstanceOf(TableError);
    await expect(refused).rejects.toThrow('Row 2 has a column "inference_error", which marks failed rows;');
  });

  test('a job key that was handed over all the same brings no cache the run of another', async () => {
    const { endpoint } = await squares();
    const options = { jobKey: `job-${(count += 1)}`, concurrencyKey: 'one' } as CachedInferenceOptions;
    for (const n of [1, 2]) expect(await cacheOf(endpoint).inference([rowOf(n)], options)).toEqual([answerOf(n)]);
    const before = await runsOf(endpoint);
    await cacheOf(endpoint, { store: { file: join(await folderForTest(), 'other.sqlite') } }).inference(
      [rowOf(1)],
      options,
    );
    expect(await runsOf(endpoint)).toBe(before + 1);
  });
});

test.each([true, false])(
  'answers that cannot be kept reject the call, unless somebody wants to hear of it (%s)',
  async (isHeard) => {
    const { endpoint, calls } = await squares();
    const place = await folderForTest();
    const [file, gate] = [join(place, 'answers.sqlite'), join(place, 'gate')];
    const heard: Error[] = [];
    const onStoreError = isHeard ? (error: Error) => void heard.push(error) : undefined;
    const cache = new InferenceCache(endpoint, { keyColumns: ['n'], store: { file }, onStoreError });
    onTestFinished(() => cache.close());
    const asking = cache.inference([{ n: 7, gate }]);
    asking.catch(() => {});
    await until('it is computed', () => calls().length === 1);
    const db = new DatabaseSync(file);
    db.exec('DROP TABLE entries');
    db.close();
    writeFileSync(gate, '');
    if (isHeard) expect(await asking).toMatchObject([{ square: 49 }]);
    else await expect(asking).rejects.toThrow('no such table');
    expect(heard.map(({ message }) => message)).toEqual(isHeard ? [expect.stringContaining('no such table')] : []);
  },
);

describe('numbers that no double holds', () => {
  /** A cache of an endpoint whose model hands on what it is given, and which knows nothing yet. */
  async function cacheOfIds(): Promise<{ endpoint: Endpoint; cache: InferenceCache }> {
    const endpoint = connect({ url: server.url }).endpoint('anything');
    const cache = new InferenceCache(endpoint, { keyColumns: ['id'] });
    await cache.clear();
    return { endpoint, cache };
  }
  const ids = [9_007_199_254_740_992n, 9_007_199_254_740_993n, 9_007_199_254_740_994n];
  const ARROW = 'application/vnd.apache.arrow.stream';

  test('two ids beyond 2^53 do not share one answer, and every column keeps its digits', async () => {
    const { endpoint, cache } = await cacheOfIds();
    const texts = ids.map((id) => `{"id":${id},"mass":12345678901234567890123,"sum":0.10000000000000000001}\n`);
    const lines = { bytes: new TextEncoder().encode(texts.join('')), contentType: 'application/jsonlines' };
    for (const _ of ['computed', 'kept']) {
      const { bytes } = await cache.inference(lines);
      expect(new TextDecoder().decode(bytes)).toBe(texts.join(''));
      expect(bytes).toEqual(new Uint8Array((await endpoint.inference(lines)).bytes));
    }
    expect(await cache.size()).toBe(ids.length);
    expect(await cache.deleteEntries([9_007_199_254_740_993n])).toBe(1);
  });

  test('integers and decimals of an Arrow table come back to the last digit', async () => {
    const { endpoint, cache } = await cacheOfIds();
    const sums = [123_456_789_012_345_678_901n, 123_456_789_012_345_678_902n, null];
    const bytes = arrowOf({ id: [ids, flechette.int64()], sum: [sums, flechette.decimal(30, 2)] });
    const table = { bytes, contentType: ARROW };
    for (const _ of ['computed', 'kept']) {
      const answered = contentOf((await cache.inference(table)).bytes);
      expect(answered).toEqual(contentOf(bytes));
      expect(answered).toEqual(contentOf((await endpoint.inference(table)).bytes));
    }
    expect(await cache.size()).toBe(ids.length);
  });

  test('a frame of Polars has its ids again', async () => {
    const { cache } = await cacheOfIds();
    const frame = pl.DataFrame({ id: ids.map(String) }).withColumns(pl.col('id').cast(pl.Int64));
    for (const _ of ['computed', 'kept']) expect((await cache.inference(frame)).frameEqual(frame)).toBe(true);
    expect(await cache.size()).toBe(ids.length);
  });
});

test('a text is one key, however its characters are escaped', async () => {
  const { endpoint, calls } = await squares();
  const cache = new InferenceCache(endpoint, { keyColumns: ['n'] });
  const asked = (text: string) =>
    cache.inference({ bytes: new TextEncoder().encode(text), contentType: 'application/jsonlines' });
  await asked('{"n":"\\u00e4\\/"}\n');
  await asked('{"n":"ä/"}\n');
  expect(calls()).toEqual(['ä/']);
});

/**
 * Waits until a claim has lapsed that stands as long as those of `otherProgram`, and is made now.
 */
async function claimsOfTheDeadLapse(name: string): Promise<void> {
  const ask = (caller: string): Promise<TestAnswer> =>
    server.post(`/endpoints/${name}/cache/lookup`, { version: 1, caller, lease: 2, keys: ['f'.repeat(32)] });
  await ask('the-dead-one');
  await until('its claim has lapsed', async () => (await ask('the-heir')).text === '"mine"\n');
}

/** A program of its own that asks a cache for a table, whose claims stand for two seconds. */
function otherProgram(name: string, store: InferenceCacheOptions['store'], rows: readonly object[]) {
  const entry = new URL('../../src/index.ts', import.meta.url).href;
  const options = { keyColumns: ['n'], store, claimSeconds: 2 };
  const program = `
    const { connect, InferenceCache } = await import(${JSON.stringify(entry)});
    const endpoint = connect({ url: ${JSON.stringify(server.url)} }).endpoint(${JSON.stringify(name)});
    const cache = new InferenceCache(endpoint, ${JSON.stringify(options)});
    const rows = await cache.inference(${JSON.stringify(rows)});
    process.stdout.write(JSON.stringify(rows.map((row) => row.square)));`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const answer = child.stdout.toArray().then((parts) => {
    const text = Buffer.concat(parts as Buffer[]).toString();
    return text === '' ? null : (JSON.parse(text) as number[]);
  });
  return { kill: (signal: NodeJS.Signals) => child.kill(signal), answer };
}

test('tenants share no answers', async () => {
  const calls = join(await folderForTest(), 'calls');
  const server = await serviceWithKeys(
    { endpoints: { squares: { model, env: { CALLS: calls }, isolation: { user: 'server' } } } },
    { ada: { tenant: 'ada' }, bob: { tenant: 'bob' }, reader: { tenant: 'ada', scopes: ['read', 'invoke'] } },
  );
  const cacheFor = (apiKey: string): InferenceCache =>
    new InferenceCache(connect({ url: server.url, apiKey }).endpoint('squares'), { keyColumns: ['n'] });
  const [ada, bob, reader] = [server.keys.ada, server.keys.bob, server.keys.reader].map(({ key }) => cacheFor(key));
  await ada!.inference([{ n: 1 }]);
  await bob!.inference([{ n: 1 }]);
  await reader!.inference([{ n: 1 }]);
  expect(readFileSync(calls, 'utf8')).toBe('1\n1\n');
  await expect(reader!.clear()).rejects.toThrow(/manage/);
  const [run] = await Array.fromAsync(connect({ url: server.url, apiKey: server.keys.ada.key }).runs());
  const named = await server.send('PUT', '/endpoints/squares/cache/claims/caller-of-bob', {
    headers: { ...server.keys.bob.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ lease: 30, run: { id: run!.run_id, key_columns: ['n'] } }),
  });
  expect(named.status).toBe(404);
  expect(await bob!.clear()).toBe(1);
  expect(await ada!.size()).toBe(1);
});

test('a cache that could mix rows up is refused when it is made', () => {
  const endpoint = connect({ url: 'http://127.0.0.1:9' }).endpoint('squares');
  expect(() => new InferenceCache(endpoint, { keyColumns: [] })).toThrow(
    "keyColumns is []; it must be the columns that an answer depends on: ['smiles'], for instance.",
  );
  expect(() => new InferenceCache(endpoint, { keyColumns: ['a', 'a'] })).toThrow(/names a column twice/);
  expect(() => new InferenceCache(endpoint, { keyColumns: ['a', 'b'], outputKeyColumn: 'c' })).toThrow(
    /single key column/,
  );
  expect(() => new InferenceCache(endpoint, { keyColumns: ['a'], claimSeconds: 0 })).toThrow(/from 1 to 300/);
});

test.each([
  [{ keyColumns: 'smiles' }, /^keyColumns is "smiles"; it must be the columns .*: \['smiles'\], for instance\.$/],
  [{}, /^keyColumns is undefined; it must be the columns/],
  [{ keyColumns: ['a', 7] }, /^keyColumns is \["a",7\]; it must be the columns/],
  [
    { keyColumns: ['a'], store: 'sever' },
    /^store is "sever"; it must be 'server' or \{ file: '.\/answers.sqlite' \}\.$/,
  ],
  [{ keyColumns: ['a'], store: { path: 'a.sqlite' } }, /^store is \{"path":"a.sqlite"\}; it must be 'server' or/],
  [{ keyColumns: ['a'], store: null }, /^store is null; it must be 'server' or/],
  [{ keyColumns: ['a'], invalidate: 'newer' }, /^invalidate is "newer"; it must be 'version' or 'never'\.$/],
])('who writes JavaScript and %j is told what is wrong and what to write', (options, words) => {
  const endpoint = connect({ url: 'http://127.0.0.1:9' }).endpoint('squares');
  const made = () => new InferenceCache(endpoint, options as unknown as InferenceCacheOptions);
  expect(made).toThrow(TypeError);
  expect(made).toThrow(words);
});
