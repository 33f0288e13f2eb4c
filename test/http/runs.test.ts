import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newRunId } from '../../src/system/clock.ts';
import { Gates } from '../support/gate.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

let server: TestService;
let folder: string;
let gates: Gates;
let gate = 0;

beforeAll(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
  server = await startTestService({
    endpoints: {
      jobs: { model: './anything.ts', mode: 'async' },
      rows: { model: './echo.ts', mode: 'async', batchSize: 1 },
    },
  });
});
afterAll(async () => {
  await server.stop();
  await removeFolder(folder);
});
beforeEach(() => {
  gate += 1;
});

const myGate = (): string => gates.path(String(gate));
const openGate = (): void => gates.open(String(gate));
/** A run that waits for the gate, and one that waits behind it. */
const heldAndQueued = async (): Promise<readonly [string, string]> => {
  const held = await server.submit('jobs', { do: 'say', value: 'held', path: myGate() });
  await server.inStatus(held, 'running');
  return [held, await server.submit('jobs', { do: 'say', value: 'queued' })];
};

describe('GET /runs/{id}', () => {
  test('shows a run that waits and one that is running, with a hint when to ask again', async () => {
    const [held, queued] = await heldAndQueued();
    const running = await server.get(`/runs/${held}`);
    expect(running.status).toBe(200);
    expect(running.headers).toMatchObject({ 'retry-after': '1', 'cache-control': 'no-store' });
    expect(running.json).toMatchObject({ status: 'running', done: false, queue: null, waiting_on: null });
    expect(running.json.attempts).toMatchObject([{ attempt: 1, outcome: null, finished_at: null, stopped_at: null }]);
    expect((await server.get(`/runs/${queued}`)).json).toMatchObject({
      status: 'queued',
      queue: { ahead: 0 },
      waiting_on: 'capacity',
      attempts: [],
    });
    openGate();
    const ended = await server.ended(held);
    expect(ended).toMatchObject({ status: 'succeeded', done: true, outputs: 'held' });
    expect((await server.get(`/runs/${held}`)).headers).not.toHaveProperty('retry-after');
  });

  test('waits for the end where it is asked to', async () => {
    const [held, queued] = await heldAndQueued();
    const waiting = server.get(`/runs/${queued}?wait=30`);
    openGate();
    const answer = await waiting;
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ run_id: queued, status: 'succeeded', outputs: 'queued' });
    await server.ended(held);
  });

  test('answers with the run as it stands when the wait is over', async () => {
    const [held, queued] = await heldAndQueued();
    expect((await server.get(`/runs/${held}?wait=0.02`)).json).toMatchObject({ status: 'running' });
    expect((await server.get(`/runs/${held}?wait=0`)).json).toMatchObject({ status: 'running' });
    openGate();
    await server.ended(queued);
  });

  test('does not wait for a run that has ended', async () => {
    const runId = await server.submit('jobs', 1);
    await server.ended(runId);
    expect((await server.get(`/runs/${runId}?wait=60`)).json).toMatchObject({ status: 'succeeded' });
  });

  test('tells everybody who waits', async () => {
    const [held] = await heldAndQueued();
    const waiting = Array.from({ length: 20 }, () => server.get(`/runs/${held}?wait=60`));
    openGate();
    for (const answer of await Promise.all(waiting)) expect(answer.json).toMatchObject({ status: 'succeeded' });
  });

  test.each(['', '/output'])('of an id that names no run is a 404%s', async (tail) => {
    const answer = await server.get(`/runs/${newRunId()}${tail}`);
    expect(answer.status).toBe(404);
    expect(answer.json.type).toBe('https://claimcheck.dev/problems/run-not-found');
  });

  test('shows an output inside the run up to 256 KiB, and says where a larger one is', async () => {
    const text = (length: number) => ({ do: 'say', value: 'x'.repeat(length - 2) });
    const [fits, larger] = await Promise.all(
      [256 * 1_024, 256 * 1_024 + 1].map(async (length) => server.ended(await server.submit('jobs', text(length)))),
    );
    expect(fits.outputs).toHaveLength(256 * 1_024 - 2);
    expect(larger).toMatchObject({ outputs: null, output: { bytes: 256 * 1_024 + 1 } });
    const output = await server.get(larger.output.href);
    expect(output.bytes).toHaveLength(256 * 1_024 + 1);
  });
});

