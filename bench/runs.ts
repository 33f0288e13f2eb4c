// runs: from submit to the end of a run that does nothing, 64 in flight, against three job queues
// behind the same front.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PostgresServer } from '../test/support/postgres.ts';
import type { BenchOptions } from './support/options.ts';
import { claimcheckAt, runRate, type Target } from './support/load.ts';
import { count, print, ratio } from './support/print.ts';
import { processorTime } from './support/processes.ts';
import { type Program, startClaimcheck, startProgram } from './support/program.ts';
import { median } from './support/statistics.ts';
import { type CleanUp, folderFor, hasRedis, isLedger, postgresFor, redisFor } from './support/stores.ts';

const CONNECTIONS = 64;
/** Many short rounds, so that what else the machine does hits all alike. */
const ROUNDS = 9;
const PEERS_FOLDER = fileURLToPath(new URL('./peers', import.meta.url));

/**
 * `plain` is each library's own calls, one for a request; `tuned` gathers requests into its bulk
 * calls besides, with code of the user's own.
 */
const FORMS = ['plain', 'tuned'] as const;
type Form = (typeof FORMS)[number];
type Store = 'SQLite' | 'Postgres' | 'Redis';

interface Contestant {
  readonly name: string;
  readonly store: Store;
  /** Null for claimcheck, which has one. */
  readonly form: Form | null;
  readonly target: Target;
  readonly pid: number;
  readonly rates: number[];
  /** Microseconds of processor time that a run has taken, its store's own processes not counted. */
  readonly costs: number[];
}

/** Runs the bench and prints its figures. */
export async function runs({ short }: BenchOptions): Promise<void> {
  const [warmUpSeconds, seconds] = short ? [2, 1] : [6, 2];
  await using cleanUp = new AsyncDisposableStack();
  installPeers();
  const contestants = await startAll(cleanUp);
  for (const { target } of contestants) await runRate(target, CONNECTIONS, warmUpSeconds);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const contestant of contestants) await measure(contestant, seconds);
  }
  report(contestants);
}

async function measure({ target, pid, rates, costs }: Contestant, seconds: number): Promise<void> {
  const before = processorTime(pid);
  const rate = await runRate(target, CONNECTIONS, seconds);
  rates.push(rate);
  costs.push((processorTime(pid) - before) / (rate * seconds));
}

function report(contestants: readonly Contestant[]): void {
  for (const { name, store, rates, costs } of contestants)
    print(`  ${name} on ${store}: ${count(median(rates))} runs/s, ${count(median(costs))} µs of processor time a run`);
  for (const ours of contestants.filter(({ form }) => form === null)) {
    const ratios = FORMS.flatMap((form) => {
      const peers = contestants.filter(
        (peer) => peer.form === form && (ours.store === 'SQLite' || peer.store === ours.store),
      );
      const best = peers.toSorted((a, b) => median(b.rates) - median(a.rates))[0]!;
      return `${ratio(median(ours.rates.map((rate, round) => rate / best.rates[round]!)))} of ${best.name}`;
    });
    const field = ours.store === 'SQLite' ? 'of all peers' : 'of the peers on Postgres';
    print(
      `runs: claimcheck on ${ours.store} does ${ratios.join(' and ')}, the best ${field} in either form (medians of ${ROUNDS}), ${CONNECTIONS} in flight`,
    );
  }
}

/** The peers are a package of their own: only this bench installs them. */
function installPeers(): void {
  if (existsSync(`${PEERS_FOLDER}/node_modules`)) return;
  print('  installing the peers: npm ci --prefix bench/peers');
  const { status } = spawnSync('npm', ['ci', '--prefix', PEERS_FOLDER], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error('The peers could not be installed; npm said why.');
}

async function startAll(cleanUp: CleanUp): Promise<Contestant[]> {
  const postgres = await postgresFor(cleanUp);
  const contestants = [await ours(cleanUp, null), await oursOnPostgres(cleanUp, postgres)];
  for (const form of FORMS) {
    contestants.push(await bullmq(cleanUp, form));
    contestants.push(await peer(cleanUp, 'pg-boss', 'Postgres', form, await postgres.newDatabase()));
    contestants.push(await peer(cleanUp, 'graphile-worker', 'Postgres', form, await postgres.newDatabase()));
  }
  return contestants.filter((contestant) => contestant !== null);
}

async function ours(cleanUp: CleanUp, database: string | null): Promise<Contestant> {
  const data = await folderFor(cleanUp);
  const program = adopt(cleanUp, await startClaimcheck({ data, database, model: 'noop' }));
  const store = database === null ? 'SQLite' : 'Postgres';
  return contestant('claimcheck', store, null, program, claimcheckAt(program.url));
}

async function oursOnPostgres(cleanUp: CleanUp, postgres: PostgresServer): Promise<Contestant | null> {
  const database = await postgres.newDatabase();
  const started = await ours(cleanUp, database);
  if (await isLedger(database)) return started;
  print('  claimcheck on Postgres is skipped: its server keeps runs in SQLite alone.');
  return null;
}

async function bullmq(cleanUp: CleanUp, form: Form): Promise<Contestant | null> {
  if (hasRedis()) return peer(cleanUp, 'bullmq', 'Redis', form, `${await redisFor(cleanUp)}`);
  if (form === 'plain')
    print('  BullMQ is skipped: there is no redis-server on the PATH (Debian: apt-get install redis-server).');
  return null;
}

async function peer(cleanUp: CleanUp, name: string, store: Store, form: Form, place: string): Promise<Contestant> {
  const program = adopt(cleanUp, await startProgram(`peers/${name}.mjs`, form, place));
  return contestant(`${name} (${form})`, store, form, program, { url: program.url, submitPath: '/runs' });
}

const contestant = (name: string, store: Store, form: Form | null, { pid }: Program, target: Target): Contestant => ({
  name,
  store,
  form,
  target,
  pid,
  rates: [],
  costs: [],
});

const adopt = (cleanUp: CleanUp, program: Program): Program =>
  cleanUp.adopt(program, async (running) => void (await running.stop()));
