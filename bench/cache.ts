// cache: a table of which nearly everything was computed before, through an InferenceCache that
// knows a million rows; and the same table without it, by the same model.

import { join } from 'node:path';
import { systemClock } from '../src/system/clock.ts';
import { openSqliteCache } from '../src/stores/cache/sqlite.ts';
import type { CachePlace } from '../src/cache/port.ts';
import { keysOf } from '../src/cache/keys.ts';
import { sha256Hex } from '../src/client/environment.ts';
import { cacheFile } from '../src/config/config.ts';
import { connect, type Endpoint, InferenceCache, type InferenceCacheOptions } from '../src/index.ts';
import type { BenchOptions } from './support/options.ts';
import { count, print, ratio } from './support/print.ts';
import { startClaimcheck } from './support/program.ts';
import { median } from './support/statistics.ts';
import { folderFor } from './support/stores.ts';

const ENDPOINT = 'descriptors';
const KEY_COLUMNS = ['smiles'];
/** Of the rows that are asked for, one in so many is new. */
const NEW_ONE_IN = 100;
const ROUNDS = 3;
/** Rows that are written into a store at once. */
const FILL_ROWS = 10_000;
/**
 * Chunks that cost next to nothing: the yardstick is the model and not the overhead of small ones.
 */
const BATCH_SIZE = 1_000;
/**
 * What a place in a long list of molecules is multiplied with, so that neighbours are no neighbours
 * in a store: a prime.
 */
const STEP = 7_919;

const smilesOf = (number: number): string => `CC(C)=CCCC(C)=CC(=O)N${number}`;
const answerTo = (smiles: string): string => {
  const { length } = smiles;
  const made = { atoms: `${length}`, logS: `${-length / 8}`, logP: `${length / 16}`, tpsa: '12.03' };
  return JSON.stringify({ handedOn: true, made, alike: { id: '"0"' }, filled: [] });
};

/** Runs the bench and prints its figures. */
export async function cache({ short }: BenchOptions): Promise<void> {
  const known = short ? 50_000 : 1_000_000;
  const asked = short ? 5_000 : 100_000;
  await using cleanUp = new AsyncDisposableStack();
  const data = await folderFor(cleanUp);
  await fill(cacheFile(data), { tenant: 'default', endpoint: ENDPOINT }, known);
  const model = new URL('./support/descriptors-model.ts', import.meta.url).pathname;
  const endpoints = {
    [ENDPOINT]: { model, mode: 'async', batchSize: BATCH_SIZE, replicas: { min: 1, max: 1 } },
  } as const;
  const { url, kill } = await startClaimcheck({ data, database: null, model: endpoints });
  cleanUp.defer(kill);
  const endpoint = connect({ url }).endpoint(ENDPOINT);
  await endpoint.inference([{ smiles: 'C' }]);
  const file = join(await folderFor(cleanUp), 'answers.sqlite');
  await fill(file, { tenant: url, endpoint: ENDPOINT }, known);
  const without = await secondsFor(() => endpoint.inference(tableOf(0, known, asked)));
  print(`  without a cache, by a model that costs next to nothing: ${count(asked)} rows in ${without.toFixed(2)} s`);
  await ask('on the server', endpoint, 'server', { known, asked, without });
  await ask('in a file', endpoint, { file }, { known, asked, without });
}

interface Numbers {
  readonly known: number;
  readonly asked: number;
  /** Seconds that the endpoint takes for as many rows. */
  readonly without: number;
}

async function ask(
  where: string,
  endpoint: Endpoint,
  store: InferenceCacheOptions['store'],
  { known, asked, without }: Numbers,
): Promise<void> {
  const cached = new InferenceCache(endpoint, { keyColumns: KEY_COLUMNS, store });
  const before = await cached.info();
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const table = tableOf(round, known, asked);
    rounds.push(
      await secondsFor(async () => {
        const rows = await cached.inference(table);
        const isWrong = rows.some(
          ({ smiles, atoms }, at) => smiles !== table[at]!.smiles || atoms !== table[at]!.smiles.length,
        );
        if (rows.length !== asked || isWrong) throw new Error('The table that came back is another.');
      }),
    );
  }
  const { misses, rows } = await cached.info();
  await cached.close();
  if (misses - before.misses !== (ROUNDS * asked) / NEW_ONE_IN)
    throw new Error('Other rows were computed than the new ones.');
  const took = rounds.map((seconds) => seconds.toFixed(2)).join(', ');
  print(
    `cache ${where}: ${count(asked)} rows of ${count(known)} known, 1 % new, in ${median(rounds).toFixed(2)} s (${took}); ${ratio(without / median(rounds))} of that model’s pace without; ${count(rows)} rows kept`,
  );
}

/** Rows that are known but for one in a hundred, all over the store; every round has other ones. */
const tableOf = (round: number, known: number, asked: number): { smiles: string; id: string }[] =>
  Array.from({ length: asked }, (_, at) => {
    const isNew = at % NEW_ONE_IN === 0;
    const number = isNew ? known + round * asked + at : ((round * asked + at) * STEP) % known;
    return { smiles: smilesOf(number), id: String(at).padStart(8, '0') };
  });

async function secondsFor(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1_000;
}

async function fill(file: string, place: CachePlace, rows: number): Promise<void> {
  const store = openSqliteCache(file, systemClock);
  for (let from = 0; from < rows; from += FILL_ROWS) {
    const table = Array.from({ length: Math.min(FILL_ROWS, rows - from) }, (_, at) => ({
      smiles: smilesOf(from + at),
    }));
    const keys = await keysOf(
      table.map(({ smiles }) => new Map([['smiles', JSON.stringify(smiles)]])),
      KEY_COLUMNS,
      sha256Hex,
    );
    const entries = keys.map((key, at) => ({ key, answer: answerTo(table[at]!.smiles) }));
    await store.keep(place, { version: 1, caller: 'bench', entries });
  }
  await store.close();
}
