// Holds the imports of src/ against the arrows of ARCHITECTURE.md: `node tools/boundaries.ts
// [folder]`, where folder holds the src/ to look at.

import { createRequire } from 'node:module';
import { cruise, type IConfiguration, type ICruiseResult } from 'dependency-cruiser';

const { forbidden, options } = createRequire(import.meta.url)('../.dependency-cruiser.cjs') as IConfiguration;
const baseDir = process.argv[2] ?? process.cwd();

const { output } = await cruise(['src'], {
  ...options,
  baseDir,
  ruleSet: { forbidden: forbidden ?? [] },
  validate: true,
});
const { violations, totalCruised } = (output as ICruiseResult).summary;

if (totalCruised === 0) throw new Error(`No modules were found in ${baseDir}/src.`);
for (const { rule, from, to, cycle } of violations) {
  const path = cycle === undefined ? to : cycle.map(({ name }) => name).join(' → ');
  process.stdout.write(`${rule.name}: ${from} → ${path}\n`);
}
process.stdout.write(`${totalCruised} modules, ${violations.length} imports against the arrows\n`);
process.exitCode = violations.length === 0 ? 0 : 1;
