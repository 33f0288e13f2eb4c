import { expect, test, vi } from 'vitest';
import { ANYBODY } from '../../../src/domain/access.ts';
import { engineForTest } from '../../support/engine.ts';
import { until } from '../../support/until.ts';

test('a batch that waits for its turn has it when another has ended, and not with the next sweep', async ({
  onTestFinished: whenDone,
}) => {
  const jobs = { batchSize: 10, replicas: { min: 1, max: 1, concurrency: 1 } };
  const { submit, ended } = await engineForTest(whenDone, { jobs }, 'without-sweeps');
  // Two are at work at a time.
  const batches = await Promise.all(Array.from({ length: 7 }, (_, row) => submit([{ row }])));
  for (const runId of batches) expect((await ended(runId)).run).toMatchObject({ kind: 'batch', status: 'succeeded' });
});

test('a batch that finds its claim lost stops at once, and not with the next renewal', async ({
  onTestFinished: whenDone,
}) => {
  // The renewals that come by themselves never do.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  whenDone(() => void vi.useRealTimers());
  const jobs = { batchSize: 1, replicas: { min: 1, max: 1, concurrency: 1 } };
  const { engine, submit, ledger, holdNext } = await engineForTest(whenDone, { jobs }, 'without-sweeps');
  const chunks = holdNext('chunks');
  const runId = await submit([{ row: 1 }]);
  await until('it is taken up', chunks.isHeld);
  await ledger.cancel(runId);
  chunks.release();
  await until('it has stopped', async () => {
    const [attempt] = (await engine.runs.view(runId, ANYBODY)).attempts;
    return attempt!.stoppedAt !== null;
  });
});
