// `npm run demo [-- --keep]`: starts a server in a temporary folder, runs ESOL's 1,128 molecules
// through both endpoints, and prints the results.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Claimcheck, connect, type Row, type RunBody } from 'claimcheck';
import { type ProgressBar, showProgress } from '../../src/client/progress/bars.ts';
import { decodeRows, encodeRows } from '../../src/table/rows.ts';
import { serve, serveCommand } from '../../tools/serve.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const RESULTS = join(HERE, 'results');
/**
 * About how long the 3D part may take, in seconds, once its replicas are ready. All 1,128 molecules
 * take some twenty minutes.
 */
const SECONDS_IN_3D = 30;
/** Molecules whose pace decides how many more are taken. */
const PROBE_ROWS = 12;

/** What a part of the demo has to say about itself. */
interface Part {
  readonly endpoint: string;
  readonly rows: readonly Row[];
  readonly seconds: number;
  readonly coldStart: number;
  readonly runs: readonly RunBody[];
  readonly file: string;
}

const { values: asked } = parseArgs({ options: { keep: { type: 'boolean', default: false } } });
const csv = await readFile(join(HERE, 'data/esol-delaney.csv'));
const molecules = decodeRows(csv, 'csv');
const data = await mkdtemp(join(tmpdir(), 'claimcheck-demo-'));
const server = await serve(serveCommand(join(HERE, 'claimcheck.config.ts'), data), { stderr: 'inherit' });
process.stdout.write(`A server with two endpoints listens on ${server.url}, with its data in a temporary folder.\n`);
// The server hears Ctrl-C too and stops by itself; npm sends it twice, so it is listened to for
// good.
const interrupted = new Promise<'interrupted'>((resolve) => process.on('SIGINT', () => resolve('interrupted')));
try {
  if ((await Promise.race([show(), interrupted])) === 'interrupted') process.exitCode = 130;
  else if (asked.keep) await interrupted;
} finally {
  await server.end('SIGTERM');
  await rm(data, { recursive: true, force: true });
}
process.exit();

async function show(): Promise<void> {
  const client = connect({ url: server.url });
  const twoD = await runTable(client, 'smiles-to-2d', molecules);
  const threeD = await runForAWhile(client, 'smiles-to-3d', spread(molecules));
  print(twoD, threeD);
}

/** One async batch, from the table in the file to a table in a file. */
async function runTable(client: Claimcheck, endpoint: string, rows: readonly Row[]): Promise<Part> {
  const bar = showProgress(endpoint);
  const started = performance.now();
  const { run, output } = await runBatch(client, endpoint, rows, (body) => bar.update(body));
  bar.end('summary');
  const seconds = (performance.now() - started) / 1_000;
  const file = await save(endpoint, output);
  return {
    endpoint,
    rows: decodeRows(output, 'csv'),
    seconds,
    coldStart: await coldStartOf(client, [run]),
    runs: [run],
    file,
  };
}

/** A first batch shows the pace, a second one fills the time that is left. */
async function runForAWhile(client: Claimcheck, endpoint: string, rows: readonly Row[]): Promise<Part> {
  const bar = showProgress(endpoint);
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1_000;
  const probe = await runBatch(client, endpoint, rows.slice(0, PROBE_ROWS), (body) => bar.update(body));
  const more = Math.max(0, Math.floor((PROBE_ROWS / elapsed()) * (SECONDS_IN_3D - elapsed())));
  const rest = rows.slice(PROBE_ROWS, PROBE_ROWS + more);
  const offset = { done: probe.run.progress!.done, failed: probe.run.progress!.failed };
  const next = await runBatch(client, endpoint, rest, (body) => bar.update(shifted(body, offset)));
  bar.end('summary');
  const outputs = [...decodeRows(probe.output, 'csv'), ...decodeRows(next.output, 'csv')];
  const seconds = elapsed();
  const file = await save(endpoint, encodeRows(outputs, 'csv'));
  const runs = [probe.run, next.run];
  return { endpoint, rows: outputs, seconds, coldStart: await coldStartOf(client, runs), runs, file };
}

type Update = Parameters<ProgressBar['update']>[0];

