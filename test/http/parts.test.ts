import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { milliseconds } from '../../src/domain/time.ts';
import { dropDatabase } from '../support/database.ts';
import { type OpenEvents, openEvents, type SeenEvent } from '../support/events.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { serviceForTest, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

let server: TestService;
let gates: Gates;
beforeAll(async () => {
  server = await startTestService({
    endpoints: {
      rows: { model: './careful-rows.ts', mode: 'async', batchSize: 2, replicas: { max: 1, concurrency: 4 } },
      calls: { model: './anything.ts', mode: 'async' },
    },
    limits: { keepAlive: milliseconds(50), streams: 2 },
  });
});
afterAll(() => server.stop());
beforeEach(async () => {
  const folder = await newFolder();
  gates = new Gates(folder);
  onTestFinished(() => removeFolder(folder));
});

const submit = (rows: readonly object[], batch: object = {}) =>
  server.submit('rows', rows, { batch: { size: 2, ...batch } });

async function follow(runId: string, headers: Record<string, string> = {}): Promise<OpenEvents> {
  const opened = await openEvents(server.url, `/runs/${runId}/parts`, headers);
  onTestFinished(() => opened.close());
  return opened;
}

/**
 * `0-2 succeeded` for each part in the order of rows, from any order in which they came, and
 * `end` where it came.
 */
const partsOf = (events: readonly SeenEvent[]): string[] => {
  const parts = events.filter(({ event }) => event === 'part').map(({ data }) => data);
  const inOrder = parts.toSorted((a, b) => a.rows.from - b.rows.from);
  const texts = inOrder.map(({ rows, status }) => `${rows.from}-${rows.to} ${status}`);
  return events.at(-1)?.event === 'end' ? [...texts, `end ${events.at(-1)!.data.status}`] : texts;
};
const told = (opened: OpenEvents, parts: readonly string[]) =>
  until(`${parts.join()} were told`, () => partsOf(opened.events).join() === parts.join());

describe('the parts of a batch', () => {
  test('come as they end: those of before first, each once, and the end last', async () => {
    const runId = await submit([{ id: 1 }, { id: 2 }, { id: 3, gate: gates.path('open') }, { id: 4 }, { id: 5 }]);
    const early = await follow(runId);
    await told(early, ['0-2 succeeded', '4-5 succeeded']);
    const late = await follow(runId);
    await told(late, ['0-2 succeeded', '4-5 succeeded']);
    gates.open('open');
    for (const opened of [early, late]) {
      expect(await opened.ended).toBe(true);
      expect(partsOf(opened.events)).toEqual(['0-2 succeeded', '2-4 succeeded', '4-5 succeeded', 'end succeeded']);
    }
    expect(early.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no',
    });
    expect(early.events.at(-1)!.data).toMatchObject({ run_id: runId, done: true });
  });

  test('are told once more after the batch has ended, and lead to their outputs', async () => {
    const runId = await submit([{ id: '01' }, { id: '02' }, { id: '03' }]);
    await server.ended(runId);
    const opened = await follow(runId);
    expect(await opened.ended).toBe(true);
    expect(partsOf(opened.events)).toEqual(['0-2 succeeded', '2-3 succeeded', 'end succeeded']);
    const last = opened.events.find(({ data }) => data.rows?.from === 2)!.data;
    expect((await server.get(`/runs/${last.run_id}/output`)).json).toEqual([{ id: '03' }]);
  });

  test('are the halves of a chunk that failed by one of its rows, down to that row', async () => {
    const runId = await submit([{ id: 1 }, { id: 2 }, { id: 3, fail: 'throw' }, { id: 4 }], { size: 4 });
    const opened = await follow(runId);
    expect(await opened.ended).toBe(true);
    expect(partsOf(opened.events)).toEqual(['0-2 succeeded', '2-3 failed', '3-4 succeeded', 'end succeeded']);
    const failed = opened.events.find(({ data }) => data.status === 'failed')!.data;
    expect(failed.error).toMatchObject({ type: 'model-error', detail: expect.stringContaining('Row 3 is bad.') });
  });

  test('have one that is cancelled where the batch goes on without it', async () => {
    const runId = await submit([{ id: 1, gate: gates.path('never') }, { id: 2 }, { id: 3 }]);
    const opened = await follow(runId);
    await told(opened, ['2-3 succeeded']);
    const [chunk] = await server.chunks(runId);
    await server.send('DELETE', `/runs/${chunk.run_id}`);
    expect(await opened.ended).toBe(true);
    expect(partsOf(opened.events)).toEqual(['0-2 cancelled', '2-3 succeeded', 'end succeeded']);
  });

  test('leave out what a cancelled batch has taken with it', async () => {
    const runId = await submit([{ id: 1, gate: gates.path('never') }, { id: 2 }, { id: 3 }]);
    const opened = await follow(runId);
    await told(opened, ['2-3 succeeded']);
    await server.send('DELETE', `/runs/${runId}`);
    expect(await opened.ended).toBe(true);
    expect(partsOf(opened.events)).toEqual(['2-3 succeeded', 'end cancelled']);
  });

  test('of an empty table are none', async () => {
    const { json } = await server.postRaw('/endpoints/rows/invoke?async=true&batch=true', 'text/csv', 'id\n');
    const opened = await follow(json.run_id);
    expect(await opened.ended).toBe(true);
    expect(partsOf(opened.events)).toEqual(['end succeeded']);
  });

  test('are a 410 once one of them is no longer kept', async () => {
    const data = await newFolder();
    onTestFinished(() => removeFolder(data));
    onTestFinished(() => dropDatabase(data));
    const endpoints = { brief: { model: './careful-rows.ts', mode: 'async', retention: '50ms' } } as const;
    const first = await startTestService({ endpoints, data });
    const runId = await first.submit('brief', [{ id: 1 }], { batch: true });
    await first.ended(runId);
    await first.stop();
    // A server collects what it finds within seconds of its start, and then once a minute.
    const second = await serviceForTest({ endpoints, data });
    await until('they are gone', async () => (await second.send('HEAD', `/runs/${runId}/parts`)).status === 410);
    const { json } = await second.get(`/runs/${runId}/parts`);
    expect(json).toMatchObject({ type: expect.stringContaining('output-expired'), run_id: runId });
  });
});

test('a stream on which nothing happens says that it is there', async () => {
  const opened = await follow(await submit([{ id: 1, gate: gates.path('open') }]));
  await until('two comments came', () => opened.comments.length >= 2);
  gates.open('open');
  expect(await opened.ended).toBe(true);
});

test('who has seen the end is told that nothing follows', async () => {
  const runId = await submit([{ id: 1 }]);
  const opened = await follow(runId);
  await opened.ended;
  const again = await server.get(`/runs/${runId}/parts`, { 'last-event-id': opened.events.at(-1)!.id });
  expect(again.status).toBe(204);
});

test('a run that is no batch has none, and says where its output is', async () => {
  const runId = await server.submit('calls', {});
  const { status, json } = await server.get(`/runs/${runId}/parts`);
  expect(status).toBe(422);
  expect(json.detail).toContain(`GET /runs/${runId}/output`);
});

test('streams of parts take places like any other', async () => {
  const runId = await submit([{ id: 1, gate: gates.path('open') }]);
  await Promise.all([follow(runId), follow(runId)]);
  expect(await server.get(`/runs/${runId}/parts`)).toMatchObject({ status: 503 });
  gates.open('open');
  await server.ended(runId);
});

test('a batch links to its parts', async () => {
  const runId = await submit([{ id: 1 }]);
  expect((await server.ended(runId)).links.parts).toBe(`/runs/${runId}/parts`);
});
