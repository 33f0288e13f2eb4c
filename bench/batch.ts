// batch: what a table costs beside its model: molecules against plain loops in as many processes,
// and a million rows that come back as they are.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { tableFromArrays, tableToIPC, utf8 } from '@uwdata/flechette';
import { connect, type Content, type Endpoint } from '../src/index.ts';
import { arrowToLines } from '../src/table/arrow/to-lines.ts';
import { BORDER_TYPES } from '../src/table/format.ts';
import type { BenchOptions } from './support/options.ts';
import { peakMemory } from './support/processes.ts';
import { count, ms, print, ratio } from './support/print.ts';
import { startClaimcheck } from './support/program.ts';
import { median } from './support/statistics.ts';
import { folderFor } from './support/stores.ts';

const MOLECULES = pathOf('../examples/molecules/data/esol-delaney.csv');
const REPLICAS = 2;
/**
 * Rows per chunk: of the molecules six chunks, each of which takes a replica a tenth of a second;
 * of the others some hundred kilobytes.
 */
const MOLECULE_CHUNK = 188;
const ROW_CHUNK = 5_000;

/** Runs the bench and prints its figures. */
export async function batch(options: BenchOptions): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const replicas = { min: REPLICAS, max: REPLICAS };
  const { url, pid, kill } = await startClaimcheck({
    data: await folderFor(cleanUp),
    database: null,
    model: {
      molecules: {
        model: pathOf('../examples/molecules/models/smiles-to-2d.ts'),
        mode: 'async',
        batchSize: MOLECULE_CHUNK,
        replicas,
      },
      echo: { model: pathOf('support/echo-model.ts'), mode: 'async', batchSize: ROW_CHUNK, replicas },
    },
  });
  cleanUp.defer(kill);
  const server = connect({ url });
  await molecules(server.endpoint('molecules'), options, cleanUp);
  const total = options.short ? 200_000 : 1_000_000;
  await rows(server.endpoint('echo'), pid, 'CSV', csvOf(total), total);
  await rows(server.endpoint('echo'), pid, 'Arrow', arrowOf(total), total);
}

async function molecules(endpoint: Endpoint, { short }: BenchOptions, cleanUp: AsyncDisposableStack): Promise<void> {
  const table = { bytes: await readFile(MOLECULES), contentType: 'text/csv' };
  const loops = await Promise.all(Array.from({ length: REPLICAS }, (_, k) => startLoop(k, cleanUp)));
  const plain = (): Promise<unknown> => Promise.all(loops.map((loop) => loop()));
  const served = (): Promise<unknown> => endpoint.inference(table);
  for (const run of [plain, served, plain, served]) await run();
  const rounds: { plain: number; served: number }[] = [];
  for (let round = 0; round < (short ? 5 : 15); round += 1)
    rounds.push({ plain: await timeOf(plain), served: await timeOf(served) });
  const of = (part: 'plain' | 'served'): number => median(rounds.map((round) => round[part]));
  const ratios = median(rounds.map((round) => round.served / round.plain));
  print(
    `batch: 1,128 molecules in ${ms(of('served'))} through ${REPLICAS} replicas, ${ms(of('plain'))} in ${REPLICAS} plain loops: ${ratio(ratios)} (median of ${rounds.length} rounds)`,
  );
}

/** A loop in a process of its own; answers how to run it once. */
async function startLoop(k: number, cleanUp: AsyncDisposableStack): Promise<() => Promise<void>> {
  const argv = [pathOf('support/molecule-loop.ts'), MOLECULES, ...[k, REPLICAS, MOLECULE_CHUNK].map(String)];
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  cleanUp.defer(() => void child.kill());
  const lines = createInterface(child.stdout);
  await once(lines, 'line');
  return async () => {
    child.stdin.write('go\n');
    await once(lines, 'line');
  };
}

async function rows(endpoint: Endpoint, pid: number, format: string, table: Content, total: number): Promise<void> {
  const before = peakMemory(pid);
  const rates: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const startedAt = performance.now();
    const answer = await endpoint.inference(table);
    rates.push(total / ((performance.now() - startedAt) / 1_000));
    if (Buffer.compare(rowsOf(answer), rowsOf(table)) !== 0) throw new Error('Other rows came back.');
  }
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  print(
    `batch: ${count(total)} rows of ${format} (${megabytes(table.bytes.length)}) through an echo model and back, all of them the same, at ${count(median(rates))} rows/s (${rates.map(count).join(', ')}); server at most ${megabytes(peakMemory(pid))}, ${megabytes(before)} before`,
  );
}

function csvOf(total: number): Content {
  const lines = ['id,smiles,name,weight\n'];
  for (let row = 0; row < total; row += 1)
    lines.push(`${row},CC(C)Oc1ccccc1,"compound ${row}, batch 7",${row % 500}.25\n`);
  return { bytes: Buffer.from(lines.join('')), contentType: 'text/csv' };
}

/** The same rows. */
function arrowOf(total: number): Content {
  const ids = Array.from({ length: total }, (_, row) => row);
  const columns = {
    id: ids,
    smiles: ids.map(() => 'CC(C)Oc1ccccc1'),
    name: ids.map((row) => `compound ${row}, batch 7`),
    weight: ids.map((row) => (row % 500) + 0.25),
  };
  // As pyarrow and Polars write texts: without a dictionary.
  const table = tableFromArrays(columns, { types: { smiles: utf8(), name: utf8() } });
  return { bytes: tableToIPC(table, { format: 'stream' })!, contentType: BORDER_TYPES.arrow };
}

/**
 * The bytes that must come back: of Arrow those of its rows as JSON Lines, since the lengths of its
 * buffers may count their padding or not.
 */
const rowsOf = ({ bytes, contentType }: Content): Uint8Array =>
  contentType === BORDER_TYPES.arrow ? arrowToLines(bytes).lines : bytes;

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
