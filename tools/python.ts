// Holds the Python files of the repository against the rules below. `node tools/python.ts` formats
// them first; with --check it writes nothing.
//
// Ruff comes through npm as WebAssembly: so it needs no Python and no installed program. A line
// that breaks a rule on purpose says so itself (`# noqa: F401`). V8's flag --liftoff-only makes it
// end in half a second: without it V8 takes several to optimize Ruff.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Diagnostic, PositionEncoding, Workspace } from '@astral-sh/ruff-wasm-nodejs';
import { filesOfTree } from './files-of-tree.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const RUNNER = 'src/model/python/';

/** Most lines that a file may have that are neither blank nor comments, as in .oxlintrc.json. */
const LINES_MAX = 400;

/** Ruff's settings, as its own file has them. The limits of .oxlintrc.json hold here too. */
const SETTINGS = {
  'target-version': 'py39',
  'line-length': 100,
  lint: {
    preview: true,
    'explicit-preview-rules': true,
    // Pyflakes, pycodestyle, isort, bugbear, the size and nesting of a function, and excuses that
    // excuse nothing.
    select: ['F', 'E', 'W', 'I', 'B', 'C901', 'PLR0912', 'PLR0913', 'PLR0915', 'PLR1702', 'RUF100'],
    // zip() has no strict before Python 3.10.
    ignore: ['B905'],
    mccabe: { 'max-complexity': 15 },
    pylint: { 'max-args': 6, 'max-branches': 15, 'max-nested-blocks': 3, 'max-statements': 40 },
  },
};

/** Rules for the runner beside those: a docstring on every public name, and on every module. */
const DOCSTRINGS = ['D100', 'D101', 'D102', 'D103', 'D104', 'D419'];

/** Ruff with the settings, and with more rules beside them. */
function ruffWith(...rules: readonly string[]): Workspace {
  const lint = { ...SETTINGS.lint, select: [...SETTINGS.lint.select, ...rules] };
  return new Workspace({ ...SETTINGS, lint }, PositionEncoding.Utf16);
}

/** The faults of a file, each as a line that names its place. */
function faultsOf(file: string, text: string, ruff: Workspace): string[] {
  const found = (ruff.check(text) as Diagnostic[]).map(
    ({ code, message, start_location: { row, column } }) => `${file}:${row}:${column} ${code}: ${message}`,
  );
  const lines = text.split('\n').filter((line) => !/^\s*(?:#|$)/.test(line)).length;
  return lines > LINES_MAX ? [...found, `${file}: ${lines} lines, where ${LINES_MAX} are the most.`] : found;
}

/** The text as Ruff formats it; itself where it is no Python, which faultsOf() says. */
function formatted(text: string, ruff: Workspace): string {
  try {
    return ruff.format(text);
  } catch {
    return text;
  }
}

const [forAll, forRunner] = [ruffWith(), ruffWith(...DOCSTRINGS)];
const isCheck = process.argv.includes('--check');
const files = filesOfTree(ROOT, '*.py');
if (files.length === 0) throw new Error(`No Python files were found in ${ROOT}.`);

const faults = files.flatMap((file) => {
  const ruff = file.startsWith(RUNNER) ? forRunner : forAll;
  const before = readFileSync(ROOT + file, 'utf8');
  const after = formatted(before, ruff);
  if (after === before) return faultsOf(file, before, ruff);
  if (isCheck) return [...faultsOf(file, before, ruff), `${file}: is not formatted; run npm run format.`];
  writeFileSync(ROOT + file, after);
  return faultsOf(file, after, ruff);
});
for (const fault of faults) process.stdout.write(`${fault}\n`);
process.stdout.write(`${files.length} files of Python, ${faults.length} faults\n`);
process.exitCode = faults.length === 0 ? 0 : 1;
