// `node test/faults/power-cut-loop.ts [--cuts N] [--seed N]`: cuts the power at N random moments of
// a recording, and shows that nothing acknowledged is lost. The seed that it prints throws the
// coins again, on a recording that is never quite the same.

import { parseArgs } from 'node:util';
import { coins } from './coins.ts';
import { playCut, recordWork } from './power-cut.ts';

const { values } = parseArgs({
  options: { cuts: { type: 'string', default: '100' }, seed: { type: 'string', default: String(Date.now() % 1e6) } },
});
const { number, coin } = coins(Number(values.seed));
const recording = recordWork(40);
const cuts = Number(values.cuts);

let acknowledged = 0;
let faults = 0;
for (let cut = 0; cut < cuts; cut += 1) {
  // Every other one at the moment that loses most easily: when something has just been
  // acknowledged.
  const said = recording.said[number(recording.said.length)]!.at + 1;
  const at = cut % 2 === 0 ? said : number(recording.length);
  const report = await playCut(recording, at, 'honest', coin);
  acknowledged += report.acknowledged;
  faults += report.lost.length;
  for (const fault of report.lost) process.stdout.write(`cut after ${at} of ${recording.length}: ${fault}\n`);
}
process.stdout.write(`${cuts} power cuts, ${acknowledged} acknowledgements, ${faults} faults (seed ${values.seed})\n`);
process.exitCode = faults === 0 ? 0 : 1;
