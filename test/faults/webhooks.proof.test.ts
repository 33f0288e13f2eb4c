// Every callback is told of its run's end, though the server dies in between.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { badHookForTest } from '../support/bad-hook.ts';
import { folderForTest } from '../support/folder.ts';
import { send } from '../support/http.ts';
import { startServerProcess } from '../support/server-process.ts';
import { FIXTURES } from '../support/service.ts';
import { until } from '../support/until.ts';

/** Deliveries that a host has at a time. */
const PLACES = 4;

test('a webhook is delivered by the next server where one was killed after the run had ended and before it was told of', async () => {
  const folder = await folderForTest();
  // As many as it takes get no answer, so that the next one is due and waits.
  const hook = await badHookForTest(
    (response, _request, count) => void (count >= PLACES && response.writeHead(200).end()),
  );
  const start = () =>
    startServerProcess(
      folder,
      { jobs: { model: join(FIXTURES, 'anything.ts'), mode: 'async' } },
      {},
      { egress: { allow: ['127.0.0.1'] } },
    );
  const first = await start();
  const submit = async (): Promise<string> => {
    const body = JSON.stringify({ input: {}, callback_url: hook.url });
    const headers = { 'content-type': 'application/json' };
    return (await send(first.url, 'POST', '/endpoints/jobs/invoke', { headers, body })).json.run_id;
  };
  for (let place = 0; place < PLACES; place += 1) {
    await submit();
    await until('it is on its way', () => hook.requests.length === place + 1);
  }
  const runId = await submit();
  const ended = await send(first.url, 'GET', `/runs/${runId}?wait=30`);
  expect(ended.json).toMatchObject({ status: 'succeeded' });
  first.child.kill('SIGKILL');
  await until('the server is dead', () => first.child.signalCode !== null);
  expect(hook.requests).toHaveLength(PLACES);

  const second = await start();
  const [told] = await until('it is told of', async () => {
    const { deliveries } = (await send(second.url, 'GET', `/runs/${runId}/deliveries`)).json;
    return deliveries[0].status === 'delivered' ? deliveries : null;
  });
  expect(told).toMatchObject({ delivery_id: `${runId}_succeeded`, attempts: [{ attempt: 1, status: 200 }] });
  const { headers, body } = hook.requests.find((request) => request.headers['webhook-id'] === told.delivery_id)!;
  expect(headers['webhook-signature']).toMatch(/^v1,/);
  expect(JSON.parse(body)).toMatchObject({ type: 'run.succeeded', data: { run_id: runId, status: 'succeeded' } });
  second.child.kill('SIGTERM');
  await until('the server has stopped', () => second.child.exitCode !== null);
});
