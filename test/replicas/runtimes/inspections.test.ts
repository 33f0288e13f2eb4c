import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { minutes } from '../../../src/domain/time.ts';
import { Inspections } from '../../../src/replicas/runtimes/inspections.ts';
import { folderForTest } from '../../support/folder.ts';
import { Gates } from '../../support/gate.ts';

/** A model that takes anything, or rows. */
const MODEL = 'export const model = { invoke: (input) => input };';
const ROWS = 'export const model = { predict: (rows) => rows };';

const specOf = (file: string, cwd: string, env: Record<string, string> = {}) => ({
  model: { runtime: 'node', file } as const,
  env,
  cwd,
  replicas: { startTimeout: minutes(1) },
});

/** A model that says when it is imported. */
async function counted() {
  const folder = await folderForTest();
  const [file, imports] = [join(folder, 'model.mjs'), join(folder, 'imports')];
  writeFileSync(imports, '');
  const write = (model: string): void =>
    writeFileSync(
      file,
      `import { appendFileSync } from 'node:fs';\nappendFileSync(${JSON.stringify(imports)}, '.');\n${model}`,
    );
  write(MODEL);
  return { folder, file, write, imports: () => readFileSync(imports, 'utf8').length };
}

test('equal endpoints are inspected once, at the same time and later', async () => {
  const { folder, file, imports } = await counted();
  const inspections = new Inspections(process.env);
  const spec = specOf(file, folder);
  expect(await Promise.all([inspections.of(spec), inspections.of({ ...spec })])).toEqual([
    { kind: 'any' },
    { kind: 'any' },
  ]);
  expect(await inspections.of(spec)).toEqual({ kind: 'any' });
  expect(imports()).toBe(1);
});

test('an endpoint is inspected for itself where it has another environment, working folder or user', async () => {
  const { folder, file, imports } = await counted();
  const inspections = new Inspections(process.env);
  await Promise.all([
    inspections.of(specOf(file, folder)),
    inspections.of(specOf(file, folder, { NAME: 'one' })),
    inspections.of(specOf(file, '/')),
    inspections.of(specOf(file, folder), { prefix: ['/usr/bin/env'], isLikeOthers: false }),
  ]);
  expect(imports()).toBe(4);
});

describe('of users who are like each other', () => {
  const like = (...prefix: string[]) => ({ prefix, isLikeOthers: true });

  test('one inspects a model for all', async () => {
    const { folder, file, imports } = await counted();
    const inspections = new Inspections(process.env);
    const spec = specOf(file, folder);
    const askers = [like('/usr/bin/env'), like('/usr/bin/env', '-i')];
    expect(await Promise.all(askers.map((asker) => inspections.of(spec, asker)))).toEqual(
      askers.map(() => ({ kind: 'any' })),
    );
    expect(imports()).toBe(1);
    await inspections.of(spec, { prefix: ['/usr/bin/env', '-i'], isLikeOthers: false });
    expect(imports()).toBe(2);
  });

  test('each inspects the model itself where the first one could not', async () => {
    const { folder, file, imports } = await counted();
    const inspections = new Inspections(process.env);
    const spec = specOf(file, folder);
    const askers = [like('false'), like('/usr/bin/env')];
    expect(await Promise.all(askers.map((asker) => inspections.of(spec, asker)))).toEqual([
      { error: expect.stringContaining('has said nothing') as string },
      { kind: 'any' },
    ]);
    expect(imports()).toBe(1);
  });
});

test('another occasion inspects anew, and sees what has changed', async () => {
  const { folder, file, write, imports } = await counted();
  const spec = specOf(file, folder);
  expect(await new Inspections(process.env).of(spec)).toEqual({ kind: 'any' });
  write(ROWS);
  expect(await new Inspections(process.env).of(spec)).toEqual({ kind: 'rows' });
  expect(imports()).toBe(2);
});

test('models whose import does not end keep none of the others waiting, however many there are', async () => {
  const folder = await folderForTest();
  const gates = new Gates(folder);
  const inspections = new Inspections(process.env);
  const inspect = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return inspections.of(specOf(join(folder, name), folder));
  };
  const waits = `import { existsSync } from 'node:fs';\nwhile (!existsSync(${JSON.stringify(gates.path('open'))}));\n${ROWS}`;
  const slow = Array.from({ length: 2 * availableParallelism() }, (_, at) => inspect(`slow-${at}.mjs`, waits));
  expect(await inspect('quick.mjs', MODEL)).toEqual({ kind: 'any' });
  gates.open('open');
  expect(await Promise.all(slow)).toEqual(slow.map(() => ({ kind: 'rows' })));
});
