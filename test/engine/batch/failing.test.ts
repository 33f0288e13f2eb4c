// What becomes of the chunks of a batch that fails. No lease is ever renewed in this file, so it is the batch's end that tells them.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startTestService, type TestService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

let server: TestService;
beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  server = await startTestService({
    endpoints: { rows: { model: './careful-rows.ts', replicas: { min: 2, max: 2 } } },
  });
});
afterAll(async () => {
  await server.stop();
  vi.useRealTimers();
});

test('a batch that its first failed row ends stops the chunks that run, at once', async () => {
  const runId = await server.submit('rows', [{ fail: 'hang' }, { fail: 'throw' }], {
    batch: { size: 1, on_row_error: 'fail' },
  });
  expect(await server.ended(runId)).toMatchObject({ status: 'failed', error: { type: 'model-error' } });
  const [hanging] = await server.chunks(runId);
  await until('the other chunk was let go of', async () => {
    const { status, attempts } = await server.run(hanging.run_id);
    return status === 'cancelled' && attempts.every(({ stopped_at: at }: { stopped_at: string | null }) => at !== null);
  });
});
