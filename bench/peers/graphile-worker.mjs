// graphile-worker on Postgres: node graphile-worker.mjs <plain|tuned> <postgres url>
// It forgets a job once it is done, and says that it is before that is committed. So the task
// writes its result down itself, as a user does who wants one, and the end is known once that is
// committed.

import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { serve } from './front.mjs';
import { grouped } from './group.mjs';

const [, , form, connectionString] = process.argv;
const pool = new pg.Pool({ connectionString, max: 20 });
// It asks for these by name when it is given a pool.
pool.on('error', (error) => process.stderr.write(`graphile-worker: ${error.message}\n`));
pool.on('connect', (client) => client.on('error', () => {}));
const preset = {
  worker: {
    concurrentJobs: 64,
    maxPoolSize: 20,
    localQueue: { size: 128 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
    logger: new Logger(() => () => {}),
  },
};

const utils = await makeWorkerUtils({ pgPool: pool, preset });
await utils.migrate();
await pool.query('CREATE TABLE IF NOT EXISTS results (run_id UUID PRIMARY KEY, output JSONB NOT NULL)');

const keepAll = (results) =>
  pool.query({
    name: 'keep',
    text: 'INSERT INTO results SELECT * FROM jsonb_to_recordset($1) AS r (run_id uuid, output jsonb)',
    values: [JSON.stringify(results)],
  });
const { add, keep } = {
  plain: { add: ({ identifier, payload }) => utils.addJob(identifier, payload), keep: (result) => keepAll([result]) },
  tuned: { add: grouped((jobs) => utils.addJobs(jobs), 2), keep: grouped(keepAll, 2) },
}[form];

const ended = await serve({
  submit: (id, input) => add({ identifier: 'noop', payload: { run_id: id, input } }),
  async lookUp(id) {
    const { rows } = await pool.query('SELECT output FROM results WHERE run_id = $1', [id]);
    return rows[0]?.output;
  },
});

await run({
  pgPool: pool,
  preset,
  noHandleSignals: true,
  taskList: {
    async noop({ run_id, input }) {
      await keep({ run_id, output: input });
      ended(run_id, input);
    },
  },
});
