import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = new URL('../../', import.meta.url);

/**
 * Every file and package that a file leads to when it is run; imports of types alone are gone by
 * then.
 */
function reached(file: URL, seen = new Set<string>()): Set<string> {
  const name = relative(ROOT.pathname, file.pathname);
  if (seen.has(name)) return seen;
  seen.add(name);
  const source = readFileSync(file, 'utf8').replaceAll(/^\s*(?:\/\/|\*|\/\*).*$/gm, '');
  for (const [, clause = '', target = ''] of source.matchAll(/^(?:import|export) ([^;]*?)from '([^']+)';/gm)) {
    const typesOnly = clause.startsWith('type ') || /^\{\s*(?:type \w+(?: as \w+)?,?\s*)+\}\s*$/.test(clause);
    if (typesOnly) continue;
    if (target.startsWith('.')) reached(new URL(target, file), seen);
    else seen.add(target);
  }
  return seen;
}

/** Packages that run in browsers as well. */
const ANYWHERE = new Set(['eventsource-parser']);

test('the package entry runs anywhere: it reaches the client, the tables and the problem table, and nothing of Node or the server', () => {
  const files = [...reached(new URL('src/index.ts', ROOT))].filter((file) => !ANYWHERE.has(file));
  const foreign = files.filter(
    (file) =>
      !/^src\/(?:index\.ts$|client\/|cache\/|table\/|domain\/(?:backoff|errors|time)\.ts$|config\/define-config\.ts$)/.test(
        file,
      ),
  );
  expect(foreign).toEqual([]);
  expect(files.length).toBeGreaterThan(20);
  expect(files.every((file) => existsSync(new URL(file, ROOT)))).toBe(true);
  const nodeOnly = files.filter((file) =>
    /\bBuffer\b[.(]|\brequire\(|\bsetImmediate\b/.test(readFileSync(new URL(file, ROOT), 'utf8')),
  );
  expect(nodeOnly).toEqual([]);
});
