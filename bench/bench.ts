// Every published figure, one command each: `npm run bench -- <name>`, or all of them without a name.

import { cpus, totalmem } from 'node:os';
import { accept } from './accept.ts';

const BENCHES: Readonly<Record<string, () => Promise<void>>> = { accept };

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => BENCHES[name] === undefined);
if (unknown.length > 0) {
  process.stderr.write(`There is no bench ${unknown.join(', ')}; there are: ${Object.keys(BENCHES).join(', ')}.\n`);
  process.exit(2);
}

const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
process.stdout.write(`${new Date().toISOString().slice(0, 10)}, ${machine}\n`);
for (const name of asked.length > 0 ? asked : Object.keys(BENCHES)) await BENCHES[name]!();
