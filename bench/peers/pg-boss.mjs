// pg-boss on Postgres: node pg-boss.mjs <plain|tuned> <postgres url>
// Jobs are fetched and completed by the batch, in loops of our own and not by work(): so the end is
// known once it is committed, and the loops are woken by the submit itself instead of by NOTIFY.

import { PgBoss } from 'pg-boss';
import { serve } from './front.mjs';
import { grouped } from './group.mjs';

const [, , form, connectionString] = process.argv;
const FETCHERS = 2;
const BATCH = 64;

const boss = new PgBoss({ connectionString, max: 16 });
boss.on('error', (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
await boss.start();
await boss.createQueue('noop');

const insert = {
  plain: ({ id, data }) => boss.send('noop', data, { id }),
  tuned: grouped((jobs) => boss.insert('noop', jobs), 2),
}[form];
const sleeping = [];
let submits = 0;
const ended = await serve({
  async submit(id, input) {
    await insert({ id, data: input });
    submits += 1;
    sleeping.pop()?.();
  },
  async lookUp(id) {
    const job = await boss.getJobById('noop', id);
    return job?.state === 'completed' ? job.output : undefined;
  },
});

async function fetcher() {
  for (;;) {
    const seen = submits;
    const jobs = await boss.fetch('noop', { batchSize: BATCH });
    if (jobs.length > 0) await execute(jobs);
    else if (submits === seen) await new Promise((resolve) => sleeping.push(resolve));
  }
}

async function execute(jobs) {
  const outputs = await Promise.all(jobs.map(async (job) => job.data));
  await boss.complete(
    'noop',
    jobs.map(({ id }) => id),
    outputs[0],
  );
  jobs.forEach(({ id }, place) => ended(id, outputs[place]));
}

for (let fetchers = 0; fetchers < FETCHERS; fetchers += 1) void fetcher();
