// `npm run suites -- <folder> [suite] [--all]`: public test suites through a real server, with
// models in TypeScript and in Python that hand on what they are given. An answer is right if it is
// equal to what was sent, by the judges of judge.ts or what the suite expects, or refused in words
// that its sender understands. Anything else is wrong, a 500 and an error of the engine's too, and
// the command fails.
//
// The suites are other projects' data and no part of this repository (docs/decisions/037). Where
// the folder is not there, it says so and ends well.

import { existsSync } from 'node:fs';
import { arrowCases } from './arrow.ts';
import { csvCases, stringCases } from './csv.ts';
import { jsonCases } from './json.ts';
import { parquetCases } from './parquet.ts';
import type { Case, Verdict } from './case.ts';
import { withServer } from './server.ts';

const AT_ONCE = 4;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const [folder = '../shared/suites', ...options] = process.argv.slice(2);
const isVerbose = options.includes('--all');
const only = options.find((option) => !option.startsWith('--'));

if (!existsSync(folder)) {
  say(`There are no suites in ${folder}; docs/decisions/037-public-suites.md says where they come from.`);
} else {
  await withServer(async (ask) => {
    let wrong = 0;
    for (const [suite, cases] of [
      ['json', jsonCases],
      ['csv', csvCases],
      ['strings', stringCases],
      ['arrow', arrowCases],
      ['parquet', parquetCases],
    ] as const) {
      if (only !== undefined && suite !== only) continue;
      wrong += await run(suite, await cases(folder, ask));
    }
    say(wrong === 0 ? 'Nothing is wrong.' : `${wrong} are wrong.`);
    process.exitCode = wrong === 0 ? 0 : 1;
  });
}

async function run(suite: string, cases: readonly Case[]): Promise<number> {
  const counts: Record<Verdict['kind'], number> = { equal: 0, refused: 0, meant: 0, wrong: 0 };
  const waiting = [...cases];
  const told: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const verdict = await next.run();
      counts[verdict.kind] += 1;
      if (verdict.kind === 'wrong' || verdict.kind === 'meant' || (isVerbose && verdict.kind === 'refused'))
        told.push(`  ${verdict.kind}: ${next.name}: ${verdict.why}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const meant = counts.meant === 0 ? '' : `   otherwise on purpose ${counts.meant}`;
  say(`${suite.padEnd(10)}equal ${counts.equal}   refused by name ${counts.refused}${meant}   wrong ${counts.wrong}`);
  for (const line of told.toSorted()) say(line);
  return counts.wrong;
}