describe('GET /runs/{id}/output', () => {
  test('is 202 with the run while it waits and while it runs', async () => {
    const [held, queued] = await heldAndQueued();
    for (const [runId, status] of [
      [held, 'running'],
      [queued, 'queued'],
    ] as const) {
      const answer = await server.get(`/runs/${runId}/output`);
      expect(answer.status).toBe(202);
      expect(answer.json).toMatchObject({ run_id: runId, status });
      expect(answer.headers).toMatchObject({ location: `/runs/${runId}`, 'retry-after': '1' });
    }
    openGate();
    await server.ended(queued);
  });

  test('is the bytes of a succeeded run, as an attachment that no browser runs', async () => {
    const runId = await server.submit('jobs', { do: 'say', value: { html: '<script>' } });
    await server.ended(runId);
    const answer = await server.get(`/runs/${runId}/output`);
    expect(answer.status).toBe(200);
    expect(answer.text).toBe('{"html":"<script>"}');
    expect(answer.headers).toMatchObject({
      'content-type': expect.stringContaining('application/json') as string,
      'content-disposition': `attachment; filename="${runId}.json"`,
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
    });
  });

  test('is 424 for a failed run, with why', async () => {
    const runId = await server.submit('jobs', { do: 'throw' });
    await server.ended(runId);
    const answer = await server.get(`/runs/${runId}/output`);
    expect(answer.status).toBe(424);
    expect(answer.json).toMatchObject({
      type: 'https://claimcheck.dev/problems/model-error',
      detail: 'The model does not like this.',
      run_id: runId,
    });
  });

  test('is 409 for a cancelled run', async () => {
    const [held, queued] = await heldAndQueued();
    await server.send('DELETE', `/runs/${queued}`);
    const answer = await server.get(`/runs/${queued}/output`);
    expect(answer.status).toBe(409);
    expect(answer.json.type).toContain('/run-cancelled');
    openGate();
    await server.ended(held);
  });
});

describe.each([
  ['DELETE', ''],
  ['POST', '/cancel'],
])('%s /runs/{id}%s', (method, tail) => {
  const cancel = (runId: string) => server.send(method, `/runs/${runId}${tail}`);

  test('cancels a queued run at once, and it never starts', async () => {
    const [held] = await heldAndQueued();
    const log = `${myGate()}.log`;
    const queued = await server.submit('jobs', { log });
    const answer = await cancel(queued);
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ run_id: queued, status: 'cancelled', done: true, attempts: [], error: null });
    openGate();
    await server.ended(held);
    // What came after it in the queue was started, and it was not.
    const later = await server.ended(await server.submit('jobs', 1));
    expect(later.status).toBe('succeeded');
    expect(await server.run(queued)).toMatchObject({ status: 'cancelled', attempts: [] });
  });

  test('cancels a running run at once; the attempt says later when its replica stopped', async () => {
    const runId = await server.submit('jobs', { do: 'hang' });
    await server.inStatus(runId, 'running');
    const answer = await cancel(runId);
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ status: 'cancelled', done: true, attempts: [{ outcome: 'cancelled' }] });
    const stopped = await until('the replica has stopped', async () => {
      const run = await server.run(runId);
      return run.attempts[0].stopped_at === null ? null : run;
    });
    expect(stopped).toMatchObject({ status: 'cancelled', outputs: null });
    expect(Date.parse(stopped.attempts[0].stopped_at)).toBeGreaterThanOrEqual(Date.parse(stopped.finished_at));
  });

  test('of a run that was cancelled already is a 200 again', async () => {
    const runId = await server.submit('jobs', { do: 'hang' });
    const first = await cancel(runId);
    const again = await cancel(runId);
    expect(again.status).toBe(200);
    expect(again.json).toMatchObject({ status: 'cancelled', finished_at: first.json.finished_at });
  });

  test('of a run that has ended otherwise is a 409 with the run as it stands', async () => {
    for (const [wish, status] of [
      [{ do: 'say', value: 1 }, 'succeeded'],
      [{ do: 'throw' }, 'failed'],
    ] as const) {
      const runId = await server.submit('jobs', wish);
      await server.ended(runId);
      const answer = await cancel(runId);
      expect(answer.status).toBe(409);
      expect(answer.json).toMatchObject({
        type: 'https://claimcheck.dev/problems/run-ended',
        run_id: runId,
        run: { run_id: runId, status },
      });
      expect(await server.run(runId)).toMatchObject({ status });
    }
  });

  test('of an unknown run is a 404', async () => {
    expect((await cancel(newRunId())).status).toBe(404);
  });

  test('of a batch ends its chunks with it', async () => {
    const { json } = await server.postRaw('/endpoints/rows/invoke', 'text/csv', 'id,fail\n1,hang\n2,hang\n3,hang\n');
    await until('a chunk is running', async () =>
      (await server.chunks(json.run_id)).some(({ status }) => status === 'running'),
    );
    expect((await cancel(json.run_id)).json).toMatchObject({ status: 'cancelled' });
    const chunks = await server.chunks(json.run_id);
    expect(chunks.length).toBeGreaterThan(0);
    expect(chunks.every(({ status }) => status === 'cancelled')).toBe(true);
  });
});

