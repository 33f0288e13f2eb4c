// `npm run faults [-- --rounds N --database postgres --servers 3]`: kills servers with SIGKILL at
// random moments, and shows that nothing acknowledged is lost.

import { parseArgs } from 'node:util';
import { startPostgres } from '../support/postgres.ts';
import { killRound, type RoundReport } from './kill-round.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    database: { type: 'string', default: 'sqlite' },
    servers: { type: 'string', default: '1' },
  },
});
const rounds = Number(values.rounds);
const servers = Number(values.servers);
const onPostgres = values.database === 'postgres';
if (!onPostgres && (values.database !== 'sqlite' || servers !== 1))
  throw new Error('Say --database postgres, with any number of --servers, or sqlite, which has one.');

/** Long enough for all submits to be answered and part of them to be worked on. */
const LATEST_KILL_MS = 1_500;
/**
 * On Postgres a round waits longest for the leases of the killed to lapse, so there are more kills
 * in one.
 */
const KILLS = onPostgres ? 4 : 1;
/** And so several rounds, each with a database of its own, go on at once. */
const AT_ONCE = onPostgres ? 3 : 1;

const postgres = onPostgres ? await startPostgres() : null;
const total = { rounds: 0, kills: 0, acknowledged: 0, lost: 0, endedTwice: 0, leftBehind: 0, broken: 0 };
let begun = 0;
try {
  await Promise.all(Array.from({ length: AT_ONCE }, goOn));
} finally {
  await postgres?.stop();
}
const { lost, endedTwice, leftBehind, broken } = total;
const faults = lost + endedTwice + leftBehind + broken;
process.stdout.write(
  `${total.rounds} rounds with ${total.kills} kills, ${total.acknowledged} acknowledged runs: ${lost} lost, ${endedTwice} ended twice, ${leftBehind} replicas left behind, ${broken} promises broken\n`,
);
process.exitCode = faults === 0 && total.rounds === rounds ? 0 : 1;

/** One round after the other, until there are enough of them. */
async function goOn(): Promise<void> {
  while (begun < rounds) {
    begun += 1;
    const database = (await postgres?.newDatabase()) ?? null;
    const killsAfterMs = Array.from({ length: KILLS }, () => Math.random() * LATEST_KILL_MS);
    const report = await killRound({ database, servers, killsAfterMs });
    if (database !== null) await postgres!.dropDatabase(database);
    count(report, killsAfterMs);
  }
}

function count(report: RoundReport, killsAfterMs: readonly number[]): void {
  total.rounds += 1;
  total.kills += killsAfterMs.length;
  total.acknowledged += report.acknowledged;
  for (const kind of ['lost', 'endedTwice', 'leftBehind', 'broken'] as const) total[kind] += report[kind].length;
  const moments = killsAfterMs.map((ms) => Math.round(ms)).join(', ');
  process.stdout.write(
    `round ${total.rounds}: killed after ${moments} ms, ${report.acknowledged} acknowledged, ${report.lost.length} lost, ${report.endedTwice.length} ended twice, ${report.leftBehind.length} replicas left behind, ${report.broken.length} promises broken\n`,
  );
  for (const fault of [...report.lost, ...report.endedTwice, ...report.broken]) process.stdout.write(`  ${fault}\n`);
}
