// `npm run outages [-- --seconds 1,5,10,15,20,30,60 --kind frozen]`: takes Postgres away from a
// server at work, for as long as each of these, standing still and shut down, and shows that no
// acknowledged run fails.

import { parseArgs } from 'node:util';
import { startStoppablePostgres } from '../support/postgres.ts';
import { type Outage, outageRound } from './outage-round.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1,5,10,15,20,30,60' },
    kind: { type: 'string', default: 'frozen,shut down' },
  },
});

let faults = 0;
const postgres = await startStoppablePostgres();
try {
  for (const kind of values.kind.split(','))
    for (const lasts of values.seconds.split(',').map(Number)) await round(kind as Outage, lasts);
} finally {
  await postgres.stop();
}
process.exitCode = faults === 0 ? 0 : 1;

async function round(kind: Outage, lasts: number): Promise<void> {
  const { acknowledged, refused, lost, untrue } = await outageRound(postgres, kind, lasts);
  process.stdout.write(
    `Postgres ${kind} for ${lasts} s: ${acknowledged} acknowledged, ${refused} refused meanwhile, ${lost.length} lost, ${untrue.length} untrue answers\n`,
  );
  for (const fault of [...lost, ...untrue]) process.stdout.write(`  ${fault}\n`);
  faults += lost.length + untrue.length;
}
