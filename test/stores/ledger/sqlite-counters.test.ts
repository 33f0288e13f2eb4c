// The counters that the embedded ledger keeps in memory between commits: the file always has what
// the last commit left of them.

import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { seconds } from '../../../src/domain/time.ts';
import type { Ledger } from '../../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../../src/stores/ledger/sqlite/driver.ts';
import { folderForTest } from '../../support/folder.ts';
import { call, deployment } from './runs.ts';

async function open(folder: string): Promise<Ledger> {
  const ledger = await openSqliteLedger(join(folder, 'runs.db'), systemClock);
  onTestFinished(() => ledger.close());
  return ledger;
}

test('a server that is killed leaves queues and turns as its last answer said', async () => {
  const folder = await folderForTest();
  const ledger = await open(folder);
  await ledger.deploy(deployment({ queueLimit: 3 }));
  await ledger.enqueue([call({ tenant: 'ada' }), call({ tenant: 'ada' }), call({ tenant: 'bob' })]);
  await ledger.claim({
    endpoint: 'echo',
    version: 1,
    lane: 'replica',
    slots: [{ replica: 'r1', coldStart: null }],
    alone: true,
    owner: 'server-a',
    lease: seconds(30),
  });
  // What a kill would leave: the files as they are while nothing is under way.
  const left = await folderForTest();
  await cp(folder, left, { recursive: true });

  const next = await open(left);
  expect(await next.audit()).toEqual([]);
  expect(await next.enqueue([call({ tenant: 'ada' }), call()])).toMatchObject([
    { result: 'enqueued', ahead: 2 },
    { result: 'queue-full', queued: 3 },
  ]);
  expect((await next.runs({ limit: 1 }))[0]!.tenant).toBe('ada');
});

test('a call that fails takes no place from those that were committed with it', async () => {
  const ledger = await open(await folderForTest());
  await ledger.deploy(deployment({ queueLimit: 2 }));
  const [first, stray, second] = await Promise.allSettled([
    ledger.enqueue([call()]),
    ledger.enqueue([call({ endpoint: 'never-deployed' })]),
    ledger.enqueue([call()]),
  ]);
  expect(stray).toMatchObject({ status: 'rejected' });
  expect([first, second]).toMatchObject([{ value: [{ result: 'enqueued' }] }, { value: [{ result: 'enqueued' }] }]);
  expect(await ledger.enqueue([call()])).toEqual([{ result: 'queue-full', queued: 2 }]);
  expect(await ledger.audit()).toEqual([]);
});
