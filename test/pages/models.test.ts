// The models of docs/models.md and docs/model-context.md, run as they stand.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EndpointFile } from '../../src/config/config-file.ts';
import { hasPython } from '../support/python.ts';
import { serviceForTest } from '../support/service.ts';

const pages = await Promise.all(
  ['models', 'model-context'].map((name) => readFile(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8')),
);
const models = [
  ...pages.join('\n').matchAll(/<!-- model: (\S+)( as a command)?, given (.*?), expect (.*?) -->\n```\w+\n(.*?)```/gs),
].map(([, name, command, given, expected, text]) => ({
  name: name!,
  isCommand: command !== undefined,
  given: JSON.parse(given!) as unknown,
  expected: JSON.parse(expected!) as unknown,
  text: text!,
}));

let folder: string;
beforeAll(async () => {
  // In the repository, so that a model finds what it imports.
  folder = await mkdtemp(join(import.meta.dirname, 'models-page-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('every kind of model has an example', () => {
  expect(models.map(({ name }) => name)).toEqual([
    'doubled.ts',
    'discounted.ts',
    'doubled.py',
    'script.py',
    'serve.py',
    'mixing.py',
  ]);
});

for (const { name, isCommand, given, expected, text } of models) {
  test.skipIf(name.endsWith('.py') && !hasPython)(`the page's ${name} answers what the page says`, async () => {
    const file = join(folder, name);
    await writeFile(file, text);
    const endpoint: EndpointFile = { model: isCommand ? ['python3', file] : file };
    const { post } = await serviceForTest({ endpoints: { shown: endpoint } });
    const { json } = await post('/endpoints/shown/invoke', { input: given });
    expect(json).toMatchObject({ status: 'succeeded', outputs: expected });
  });
}