async function runBatch(client: Claimcheck, endpoint: string, rows: readonly Row[], show: (update: Update) => void) {
  const target = client.endpoint(endpoint);
  const table = { bytes: encodeRows(rows, 'csv'), contentType: 'text/csv' };
  const handle = await target.submit(table, { batch: true, runName: 'demo' });
  const run = await handle.wait({
    onProgress: (body) => {
      void target
        .describe()
        .then(({ replicas }) => show({ replicas, waiting: replicas.current === 0 ? 'starting a replica' : null }));
      if (body.progress !== null) show(body.progress);
    },
  });
  const { bytes } = await handle.output();
  return { run, output: bytes };
}

/** Counts what an earlier batch did with what this one says of its rows. */
function shifted(update: Update, offset: { done: number; failed: number }): Update {
  const { done, total, failed = 0, ...rest } = update;
  if (done === undefined) return update;
  return { ...rest, done: done + offset.done, total: (total ?? 0) + offset.done, failed: failed + offset.failed };
}

/** The longest cold start among the chunks of some batches, in seconds. */
async function coldStartOf(client: Claimcheck, runs: readonly RunBody[]): Promise<number> {
  let longest = 0;
  for (const { run_id: parentId } of runs) {
    for await (const { run_id: id } of client.runs({ parentId })) {
      const { attempts } = await client.run(id).status();
      longest = Math.max(longest, ...attempts.map((attempt) => attempt.cold_start_seconds ?? 0));
    }
  }
  return longest;
}

/**
 * Molecules from all over the file, so that a part of them stands for the whole: every 29th, round
 * and round (29 and 1,128 have no common divisor).
 */
function spread(rows: readonly Row[]): Row[] {
  return rows.map((_, index) => rows[(index * 29) % rows.length]!);
}

async function save(endpoint: string, bytes: Uint8Array): Promise<string> {
  await mkdir(RESULTS, { recursive: true });
  const file = join(RESULTS, `esol-${endpoint}.csv`);
  await writeFile(file, bytes);
  return relative(process.cwd(), file);
}

/** The largest difference between a column that a model computed and one that the file has. */
function largestDifference(rows: readonly Row[], computed: string, published: string): number {
  return Math.max(...rows.map((row) => Math.abs(Number(row[computed]) - Number(row[published]))));
}

function print(twoD: Part, threeD: Part): void {
  const weight = largestDifference(twoD.rows, 'amw', 'Molecular Weight');
  const area = largestDifference(twoD.rows, 'tpsa', 'Polar Surface Area');
  const inOrder = twoD.rows.every((row, index) => row['smiles'] === molecules[index]!['smiles']);
  const id = twoD.runs[0]!.run_id;
  const url = asked.keep ? server.url : 'http://127.0.0.1:4242';
  const lines = [
    summary(twoD),
    `              in input order: ${inOrder ? 'yes' : 'NO'}; largest difference from the file's own columns:`,
    `              molecular weight ${weight.toPrecision(2)}, polar surface area ${area.toPrecision(2)}`,
    summary(threeD),
    `              ${threeD.rows.length} of ${molecules.length} molecules, as many as fit in about ${SECONDS_IN_3D} s`,
    '',
    `Results   ${twoD.file}`,
    `          ${threeD.file}`,
    '',
    asked.keep
      ? `The server stays at ${server.url} until Ctrl-C. Look further:`
      : 'Look further, with `npm run demo -- --keep`, or a server of your own:',
    ...(asked.keep ? [] : ['  npm run -s claimcheck -- serve --config examples/molecules/claimcheck.config.ts']),
    `  npm run -s claimcheck -- runs list --url ${url}`,
    ...(asked.keep ? [`  npm run -s claimcheck -- runs show ${id} --url ${url}`] : []),
    `  npm run -s claimcheck -- invoke smiles-to-2d -d '{"smiles": "CCO"}' --url ${url}`,
    `  npm run -s claimcheck -- submit smiles-to-3d examples/molecules/data/esol-delaney.csv --url ${url}`,
    '',
  ];
  process.stdout.write(`\n${lines.join('\n')}`);
}

function summary({ endpoint, rows, seconds, coldStart }: Part): string {
  const failed = rows.filter((row) => row['status'] !== 'ok').length;
  const pace = rows.length / seconds;
  return `${endpoint}  ${rows.length} rows, ${failed} failed, ${seconds.toFixed(1)} s, ${pace.toPrecision(3)} rows/s, cold start ${coldStart.toFixed(2)} s`;
}
