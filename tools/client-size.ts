// What the client weighs: `node tools/client-size.ts` bundles the package's entry as a page would,
// in memory, and fails where anything of the server or of Node is in it, or where it has grown over
// its budget. How long Node takes to import it is printed, and never judged.

import { execFileSync } from 'node:child_process';
import { relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { gzipSync } from 'node:zlib';
import { type OutputChunk, rolldown } from 'rolldown';
import manifest from '../package.json' with { type: 'json' };

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const ENTRY = fileURLToPath(new URL('../src/index.ts', import.meta.url));

/**
 * The rooms that the client may be made of. What its files import from elsewhere is a mistake in
 * them.
 */
const ROOMS =
  /^src\/(?:index\.ts$|client\/|cache\/|table\/|wire\/|domain\/(?:backoff|errors|time)\.ts$|config\/define-config\.ts$)/;
/** Libraries that callers who hand in their tables have already. */
const PEERS = Object.keys(manifest.peerDependencies);
/** Packages that run in browsers as well. */
const PACKAGES = /(?:^|\/)node_modules\/(?:eventsource-parser|picocolors|@uwdata\/flechette)\//;

/**
 * Most that the entry may weigh, minified and gzipped, in bytes: what is loaded at once, and what
 * is loaded besides where it is used. Set with a small margin over what it weighed when this was
 * written; raise it with a reason. Raised last for what tables say of separators, columns in order
 * and rows that Arrow cannot hold, where before a value was changed in silence or the whole table
 * refused; and for waiting for servers that come up again; and last for rows that are promises or
 * Maps, and for names that only quotes keep from being values.
 */
const BUDGET = { atOnce: 33_000, later: 35_000 } as const;

/** How often Node imports the client, each time in a process of its own. */
const IMPORTS = 7;

/** What there is of a bundle. */
interface Weight {
  readonly modules: readonly string[];
  readonly minified: number;
  readonly gzipped: number;
}

/** The entry as one bundle, and what it loads when that is needed as others. */
async function weigh(): Promise<{ atOnce: Weight; later: Weight; outside: readonly string[] }> {
  const warnings: string[] = [];
  const bundle = await rolldown({
    input: ENTRY,
    cwd: ROOT,
    platform: 'browser',
    external: PEERS,
    onLog: (_level, log) => void warnings.push(stripVTControlCharacters(log.message).split('\n', 1)[0]!),
  });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  await bundle.close();
  const chunks = output.filter((one) => one.type === 'chunk');
  const first = chunks.find(({ isEntry }) => isEntry)!;
  const atOnce = new Set([first.fileName, ...first.imports]);
  const [now, later] = [true, false].map((isNow) => chunks.filter(({ fileName }) => atOnce.has(fileName) === isNow));
  // What could not be found in a browser is left to be imported there.
  const names = new Set(chunks.map(({ fileName }) => fileName));
  const outside = chunks.flatMap(({ imports, dynamicImports }) => [...imports, ...dynamicImports]);
  return {
    atOnce: weightOf(now!),
    later: weightOf(later!),
    outside: [...outside.filter((name) => !names.has(name) && !PEERS.includes(name)), ...warnings],
  };
}

function weightOf(chunks: readonly OutputChunk[]): Weight {
  const modules = chunks.flatMap(({ moduleIds }) => moduleIds).filter((id) => !id.startsWith('\0'));
  return {
    modules: modules.map((id) => relative(ROOT, id)),
    minified: chunks.reduce((sum, { code }) => sum + Buffer.byteLength(code), 0),
    gzipped: chunks.reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0),
  };
}

/** Milliseconds that Node takes to import the client, the median of several processes. */
function importTime(): number {
  const script = `const from = performance.now(); await import(${JSON.stringify(pathToFileURL(ENTRY).href)}); console.log(performance.now() - from);`;
  const times = Array.from({ length: IMPORTS }, () =>
    Number(execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' })),
  );
  return times.toSorted((a, b) => a - b)[IMPORTS >> 1]!;
}

const kilobytes = (bytes: number): string => `${(bytes / 1_000).toFixed(1)} kB`;
const text = ({ modules, minified, gzipped }: Weight): string =>
  `${kilobytes(gzipped)} gzipped, ${kilobytes(minified)} minified, ${modules.length} modules`;

const { atOnce, later, outside } = await weigh();
const modules = [...atOnce.modules, ...later.modules];
const mistakes = [
  ...outside.map((name) => `No browser has this: ${name}`),
  ...modules.filter((name) => !ROOMS.test(name) && !PACKAGES.test(name)).map((name) => `Not of the client: ${name}`),
  ...(atOnce.modules.some((name) => name.startsWith('src/client/progress/')) ? ['Progress is loaded at once.'] : []),
  ...(atOnce.gzipped > BUDGET.atOnce ? [`Over its budget of ${kilobytes(BUDGET.atOnce)} at once.`] : []),
  ...(later.gzipped > BUDGET.later ? [`Over its budget of ${kilobytes(BUDGET.later)} later.`] : []),
];
process.stdout.write(`The client at once:        ${text(atOnce)}\n`);
process.stdout.write(`and where it is used:      ${text(later)}\n`);
process.stdout.write(`Node imports it in:        ${importTime().toFixed(0)} ms\n`);
for (const mistake of mistakes) process.stderr.write(`${mistake}\n`);
process.exitCode = mistakes.length === 0 ? 0 : 1;
