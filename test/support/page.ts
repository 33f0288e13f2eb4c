// Pages of the documentation as somebody follows them: the files that they show, and the cells of a
// notebook.

import { spawn } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** Writes the files of a page into a folder, in which claimcheck is installed. */
export async function setUp(page: string, folder: string): Promise<void> {
  await mkdir(join(folder, 'node_modules/.bin'), { recursive: true });
  await symlink(ROOT, join(folder, 'node_modules/claimcheck'));
  await symlink(join(ROOT, 'bin/claimcheck.js'), join(folder, 'node_modules/.bin/claimcheck'));
  // Node takes files with import and export for modules, and says how much faster it would be if a
  // package.json said so.
  await writeFile(join(folder, 'package.json'), '{"type": "module"}');
  for (const [, name, text] of page.matchAll(/^<!-- file: (\S+) -->\n```\w+\n(.*?)^```/gms))
    await writeFile(join(folder, name!), text!);
}

/** A cell of a notebook, and what the page shows below it. */
export interface Cell {
  readonly code: string;
  readonly shown: string;
}

/** The cells of a page: every `python` block with the `text` block that follows it. */
export function cellsOf(page: string): Cell[] {
  return [...page.matchAll(/^```python\n(.*?)^```\s+^```text\n(.*?)^```/gms)].map(([, code, shown]) => ({
    code: code!,
    shown: shown!.trim(),
  }));
}

/**
 * What every cell prints, in one interpreter; what it throws is printed, and the next one goes on.
 */
export async function runCells(
  cells: readonly Cell[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<string[]> {
  const mark = '---- end of a cell ----';
  const notebook = `
import json, sys, traceback
place = {}
for code in json.load(sys.stdin):
    try:
        exec(compile(code, '<cell>', 'exec'), place)
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    print('${mark}', flush=True)
`;
  const python = spawn('python3', ['-c', notebook], { ...options, stdio: ['pipe', 'pipe', 'inherit'] });
  python.stdin.end(JSON.stringify(cells.map(({ code }) => code)));
  const printed = Buffer.concat((await python.stdout.toArray()) as Buffer[]).toString();
  return printed.split(`${mark}\n`).slice(0, -1);
}
