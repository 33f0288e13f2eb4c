// Which chunks keep a batch from its end, and for how long: as somebody sees it who waits.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { type RunningServer, startServer } from '../client/server.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { until } from '../support/until.ts';
import { commandHere } from './command-here.ts';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test('runs show says how many chunks are at work and which is the oldest, and runs list has each of them', async () => {
  const gates = new Gates(await folderForTest());
  const rows = [
    { id: 0 },
    { id: 1 },
    { id: 2, gate: gates.path('open') },
    { id: 3 },
    { id: 4, gate: gates.path('open') },
  ];
  const { id } = await connect({ url: server.url }).endpoint('rows').submit(rows, { batch: true });
  const claimcheck = async (...args: string[]) => (await commandHere(server.url, ['runs', ...args])).stdout;
  const shown = await until('two chunks are at work', async () => {
    const text = await claimcheck('show', id);
    return text.includes('at work    2 chunks') ? text : null;
  });
  expect(shown).toMatch(/^at work +2 chunks, the oldest \(row(?:s 3 to 4| 5), run [-0-9a-f]{36}\) for [\d.]+ s$/m);
  const listed = await claimcheck('list', '--parent', id, '--status', 'running');
  expect(listed).toMatch(/running [\d.]+ s .* rows 3 to 4$/m);
  expect(listed).toMatch(/running [\d.]+ s .* row 5$/m);
  gates.open('open');
  await connect({ url: server.url }).run(id).wait();
  expect(await claimcheck('show', id)).not.toContain('at work');
});