test('a run and its cancel that come at the same time agree on how it ended', async () => {
  const runs = await Promise.all(Array.from({ length: 40 }, (_, value) => server.submit('jobs', { do: 'say', value })));
  const answers = await Promise.all(runs.map((runId) => server.send('DELETE', `/runs/${runId}`)));
  for (const [place, runId] of runs.entries()) {
    const { status } = await server.ended(runId);
    expect(status).toBe(answers[place]!.status === 200 ? 'cancelled' : 'succeeded');
  }
});

describe('GET /runs', () => {
  const name = () => `list ${gate}`;
  const list = async (query: string) =>
    (await server.get(`/runs?${query}`)).json as { runs: Record<string, unknown>[]; next_cursor: string | null };
  const ids = (page: { runs: Record<string, unknown>[] }) => page.runs.map(({ run_id }) => run_id);

  test('lists runs newest first, page by page, each of them once although more keep coming', async () => {
    const submitted: string[] = [];
    for (let count = 0; count < 7; count += 1) submitted.push(await server.submit('jobs', 1, { run_name: name() }));
    const query = `run_name=${encodeURIComponent(name())}&limit=3`;
    const first = await list(query);
    await server.submit('jobs', 1, { run_name: name() });
    const second = await list(`${query}&cursor=${first.next_cursor}`);
    const third = await list(`${query}&cursor=${second.next_cursor}`);
    expect([first, second, third].flatMap(ids)).toEqual(submitted.toReversed());
    expect(third.next_cursor).toBeNull();
  });

  test('says that there is no next page where the last one is just full', async () => {
    for (let count = 0; count < 3; count += 1) await server.submit('jobs', 1, { run_name: name() });
    const page = await list(`run_name=${encodeURIComponent(name())}&limit=3`);
    expect(page.runs).toHaveLength(3);
    expect(page.next_cursor).toBeNull();
  });

  test('shows lines: a run without its attempts and outputs', async () => {
    const runId = await server.submit('jobs', 1, { run_name: name() });
    const ended = await server.ended(runId);
    const { attempts: _, outputs: __, queue: ___, waiting_on: ____, ...line } = ended;
    expect((await list(`run_name=${encodeURIComponent(name())}`)).runs).toEqual([line]);
  });

  test('filters by endpoint, status and time', async () => {
    const good = await server.submit('jobs', 1, { run_name: name() });
    const bad = await server.submit('jobs', { do: 'throw' }, { run_name: name() });
    const rows = await server.submit('rows', { id: '1' }, { run_name: name() });
    const runs = await Promise.all([good, bad, rows].map((runId) => server.ended(runId)));
    const mine = `run_name=${encodeURIComponent(name())}`;
    expect(ids(await list(`${mine}&endpoint=rows`))).toEqual([rows]);
    expect(ids(await list(`${mine}&status=failed`))).toEqual([bad]);
    expect(ids(await list(`${mine}&status=succeeded&endpoint=jobs`))).toEqual([good]);
    expect(ids(await list(`${mine}&status=cancelled`))).toEqual([]);
    expect(ids(await list(`${mine}&endpoint=no-such-endpoint`))).toEqual([]);
    expect(ids(await list(`${mine}&created_before=${runs[0].created_at}`))).toEqual([]);
    expect(ids(await list(`${mine}&created_after=2020-01-01T00:00:00Z`))).toEqual([rows, bad, good]);
    expect(ids(await list(`${mine}&created_after=2126-01-01T00:00:00%2B01:00`))).toEqual([]);
  });

  test('lists the chunks of a batch only where it is asked for them', async () => {
    const { json } = await server.postRaw(
      `/endpoints/rows/invoke?run_name=${encodeURIComponent(name())}`,
      'text/csv',
      'id\n1\n2\n',
    );
    const batch = await server.ended(json.run_id);
    expect(ids(await list(`run_name=${encodeURIComponent(name())}`))).toEqual([json.run_id]);
    const { runs } = (await server.get(batch.links.children)).json;
    expect(runs).toMatchObject([
      { parent_id: json.run_id, rows: { from: 1, to: 2 }, status: 'succeeded' },
      { parent_id: json.run_id, rows: { from: 0, to: 1 }, status: 'succeeded' },
    ]);
  });

  test('of a server answers 50 where no limit is given, and a cursor for the rest', async () => {
    await Promise.all(Array.from({ length: 51 }, () => server.submit('jobs', 1)));
    const page = await list('');
    expect(page.runs).toHaveLength(50);
    expect(page.next_cursor).not.toBeNull();
  });
});
