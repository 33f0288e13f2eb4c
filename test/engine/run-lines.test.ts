import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';
import { send } from '../support/http.ts';
import { startServerProcess } from '../support/server-process.ts';
import { FIXTURES } from '../support/service.ts';
import { until } from '../support/until.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CANARY = 'hunter2';

// oxlint-disable-next-line typescript/no-explicit-any -- a line of the log, for a test to look at
type Line = any;

const linesOf = (stderr: string): Line[] =>
  stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));

test('how a run ended is a line of the log, with everything that finds it again and nothing of what was in it', async () => {
  const server = await startServerProcess(await folderForTest(), { jobs: { model: join(FIXTURES, 'anything.ts') } });
  const invoke = (input: object, options: object = {}) =>
    send(server.url, 'POST', '/invoke', {
      headers: { 'content-type': 'application/json', traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
      body: JSON.stringify({ input, run_name: CANARY, metadata: { key: CANARY }, ...options }),
    });
  await invoke({ do: 'say', value: CANARY });
  await invoke({ do: 'throw', note: CANARY });
  const waiting = await invoke({ do: 'hang', note: CANARY }, { async: true });
  await send(server.url, 'DELETE', `/runs/${waiting.json.run_id as string}`);
  const ends = await until('three ends are in the log', () => {
    const found = linesOf(server.stderr()).filter(({ msg }) => msg === 'run ended');
    return found.length === 3 ? found : null;
  });
  expect(ends).toMatchObject([
    {
      level: 'info',
      endpoint: 'jobs',
      version: 1,
      tenant: 'default',
      attempt: 1,
      status: 'succeeded',
      trace_id: TRACE,
    },
    { level: 'info', status: 'failed', error_type: 'model-error', trace_id: TRACE },
    { level: 'info', status: 'cancelled', run_id: waiting.json.run_id },
  ]);
  expect(ends[0]).toMatchObject({
    wait_seconds: expect.any(Number) as number,
    run_seconds: expect.any(Number) as number,
  });
  expect(ends[0]).not.toHaveProperty('error_type');
  expect(linesOf(server.stderr()).filter(({ msg }) => msg === 'run queued')).toEqual([]);
  expect(server.stderr()).not.toContain(CANARY);
});
