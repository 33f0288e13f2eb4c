import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, InferenceCache } from '../../../src/index.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { commandHere } from '../command-here.ts';

let server: TestService;
beforeAll(async () => {
  server = await startTestService({ endpoints: { rows: { model: './careful-rows.ts', mode: 'async' } } });
});
afterAll(() => server.stop());

const claimcheck = (...args: readonly string[]) => commandHere(server.url, args);

test('what is kept of an endpoint is shown, forgotten, and its room given back', async () => {
  expect((await claimcheck('cache', 'info', 'rows')).stdout).toBe('rows: nobody has asked yet\n');
  const cache = new InferenceCache(connect({ url: server.url }).endpoint('rows'), { keyColumns: ['id'] });
  for (const ids of [[1, 2], [2]]) await cache.inference(ids.map((id) => ({ id })));
  expect((await claimcheck('cache', 'info', 'rows')).stdout).toMatch(
    /^rows: 1 of 3 keys that were asked for were known\nversion 1 +2 rows +\d+ bytes\n$/,
  );
  expect(JSON.parse((await claimcheck('cache', 'info', 'rows', '--json')).stdout)).toMatchObject({ rows: 2, hits: 1 });
  expect(await claimcheck('cache', 'clear', 'rows')).toMatchObject({ code: 0, stdout: 'Forgot 2 rows of rows.\n' });
  expect((await claimcheck('cache', 'compact', 'rows')).stdout).toMatch(/^Gave \d.* back to the disk\.\n$/);
  expect(await claimcheck('cache', 'info', 'nothing')).toMatchObject({
    code: 65,
    stderr: expect.stringContaining('nothing'),
  });
});
