import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { kindOf, takesRows } from '../../src/model/load-model.ts';
import { inspectModel } from '../../src/replicas/runtimes/node.ts';
import { minutes } from '../../src/domain/time.ts';
import { folderForTest } from '../support/folder.ts';
import { FIXTURES } from '../support/service.ts';

const IN_TIME = { startTimeout: minutes(1) };

/** What is found out about a model file of this text, in a process of its own. */
async function inspect(text: string, name = 'model.ts') {
  const file = join(await folderForTest(), name);
  await writeFile(file, text);
  return { file, inspection: await inspectModel(file, { env: {}, cwd: tmpdir(), replicas: IN_TIME }, process.env) };
}
const errorOf = async (text: string, name?: string): Promise<string> => {
  const { inspection } = await inspect(text, name);
  if (!('error' in inspection)) throw new Error(`The model was taken as ${inspection.kind}.`);
  return inspection.error;
};

describe('a model file', () => {
  test.each([
    ['rows', 'predict', 'model.ts', 'export const model = { predict(rows: unknown[]): unknown[] { return rows; } };'],
    ['any', 'invoke', 'model.ts', 'export const model = { invoke: (input: unknown) => input };'],
    ['rows', 'predict in JavaScript', 'model.mjs', 'export const model = { predict: (rows) => rows };'],
    [
      'rows',
      'predict and load',
      'model.mjs',
      'export const model = { load() {}, async predict(rows) { return rows; } };',
    ],
    [
      'any',
      'invoke, and a predict that is not there',
      'model.mjs',
      'export const model = { predict: undefined, invoke: (input) => input };',
    ],
  ])('takes %s where it defines %s', async (kind, _, name, text) => {
    expect((await inspect(text, name)).inspection).toEqual({ kind });
  });

  test('may import what a model author imports', async () => {
    expect(
      await inspectModel(join(FIXTURES, 'echo.ts'), { env: {}, cwd: tmpdir(), replicas: IN_TIME }, process.env),
    ).toEqual({
      kind: 'rows',
    });
    expect(
      await inspectModel(join(FIXTURES, 'anything.ts'), { env: {}, cwd: tmpdir(), replicas: IN_TIME }, process.env),
    ).toEqual({
      kind: 'any',
    });
  });

  test('is not loaded when it is looked at, and may print, start timers and leave them running', async () => {
    const { inspection } = await inspect(`
      console.log('importing', '{"kind":"lies"}');
      process.stdout.write('no line end');
      setInterval(() => {}, 1_000);
      export const model = { load() { throw new Error('This is not the time.'); }, predict: (rows) => rows };
    `);
    expect(inspection).toEqual({ kind: 'rows' });
  });

  test.each([
    ['exports nothing', 'export const other = 1;'],
    ['exports its model by default', 'export default { predict: (rows) => rows };'],
    ['exports what is no model', 'export const model = 7;'],
    ['exports null', 'export const model = null;'],
  ])('that %s is told what to write', async (_, text) => {
    const error = await errorOf(text);
    expect(error).toContain('model.ts has no export named "model"');
    expect(error).toContain('export const model = defineModel');
  });

  test.each([
    ['both functions', 'export const model = { predict: (rows) => rows, invoke: (input) => input };'],
    ['neither', 'export const model = { load() {} };'],
    ['what is no function', 'export const model = { predict: 7 };'],
  ])('that defines %s is told that it needs one', async (_, text) => {
    const error = await errorOf(text);
    expect(error).toContain('model.ts');
    expect(error).toContain('either predict(rows, context) or invoke(input, context)');
  });

  test.each([
    ['a mistake in its syntax', 'model.ts', 'export const model = {\n  predict(rows) { return rows; \n'],
    [
      'a mistake in its syntax, in JavaScript',
      'model.mjs',
      'export const model = {\n  predict(rows) { return rows; \n',
    ],
    [
      'TypeScript that cannot be stripped',
      'model.ts',
      'enum Colour { red }\nexport const model = { invoke: () => Colour.red };',
    ],
    [
      'an import that is not there',
      'model.ts',
      "import { x } from './weights.ts';\nexport const model = { invoke: () => x };",
    ],
    ['an error while it is imported', 'model.ts', "throw new Error('There are no weights.');"],
    ['a value thrown while it is imported', 'model.ts', "throw 'There are no weights.';"],
    ['an end of the process while it is imported', 'model.ts', 'process.exit(4);'],
  ])('with %s is refused with one sentence that names the file', async (_, name, text) => {
    const error = await errorOf(text, name);
    expect(error).toContain(name);
    expect(error).not.toMatch(/\n\s+at /);
    expect(error).not.toContain('Unexpected end of JSON input');
  });

  test.each([
    ['line 3, column 3', 'export const model = {\n  a: 1\n  predict: (rows) => rows,\n};\n'],
    ['line 1', 'export const model = {\n'],
    ['line 2, column 3', 'const a = 1;\n  enum B { C }\nexport const model = { predict: () => [a, B] };\n'],
  ])('that is no TypeScript is refused with its place: %s', async (place, text) => {
    expect(await errorOf(text)).toMatch(new RegExp(` \\(${place}\\)$`));
  });

  test('that imports what is no TypeScript is refused with that file and its place', async () => {
    const folder = await folderForTest();
    const [file, imported] = [join(folder, 'model.ts'), join(folder, 'weights.ts')];
    await writeFile(file, "export { model } from './weights.ts';");
    await writeFile(imported, 'export const model = { a: 1 b: 2 };');
    expect(await inspectModel(file, { env: {}, cwd: tmpdir(), replicas: IN_TIME }, process.env)).toEqual({
      error: `${file} cannot be imported: Expected ',', got 'ident' (${imported}, line 1, column 29)`,
    });
  });

  test("that throws while it is imported is refused in its author's own words", async () => {
    expect(await errorOf("throw new Error('There are no weights.');")).toContain('There are no weights.');
    expect(await errorOf("console.error('CUDA is missing'); process.exit(4);")).toContain('CUDA is missing');
  });

  test('with a schema hands it on as JSON Schema', async () => {
    const priced = await inspectModel(
      join(FIXTURES, 'priced-standard.ts'),
      { env: {}, cwd: tmpdir(), replicas: IN_TIME },
      process.env,
    );
    expect(priced).toMatchObject({ kind: 'any', inputSchema: { type: 'object', required: ['price'] } });
    const { inspection } = await inspect(
      "export const model = { schema: { input: { type: 'array' }, output: {} }, predict: (rows) => rows };",
      'model.mjs',
    );
    expect(inspection).toEqual({ kind: 'rows', inputSchema: { type: 'array' }, outputSchema: {} });
  });

  test('with a broken schema is refused, and the place is named', async () => {
    const error = await errorOf(
      "export const model = { schema: { output: { properties: { a: { type: 'text' } } } }, invoke: () => 1 };",
      'model.mjs',
    );
    expect(error).toContain("model's schema.output is no JSON Schema: /properties/a/type must be one of");
    expect(error).toContain('model.mjs');
  });

  test('that does not exist is named', async () => {
    const inspection = await inspectModel(
      '/no/such/model.ts',
      { env: {}, cwd: tmpdir(), replicas: IN_TIME },
      process.env,
    );
    expect(inspection).toEqual({ error: expect.stringContaining('/no/such/model.ts') as string });
  });

  test("sees what a replica of it would see: its endpoint's environment and folder, and nothing else of the server", async () => {
    const folder = await folderForTest();
    const file = join(folder, 'model.mjs');
    await writeFile(
      file,
      `if (process.env.PATH === undefined) throw new Error('PATH is missing.');
       if (process.env.SECRET !== undefined) throw new Error('A secret is visible.');
       if (process.env.WEIGHTS !== 'here') throw new Error('WEIGHTS is missing.');
       if (process.cwd() !== ${JSON.stringify(folder)}) throw new Error('This is another folder.');
       export const model = { invoke: (input) => input };`,
    );
    const server = { ...process.env, SECRET: 'hunter2' };
    expect(await inspectModel(file, { env: { WEIGHTS: 'here' }, cwd: folder, replicas: IN_TIME }, server)).toEqual({
      kind: 'any',
    });
  });
});

test('what a model takes is told by the function that it defines', () => {
  expect(takesRows({ predict: (rows) => rows })).toBe(true);
  expect(takesRows({ invoke: (input) => input })).toBe(false);
  expect(kindOf({ load: () => 1, predict: (rows) => rows })).toBe('rows');
  expect(kindOf({ invoke: () => 1 })).toBe('any');
});
