import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

interface Answer {
  readonly code: number;
  readonly output: string;
}

/** Runs the boundary check over a tree of files. */
async function check(files: Record<string, string>): Promise<Answer> {
  const folder = await mkdtemp(join(tmpdir(), 'boundaries-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return new Promise((resolve) => {
    execFile(process.execPath, ['tools/boundaries.ts', folder], (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout });
    });
  });
}

test('an import against the arrows fails the check and is named by the sentence that it breaks', async () => {
  const { code, output } = await check({
    'src/http/route.ts': 'export type Route = string;',
    'src/domain/run.ts': "import type { Route } from '../http/route.ts'; export type Run = Route;",
  });
  expect(code).toBe(1);
  expect(output).toContain('domain-is-pure: src/domain/run.ts → src/http/route.ts');
});

test('a cycle fails the check', async () => {
  const { code, output } = await check({
    'src/engine/a.ts': "import { b } from './b.ts'; export const a = (): number => b();",
    'src/engine/b.ts': "import { a } from './a.ts'; export const b = (): number => a();",
  });
  expect(code).toBe(1);
  expect(output).toContain('there-are-no-cycles');
});

test('an import along the arrows passes', async () => {
  const { code } = await check({
    'src/domain/run.ts': 'export type Run = string;',
    'src/http/route.ts': "import type { Run } from '../domain/run.ts'; export type Route = Run;",
  });
  expect(code).toBe(0);
});

test.each(['undici', 'node:https', 'node:dns'])(
  'only egress goes where a caller says: %s is for nobody else',
  async (library) => {
    const text = `export * from '${library}';`;
    const { output } = await check({ 'src/engine/ask.ts': text, 'src/egress/ask.ts': text });
    expect(output).toContain('only-egress-goes-where-callers-say: src/engine/ask.ts');
    expect(output).not.toContain('only-egress-goes-where-callers-say: src/egress/ask.ts');
  },
);
