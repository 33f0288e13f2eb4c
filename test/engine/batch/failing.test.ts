// How the chunks of a batch end that fails. No lease is ever renewed in this file, neither
// now and then nor because that is overdue (time stands still), so it is the batch's end that tells
// them.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ManualClock } from '../../stores/ledger/manual-clock.ts';
import { folderForTest } from '../../support/folder.ts';
import { Gates } from '../../support/gate.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

let server: TestService;
beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  server = await startTestService({
    clock: new ManualClock(),
    // Of a database elsewhere the time is its own.
    database: null,
    endpoints: { rows: { model: './careful-rows.ts', replicas: { min: 2, max: 2 } } },
  });
});
afterAll(async () => {
  await server.stop();
  vi.useRealTimers();
});

test('a batch that its first failed row ends stops the chunks that run, at once', async () => {
  const gates = new Gates(await folderForTest());
  // The second chunk fails once the first is at work.
  const rows = [{ fail: 'hang' }, {}, { gate: gates.path('on') }, { fail: 'throw' }];
  const runId = await server.submit('rows', rows, { batch: { size: 2, on_row_error: 'fail' } });
  const hanging = await until('the first chunk is at work', async () => {
    const [first] = await server.chunks(runId);
    return first?.status === 'running' ? (first.run_id as string) : null;
  });
  gates.open('on');
  expect(await server.ended(runId)).toMatchObject({ status: 'failed', error: { type: 'model-error' } });
  await until('the first chunk was released', async () => {
    const { status, attempts } = await server.run(hanging);
    return status === 'cancelled' && attempts.length === 1 && attempts[0].stopped_at !== null;
  });
});
