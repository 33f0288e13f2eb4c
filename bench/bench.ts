// Every published figure, one command each: `npm run bench -- <name>`, or all of them without a
// name; `--short` for about a minute each.

import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { accept } from './accept.ts';
import { backlog } from './backlog.ts';
import { batch } from './batch.ts';
import { cache } from './cache.ts';
import { churn } from './churn.ts';
import { client } from './client.ts';
import { cold } from './cold.ts';
import { envelope } from './envelope.ts';
import { large } from './large.ts';
import { printing } from './printing.ts';
import { runs } from './runs.ts';
import { scale } from './scale.ts';
import type { BenchOptions } from './support/options.ts';
import { starts } from './starts.ts';
import { sync } from './sync.ts';
import { waiters } from './waiters.ts';
import { webhooks } from './webhooks.ts';

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<void>>> = {
  accept,
  runs,
  backlog,
  churn,
  waiters,
  sync,
  cold,
  starts,
  envelope,
  large,
  printing,
  batch,
  client,
  scale,
  cache,
  webhooks,
};

const { values: options, positionals: asked } = parseArgs({
  allowPositionals: true,
  options: { short: { type: 'boolean', default: false } },
});
const unknown = asked.filter((name) => BENCHES[name] === undefined);
if (unknown.length > 0) {
  process.stderr.write(`There is no bench ${unknown.join(', ')}; there are: ${Object.keys(BENCHES).join(', ')}.\n`);
  process.exit(2);
}

const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
process.stdout.write(`${new Date().toISOString().slice(0, 10)}, ${machine}\n`);
for (const name of asked.length > 0 ? asked : Object.keys(BENCHES)) await BENCHES[name]!(options);
