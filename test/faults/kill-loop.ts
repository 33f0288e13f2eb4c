// `npm run faults [-- --rounds N]`: kills the server with SIGKILL at random moments, and shows that nothing acknowledged is lost.

import { parseArgs } from 'node:util';
import { killRound } from './kill-round.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '20' } } });
const rounds = Number(values.rounds);
/** Long enough for all submits to be answered and part of them to be worked on. */
const LATEST_KILL_MS = 1_500;

let acknowledged = 0;
let faults = 0;
for (let round = 1; round <= rounds; round += 1) {
  const report = await killRound(Math.random() * LATEST_KILL_MS);
  acknowledged += report.acknowledged;
  faults += report.wrong.length + report.leftBehind.length;
  process.stdout.write(
    `round ${round}: killed after ${Math.round(report.killedAfterMs)} ms, ${report.acknowledged} acknowledged, ${report.wrong.length} wrong, ${report.leftBehind.length} replicas left behind\n`,
  );
  for (const fault of report.wrong) process.stdout.write(`  ${fault}\n`);
}
process.stdout.write(`${rounds} kills, ${acknowledged} acknowledged runs, ${faults} faults\n`);
process.exitCode = faults === 0 ? 0 : 1;
