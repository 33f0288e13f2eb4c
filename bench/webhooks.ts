// webhooks: how fast one receiver is told of a backlog of ended runs, against the same requests
// without a ledger, in turn.

import { join } from 'node:path';
import { systemClock } from '../src/system/clock.ts';
import { hours, seconds } from '../src/domain/time.ts';
import { Egress } from '../src/egress/egress.ts';
import { runLineText } from '../src/http/answer/run-view.ts';
import type { Ledger } from '../src/stores/ledger/ledger.ts';
import { openLog } from '../src/system/log.ts';
import { openSqliteVault } from '../src/stores/vault/sqlite.ts';
import type { Vault } from '../src/stores/vault/vault.ts';
import { Deliverer } from '../src/webhooks/deliverer.ts';
import { call } from '../test/stores/ledger/runs.ts';
import type { BenchOptions } from './support/options.ts';
import { openLedger, PortRuns } from './support/port.ts';
import { count, print, ratio } from './support/print.ts';
import { startProgram } from './support/program.ts';
import { median } from './support/statistics.ts';
import { type CleanUp, folderFor, postgresFor } from './support/stores.ts';

const ROUNDS = 3;
const ENDPOINT = 'noop';
/** Requests at once without a ledger: the most that a receiver has of the deliverer at a time. */
const AT_ONCE = 16;
/** Runs that are enqueued in one call. */
const GROUP = 1_000;
/** About as long as a webhook is. */
const BODY = JSON.stringify({ type: 'run.cancelled', data: 'x'.repeat(900) });
const EGRESS = new Egress({ settings: { httpsOnly: false, allow: ['127.0.0.1'] }, ownPort: () => null });

/** What a backlog is delivered from. */
interface Store {
  readonly ledger: Ledger;
  readonly vault: Vault;
}

/** Runs the bench and prints its figures. */
export async function webhooks({ short }: BenchOptions): Promise<void> {
  const [quick, slow, stuck] = short ? [400, 200, 10_000] : [2_000, 400, 100_000];
  await using cleanUp = new AsyncDisposableStack();
  const receivers = {
    'at once': { url: await receiverFor(cleanUp, '0'), deliveries: quick },
    'after 50 ms': { url: await receiverFor(cleanUp, '50'), deliveries: slow },
  };
  const hanging = await receiverFor(cleanUp, 'never');
  const folder = await folderFor(cleanUp);
  const postgres = await postgresFor(cleanUp);
  const stores = { SQLite: join(folder, 'ledger.sqlite'), Postgres: await postgres.newDatabase() };
  for (const [name, place] of Object.entries(stores)) {
    const store = await openStore(cleanUp, place, join(folder, `${name}.vault`));
    for (const [answers, { url, deliveries }] of Object.entries(receivers))
      report(`${name}, a receiver that answers ${answers}`, await measure(store, url, deliveries));
    await endRuns(store.ledger, hanging, stuck);
    const beside = `${name}, at once, beside one that hangs with ${count(stuck)} waiting`;
    report(beside, await measure(store, receivers['at once'].url, quick));
  }
}

const receiverFor = async (cleanUp: CleanUp, takes: string): Promise<string> => {
  const receiver = await startProgram('support/receiver.ts', takes);
  cleanUp.defer(() => receiver.kill());
  return `${receiver.url}/`;
};

async function openStore(cleanUp: CleanUp, place: string, vaultFile: string): Promise<Store> {
  const ledger = cleanUp.adopt(await openLedger(place), (opened) => opened.close());
  const vault = cleanUp.adopt(await openSqliteVault(vaultFile), (opened) => opened.close());
  await PortRuns.deploy(ledger, ENDPOINT);
  return { ledger, vault };
}

/** Rates of the two sides, and what the deliverer's cost its ledger. */
interface Round {
  readonly plain: number;
  readonly delivered: number;
  readonly commits: number;
}

async function measure(store: Store, url: string, deliveries: number): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const plain = await plainRate(url, deliveries);
    await endRuns(store.ledger, url, deliveries);
    rounds.push({ plain, ...(await deliveredRate(store, deliveries)) });
  }
  return rounds;
}

/** Runs that have ended, and whose ends a receiver is to be told of. */
async function endRuns(ledger: Ledger, url: string, runs: number): Promise<void> {
  const callback = { url, events: ['run.cancelled'] as const };
  for (let done = 0; done < runs; done += GROUP) {
    const some = Array.from({ length: Math.min(GROUP, runs - done) }, () =>
      call({ endpoint: ENDPOINT, callback, queueTtl: hours(1) }),
    );
    await ledger.enqueue(some);
  }
  while ((await ledger.purge({ endpoint: ENDPOINT })).cancelled.length > 0);
}

/** Deliveries per second, and commits for each, until so many have arrived. */
async function deliveredRate({ ledger, vault }: Store, deliveries: number): Promise<Omit<Round, 'plain'>> {
  const { promise: arrived, resolve } = Promise.withResolvers<void>();
  let left = deliveries;
  const deliverer = new Deliverer({
    ledger,
    vault,
    egress: EGRESS,
    describe: (run) => runLineText(run, ''),
    clock: systemClock,
    log: openLog('error'),
    onAttempt: (kind) => {
      // What hangs is given up and put off meanwhile.
      if (kind === 'delivered') left -= 1;
      if (left === 0) resolve();
    },
  });
  const [startedAt, before] = [performance.now(), ledger.stats().commits];
  deliverer.start();
  await arrived;
  const took = performance.now() - startedAt;
  const commits = (ledger.stats().commits - before) / deliveries;
  await deliverer.stop(AbortSignal.abort());
  return { delivered: (deliveries / took) * 1_000, commits };
}

async function plainRate(url: string, requests: number): Promise<number> {
  let left = requests;
  const sender = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await EGRESS.send({
        method: 'POST',
        url,
        headers: { 'content-type': 'application/json' },
        body: BODY,
        bytesMax: 4_096,
        timeout: seconds(20),
        signal: AbortSignal.any([]),
      });
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  return (requests / (performance.now() - startedAt)) * 1_000;
}

function report(what: string, rounds: readonly Round[]): void {
  const middle = (of: (round: Round) => number): number => median(rounds.map(of));
  print(
    `webhooks: ${what}: ${count(middle(({ delivered }) => delivered))}/s, ${ratio(middle(({ delivered, plain }) => delivered / plain))} of ${AT_ONCE} requests at a time without a ledger (${count(middle(({ plain }) => plain))}/s), ${ratio(middle(({ commits }) => commits))} commits a delivery (medians of ${ROUNDS} rounds)`,
  );
}
