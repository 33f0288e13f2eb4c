import { expect, test } from 'vitest';
import { StorageFull, StorageUnavailable } from '../../src/domain/errors.ts';
import { engineForTest } from '../support/engine.ts';
import { until } from '../support/until.ts';

const ONE = { replicas: { min: 1, max: 1, concurrency: 1 } } as const;
/** Too large for the ledger. */
const LARGE = 'x'.repeat(20_000);

test('a run that was written down although nobody was told has its input', async ({ onTestFinished: whenDone }) => {
  const { submit, ended, loseNext, ledger } = await engineForTest(whenDone, { jobs: ONE });
  loseNext('enqueue', new StorageUnavailable('The test loses the answer.'));
  await expect(submit({ do: 'say', value: LARGE })).rejects.toThrow('The test loses the answer.');
  const [written] = await ledger.runs({ limit: 1 });
  expect((await ended(written!.runId)).run).toMatchObject({ status: 'succeeded', attempt: 1 });
});

test('an input whose run finds no room is not kept', async ({ onTestFinished: whenDone }) => {
  const { submit, failNext, blobs } = await engineForTest(whenDone, { jobs: ONE });
  failNext('enqueue', 1, new StorageFull('The test lets the disk be full.'));
  await expect(submit({ do: 'say', value: LARGE })).rejects.toThrow('The test lets the disk be full.');
  const kept = async (): Promise<number> => (await Array.fromAsync(blobs.store.list())).length;
  await until('it is gone', async () => (await kept()) === 0);
});
