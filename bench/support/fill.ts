// Fills a ledger through its port, in a process of its own: node fill.ts '<FillOptions as JSON>'

import { openLedger, PortRuns } from './port.ts';

/** What a ledger is filled with. */
export interface FillOptions {
  /** Path of an SQLite file, or URL of a Postgres database. */
  readonly place: string;
  readonly endpoint: string;
  readonly runs: number;
  /** Left in the queue, or claimed and finished. */
  readonly state: 'queued' | 'succeeded';
}

/** Runs in one call of the port. */
const GROUP = 1_000;

const { place, endpoint, runs, state } = JSON.parse(process.argv[2]!) as FillOptions;
const ledger = await openLedger(place);
const port = await PortRuns.deploy(ledger, endpoint);
for (let filled = 0; filled < runs; filled += GROUP) {
  await port.enqueue(Math.min(GROUP, runs - filled));
  if (state === 'succeeded') await port.finish(await port.claim(GROUP));
}
await ledger.close();
process.stdout.write('filled\n');
