// A server that starts on a long queue which a dead one has left.

import { expect, test } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { ledgerFile } from '../../src/config/config.ts';
import { seconds } from '../../src/domain/time.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { call, deployment, inline } from '../stores/ledger/runs.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { serviceForTest } from '../support/service.ts';
import { until } from '../support/until.ts';

const QUEUED = 20_000;
const SLOTS = 2;

test('starts as many runs as it has slots and no more, those first that the dead server had begun', async () => {
  const data = await folderForTest();
  const gates = new Gates(await folderForTest());
  const input = inline(JSON.stringify({ do: 'say', path: gates.path('gate'), value: 1 }));
  const dead = await openSqliteLedger(ledgerFile(data), systemClock);
  await dead.deploy(deployment({ name: 'jobs', queueLimit: QUEUED }));
  for (let stored = 0; stored < QUEUED; stored += 1_000)
    await dead.enqueue(Array.from({ length: 1_000 }, () => call({ endpoint: 'jobs', input })));
  const begun = await dead.claim({
    endpoint: 'jobs',
    version: 1,
    lane: 'replica',
    slots: [1, 2, 3, 4].map((number) => ({ replica: `r${number}`, coldStart: null })),
    alone: false,
    owner: 'dead',
    lease: seconds(30),
  });
  await dead.close();

  const server = await serviceForTest({
    endpoints: { jobs: { model: './anything.ts', mode: 'async', replicas: { max: SLOTS } } },
    data,
  });
  const running = await until('every slot is taken', async () => {
    const { runs } = (await server.get('/runs?status=running')).json as { runs: { run_id: string }[] };
    return runs.length === SLOTS ? runs : null;
  });
  const ids = begun.map(({ claim }) => claim.runId as string);
  expect(running.filter(({ run_id: id }) => !ids.includes(id))).toEqual([]);
  expect(await server.endpoint('jobs')).toMatchObject({ queued: QUEUED - SLOTS });
});
