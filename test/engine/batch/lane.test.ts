import { expect, test } from 'vitest';
import { engineForTest } from '../../support/engine.ts';

test('a batch that waits for its turn has it when another has ended, and not with the next sweep', async ({
  onTestFinished: whenDone,
}) => {
  const jobs = { batchSize: 10, replicas: { min: 1, max: 1, concurrency: 1 } };
  const { submit, ended } = await engineForTest(whenDone, { jobs }, 'without-sweeps');
  // Two are at work at a time.
  const batches = await Promise.all(Array.from({ length: 7 }, (_, row) => submit([{ row }])));
  for (const runId of batches) expect((await ended(runId)).run).toMatchObject({ kind: 'batch', status: 'succeeded' });
});
