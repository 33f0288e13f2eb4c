// The machine's clock is set under load: nothing waits, nothing is lost, nothing is made twice. And
// a server that stands still for longer than its leases goes on with what it had.

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { days, type Duration, hours, inSeconds, milliseconds, seconds } from '../../src/domain/time.ts';
import { openEvents } from '../support/events.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { send } from '../support/http.ts';
import { startServerProcess } from '../support/server-process.ts';
import { FIXTURES, serviceForTest } from '../support/service.ts';
import { SettableClock } from '../support/settable-clock.ts';
import { until } from '../support/until.ts';

/** Longer than a lease. */
const STILL = seconds(36);

// With CLAIMCHECK_TEST_LEDGER=postgres the same on Postgres.
describe.each([days(-1), hours(-1), hours(1), days(1)])('a clock that is set by %i ms', (by: Duration) => {
  test('makes nothing wait, and loses or repeats nothing: calls, batches, retries, followers, idempotency keys', async () => {
    const clock = new SettableClock();
    const gates = new Gates(await folderForTest());
    const server = await serviceForTest({
      clock,
      limits: { keepAlive: milliseconds(100) },
      endpoints: {
        jobs: {
          model: './anything.ts',
          mode: 'async',
          retry: { maxAttempts: 3, on: ['model-error', 'replica-crashed'] },
          replicas: { max: 1, concurrency: 8 },
        },
        rows: { model: './careful-rows.ts', mode: 'async', batchSize: 2, replicas: { max: 1 } },
      },
    });
    const gate = gates.path('open');
    const table = ['id,gate', ...Array.from({ length: 20 }, (_, id) => `${id},${id === 3 ? gate : ''}`)].join('\n');
    const batch = (await server.postRaw('/endpoints/rows/invoke', 'text/csv', table)).json.run_id as string;
    const calls = await Promise.all(
      Array.from({ length: 20 }, () => server.submit('jobs', { do: 'say', value: 1, path: gate })),
    );
    await server.inStatus(calls[0]!, 'running');
    const keyed = (): Promise<string> =>
      server
        .post('/endpoints/jobs/invoke', { input: { do: 'say', value: 2 }, async: true }, { 'idempotency-key': 'once' })
        .then(({ json }) => json.run_id as string);
    const first = await keyed();
    const followed = await openEvents(server.url, `/runs/${calls[0]}/events`);

    clock.set(by);
    const silences = followed.comments.length;
    await until('the follower hears that it is followed', () => followed.comments.length > silences);
    expect(await keyed()).toBe(first);
    const later = await server.submit('jobs', { do: 'say', value: 3 });
    gates.open('open');
    const runs = await Promise.all([batch, ...calls, first, later].map((id) => server.ended(id)));
    for (const run of runs) {
      expect({ status: run.status as string, attempts: run.attempts.length as number }).toEqual({
        status: 'succeeded',
        attempts: 1,
      });
    }
    const chunks = await Promise.all((await server.chunks(batch)).map(({ run_id: id }) => server.run(id as string)));
    expect(chunks.map(({ attempts }) => attempts.length as number)).toEqual(Array.from({ length: 10 }, () => 1));
    await until('the follower is told of the end', () => followed.events.some(({ event }) => event === 'end'));
    // A model that fails is asked again after its pause, and not an hour later.
    const failing = await server.submit('jobs', { do: 'throw' });
    clock.set(by);
    expect(await server.ended(failing)).toMatchObject({ status: 'failed', attempts: [{}, {}, {}] });
  });
});

test(`a server that stands still for ${inSeconds(STILL)} s, as on a laptop whose lid was closed, goes on with what it had, and does nothing twice`, async () => {
  const folder = await folderForTest();
  const gates = new Gates(await folderForTest());
  const jobs = { model: join(FIXTURES, 'anything.ts'), mode: 'async', replicas: { max: 1, concurrency: 4 } } as const;
  const server = await startServerProcess(folder, { jobs });
  const gate = gates.path('open');
  const submits = Array.from({ length: 8 }, () => server.submit('jobs', { do: 'say', value: 1, path: gate }));
  const ids = (await Promise.all(submits)).map((answer) => answer!.json.run_id as string);
  const run = async (id: string) => (await send(server.url, 'GET', `/runs/${id}?wait=30`)).json;
  await until(
    'a run is at work',
    async () => (await send(server.url, 'GET', `/runs/${ids[0]}`)).json.status === 'running',
  );
  server.child.kill('SIGSTOP');
  // What is shown is that this time may go by: there is no condition to wait for.
  await new Promise((resolve) => setTimeout(resolve, STILL));
  server.child.kill('SIGCONT');
  await send(server.url, 'GET', '/runs');
  gates.open('open');
  for (const id of ids)
    expect(await run(id)).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'succeeded' }] });
});
