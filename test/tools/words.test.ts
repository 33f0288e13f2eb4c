import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';

interface Answer {
  readonly code: number;
  readonly output: string;
}

/** Holds a tree of files to the list. */
async function check(
  files: Record<string, string>,
  ...options: string[]
): Promise<Answer & { readonly folder: string }> {
  const folder = await folderForTest();
  execFileSync('git', ['init', '-q'], { cwd: folder });
  for (const [path, text] of Object.entries({ 'tools/words.json': '{}', ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const answer = await new Promise<Answer>((resolve) => {
    execFile(process.execPath, ['tools/words.ts', folder, ...options], (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout });
    });
  });
  return { ...answer, folder };
}
const allowing = (words: number, wide: number): string => JSON.stringify({ 'src/engine': { words, wide } });

describe('a word of the list', () => {
  test('in a comment, a text or a page is a mistake that says where and what to write instead', async () => {
    const { code, output } = await check({
      'src/engine/a.ts': '// Plain.\n// Tells whoever waits.\n',
      'src/engine/b.ts': "throw new Error('it lets go of the claim');\n",
      'docs/page.md': 'What a client sends, and what he is told.\n',
    });
    expect(code).toBe(1);
    expect(output).toContain('  src/engine/a.ts:2  "whoever": write ');
    expect(output).toContain('  src/engine/b.ts:1  "lets go of": write ');
    expect(output).toContain('  docs/page.md:1  "he": write ');
  });

  test('is none within another word', async () => {
    const { code } = await check({
      'src/engine/a.ts': "// The header of this file, hers' aside.\nconst history = 'the';\n",
    });
    expect(code).toBe(0);
  });
});

test('a comment of more than 100 columns is a mistake, and a statement of as many is none', async () => {
  const { output } = await check({
    'src/engine/a.ts': `// ${'word '.repeat(20)}\nconst text = '${'word '.repeat(20)}';\n`,
  });
  expect(output).toContain('  src/engine/a.ts:1  103 columns of a comment');
  expect(output).toContain('1 wide comments');
});

describe('the allowance of a folder', () => {
  const source = '// Tells whoever waits.\n';

  test('excuses as many lines as it says', async () => {
    const { code } = await check({ 'src/engine/a.ts': source, 'tools/words.json': allowing(1, 0) });
    expect(code).toBe(0);
  });

  test('excuses no line more, and names all there are', async () => {
    const { code, output } = await check({ 'src/engine/a.ts': source.repeat(2), 'tools/words.json': allowing(1, 0) });
    expect(code).toBe(1);
    expect(output).toContain('src/engine has 2 (words) and is allowed 1:');
  });

  test('that is too large must be lowered, and is by --lower', async () => {
    const files = { 'src/engine/a.ts': source, 'tools/words.json': allowing(3, 2) };
    const kept = await check(files);
    expect(kept.code).toBe(1);
    expect(kept.output).toContain('src/engine has 1 (words) and is allowed 3: node tools/words.ts --lower');
    const lowered = await check(files, '--lower');
    expect(lowered.code).toBe(0);
    expect(JSON.parse(readFileSync(join(lowered.folder, 'tools/words.json'), 'utf8'))).toEqual({
      'src/engine': { words: 1, wide: 0 },
    });
  });

  test('is never raised by --lower', async () => {
    const { code, folder } = await check(
      { 'src/engine/a.ts': source.repeat(2), 'tools/words.json': allowing(1, 0) },
      '--lower',
    );
    expect(code).toBe(1);
    expect(JSON.parse(readFileSync(join(folder, 'tools/words.json'), 'utf8'))).toEqual({
      'src/engine': { words: 1, wide: 0 },
    });
  });
});
