import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startTestService, type TestService } from '../support/service.ts';

let server: TestService;
/** Runs that hold the only replica of their endpoint, so that what comes behind them waits. */
let held: string;

beforeAll(async () => {
  server = await startTestService({
    endpoints: { jobs: { model: './anything.ts', mode: 'async' }, others: { model: './anything.ts', mode: 'async' } },
  });
  held = await server.submit('jobs', { do: 'hang' });
  await server.inStatus(held, 'running');
  await server.inStatus(await server.submit('others', { do: 'hang' }), 'running');
});
afterAll(() => server.stop());
afterEach(async () => {
  await purge();
});

const purge = (query = '') => server.send('DELETE', `/endpoints/jobs/queue${query}`);

describe('DELETE /endpoints/{endpoint}/queue', () => {
  test('cancels what waits and nothing that runs, frees the places, and tells those who wait for a run', async () => {
    const waiting = [await server.submit('jobs', 1), await server.submit('jobs', 2)];
    const told = Promise.all(waiting.map((runId) => server.get(`/runs/${runId}?wait=60`)));
    const answer = await purge();
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ cancelled: 2 });
    for (const { json } of await told) expect(json).toMatchObject({ status: 'cancelled', done: true });
    expect(await server.endpoint('jobs')).toMatchObject({ queued: 0, running: 1 });
    expect(await server.run(held)).toMatchObject({ status: 'running' });
    expect((await purge()).json).toEqual({ cancelled: 0 });
  });

  test('takes only runs of a name where one is given', async () => {
    const mine = await server.submit('jobs', 1, { run_name: 'mine' });
    const other = await server.submit('jobs', 1, { run_name: 'other' });
    expect((await purge('?run_name=mine')).json).toEqual({ cancelled: 1 });
    expect(await server.run(mine)).toMatchObject({ status: 'cancelled' });
    expect(await server.run(other)).toMatchObject({ status: 'queued' });
  });

  test('takes only runs that are old enough where an age is given', async () => {
    const runId = await server.submit('jobs', 1);
    expect((await purge('?older_than=3600')).json).toEqual({ cancelled: 0 });
    expect((await purge('?older_than=999999999999999')).json).toEqual({ cancelled: 0 });
    expect(await server.run(runId)).toMatchObject({ status: 'queued' });
    await server.get(`/runs/${runId}?wait=0.05`);
    expect((await purge('?older_than=0.01')).json).toEqual({ cancelled: 1 });
    await server.submit('jobs', 1);
    expect((await purge('?older_than=0')).json).toEqual({ cancelled: 1 });
  });

  test('leaves the other endpoints alone', async () => {
    await server.submit('jobs', 1);
    const other = await server.submit('others', 1);
    expect((await purge()).json).toEqual({ cancelled: 1 });
    expect(await server.run(other)).toMatchObject({ status: 'queued' });
  });

  test('says with dry_run how many there are, and changes nothing', async () => {
    const runIds = [await server.submit('jobs', 1, { run_name: 'mine' }), await server.submit('jobs', 1)];
    expect((await purge('?dry_run=true')).json).toEqual({ cancelled: 2, dry_run: true });
    expect((await purge('?dry_run=true&run_name=mine')).json).toEqual({ cancelled: 1, dry_run: true });
    for (const runId of runIds) expect(await server.run(runId)).toMatchObject({ status: 'queued' });
    expect((await purge('?dry_run=false')).json).toEqual({ cancelled: 2 });
  });

  test('is a 404 for an endpoint that is not there', async () => {
    const answer = await server.send('DELETE', '/endpoints/nope/queue');
    expect(answer.json).toMatchObject({ status: 404, type: 'https://claimcheck.dev/problems/endpoint-not-found' });
  });

  test.each([
    ['older_than=-1', 'older_than'],
    ['older_than=10m', 'older_than'],
    ['dry_run=1', 'dry_run'],
    ['older=5', 'older'],
    ['run_name=%00', 'run_name'],
    ['run_name=%ED%A0%80', 'run_name'],
  ])('with a query that it does not understand cancels nothing: %s', async (query, place) => {
    const runId = await server.submit('jobs', 1);
    const answer = await purge(`?${query}`);
    expect(answer.status).toBe(422);
    expect(answer.json.errors).toMatchObject([{ pointer: `query:${place}` }]);
    expect(await server.run(runId)).toMatchObject({ status: 'queued' });
  });
});
