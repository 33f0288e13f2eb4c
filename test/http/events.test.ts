import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import type { EndpointFile } from '../../src/config/config-file.ts';
import { milliseconds } from '../../src/domain/time.ts';
import { leaveAtOnce, openEvents, type OpenEvents, namesOf } from '../support/events.ts';
import { folderForTest, newFolder, removeFolder } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { serviceForTest, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

const ENDPOINTS: Readonly<Record<string, EndpointFile>> = {
  model: { model: './reporter.ts', mode: 'async', retry: { maxAttempts: 2, on: ['model-error'] } },
  rows: { model: './echo.ts', mode: 'async', batchSize: 1 },
};

let server: TestService;
let folder: string;
let gates: Gates;
beforeAll(async () => {
  server = await startTestService({ endpoints: ENDPOINTS, limits: { keepAlive: milliseconds(50), streams: 20 } });
});
afterAll(() => server.stop());
beforeEach(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
  onTestFinished(() => removeFolder(folder));
});

/** Follows a run until the test is over. */
async function follow(runId: string, headers: Record<string, string> = {}, query = ''): Promise<OpenEvents> {
  const opened = await openEvents(server.url, `/runs/${runId}/events${query}`, headers);
  onTestFinished(() => opened.close());
  return opened;
}
const heard = (opened: OpenEvents, name: string): Promise<unknown> =>
  until(`${name} is heard`, () => namesOf(opened.events).includes(name));

test('a run is followed while it lives: every status, attempt, line and progress, in order, and its end', async () => {
  const runId = await server.submit('model', [
    { log: ['first', { n: 1 }] },
    { gate: gates.path('one') },
    { progress: [1, 3, 'mixing'] },
    { gate: gates.path('two') },
    { log: ['last'] },
  ]);
  const opened = await follow(runId);
  expect(opened.status).toBe(200);
  expect(opened.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  await heard(opened, 'log first');
  gates.open('one');
  await heard(opened, 'progress 1');
  gates.open('two');
  expect(await opened.ended).toBe(true);
  expect(namesOf(opened.events)).toEqual([
    'status queued',
    'attempt 1 begun',
    'status running',
    'log first',
    'progress 1',
    'log last',
    'attempt 1 succeeded',
    'status succeeded',
    'end',
  ]);
  const of = (name: string) => opened.events[namesOf(opened.events).indexOf(name)]!.data;
  expect(of('status succeeded')).toMatchObject({ run_id: runId, status: 'succeeded', done: true, error: null });
  expect(of('log first')).toMatchObject({ attempt: 1, stream: 'log', message: 'first', fields: { n: 1 } });
  expect(of('progress 1')).toEqual({ done: 1, total: 3, failed: 0, unit: 'steps', message: 'mixing' });
  expect(of('end')).toMatchObject({ run_id: runId, status: 'succeeded', done: true });
  expect(opened.retry).toBe(2_000);
});

test('a run that has ended is told from its beginning, attempt by attempt', async () => {
  const runId = await server.submit('model', [{ log: ['trying'] }, { fail: 'no' }]);
  expect(await server.ended(runId)).toMatchObject({ status: 'failed' });
  const opened = await follow(runId);
  expect(await opened.ended).toBe(true);
  expect(namesOf(opened.events)).toEqual([
    'status queued',
    'attempt 1 begun',
    'status running',
    'log trying',
    'attempt 1 failed',
    'status queued',
    'attempt 2 begun',
    'status running',
    'log trying',
    'attempt 2 failed',
    'status failed',
    'end',
  ]);
  expect(opened.events.at(-2)!.data).toMatchObject({ error: { type: 'model-error', detail: 'no' } });
});

test('after the event that a client saw last, what came after it follows, and nothing else', async () => {
  const runId = await server.submit('model', [{ log: ['a'] }, { log: ['b'] }, { progress: [1] }, { fail: 'no' }]);
  await server.ended(runId);
  const all = await follow(runId);
  await all.ended;
  const withoutProgress = (events: OpenEvents['events']) => events.filter(({ event }) => event !== 'progress');
  for (const [place, { id, event }] of all.events.entries()) {
    if (event === 'end') continue;
    const rest = await follow(runId, { 'last-event-id': id });
    expect(await rest.ended).toBe(true);
    // Progress has no history: the newest is told again.
    expect(withoutProgress(rest.events)).toEqual(withoutProgress(all.events.slice(place + 1)));
    const byQuery = await follow(runId, {}, `?last_event_id=${id}`);
    await byQuery.ended;
    expect(byQuery.events).toEqual(rest.events);
  }
});

test('a client that has seen the end is told that nothing follows', async () => {
  const runId = await server.submit('model', []);
  await server.ended(runId);
  const all = await follow(runId);
  await all.ended;
  const again = await follow(runId, { 'last-event-id': all.events.at(-1)!.id });
  expect(again.status).toBe(204);
});

test.each(['', 'x', '1.2', '-1.0.0', '99999999999.0.0', '1.1.3'])(
  'an id that no event had, like "%s", misses no event',
  async (id) => {
    const runId = await server.submit('model', [{ log: ['a'] }]);
    await server.ended(runId);
    const opened = await follow(runId, { 'last-event-id': id });
    await opened.ended;
    expect(namesOf(opened.events).slice(-4)).toEqual(['log a', 'attempt 1 succeeded', 'status succeeded', 'end']);
  },
);

test('a cancelled run has its last words before its end', async () => {
  const runId = await server.submit('model', [{ log: ['begun'] }, { gate: gates.path('never') }]);
  const opened = await follow(runId);
  await heard(opened, 'log begun');
  await server.send('DELETE', `/runs/${runId}`);
  expect(await opened.ended).toBe(true);
  const names = namesOf(opened.events);
  expect(names.filter((name) => name !== 'log stopped')).toEqual([
    'status queued',
    'attempt 1 begun',
    'status running',
    'log begun',
    'attempt 1 cancelled',
    'status cancelled',
    'end',
  ]);
  expect(names.indexOf('log stopped')).toBeGreaterThan(names.indexOf('log begun'));
  expect(names.at(-1)).toBe('end');
});

test('a run that is cancelled while it waits has an end that no attempt brought', async () => {
  const first = await server.submit('model', [{ gate: gates.path('busy') }]);
  const runId = await server.submit('model', []);
  const opened = await follow(runId);
  await server.send('DELETE', `/runs/${runId}`);
  await opened.ended;
  expect(namesOf(opened.events)).toEqual(['status queued', 'status cancelled', 'end']);
  gates.open('busy');
  await server.ended(first);
});

test('a batch has its progress in rows, and an end', async () => {
  const { json } = await server.postRaw('/endpoints/rows/invoke', 'text/csv', 'id\n1\n2\n3\n');
  const opened = await follow(json.run_id);
  await opened.ended;
  const names = namesOf(opened.events);
  expect(names.filter((name) => !name.startsWith('progress'))).toEqual([
    'status queued',
    'attempt 1 begun',
    'status running',
    'attempt 1 succeeded',
    'status succeeded',
    'end',
  ]);
  expect(opened.events.findLast(({ event }) => event === 'progress')!.data).toMatchObject({
    done: 3,
    total: 3,
    unit: 'rows',
  });
});

test('metadata comes as it was sent, line ends and all', async () => {
  const answer = await server.post(
    '/endpoints/model/invoke',
    '{"async": true, "input": [], "metadata": {\n  "a": 1.50,\r\n\r  "b": "c"\n}}',
  );
  const opened = await follow(answer.json.run_id);
  await opened.ended;
  expect(opened.events.at(-1)).toMatchObject({ event: 'end', data: { metadata: { a: 1.5, b: 'c' } } });
});

const ODD_LINE_ENDS = 'a\u2028b\u2029c\u0085d\ve\ff\u001cg\u001eh\r\ni';

test('what a text holds that some readers take for a line end is not changed', async () => {
  const answer = await server.post('/endpoints/model/invoke', {
    async: true,
    run_name: 'a\u2028b',
    input: [
      { log: [ODD_LINE_ENDS, { [ODD_LINE_ENDS]: ODD_LINE_ENDS }] },
      { progress: [1, 2, ODD_LINE_ENDS] },
      { fail: ODD_LINE_ENDS },
    ],
    metadata: { [ODD_LINE_ENDS]: ODD_LINE_ENDS },
  });
  const runId = answer.json.run_id as string;
  const opened = await follow(runId);
  await opened.ended;
  const dataOf = (name: string) => opened.events.find(({ event }) => event === name)!.data;
  expect(dataOf('log')).toMatchObject({ message: ODD_LINE_ENDS, fields: { [ODD_LINE_ENDS]: ODD_LINE_ENDS } });
  expect(dataOf('end')).toMatchObject({
    run_name: 'a\u2028b',
    metadata: { [ODD_LINE_ENDS]: ODD_LINE_ENDS },
    error: { detail: expect.stringContaining('\u2028b\u2029') as unknown },
  });
  expect((await server.run(runId)).progress).toMatchObject({ message: ODD_LINE_ENDS });
  const run = connect({ url: server.url }).run(runId);
  const heard = await Array.fromAsync(run.events());
  expect(heard.map(({ data }) => data)).toEqual(expect.arrayContaining([dataOf('log'), dataOf('end')]));
  const lines = [{ message: ODD_LINE_ENDS }, { attempt: 2, message: ODD_LINE_ENDS }];
  expect(await run.logs()).toMatchObject(lines);
  expect(await Array.fromAsync(run.followLogs())).toMatchObject(lines);
});

test('a stream on which nothing happens says that it is there', async () => {
  const runId = await server.submit('model', [{ gate: gates.path('quiet') }]);
  const opened = await follow(runId);
  await heard(opened, 'status running');
  await until('a comment comes', () => opened.comments.length >= 2);
  gates.open('quiet');
  await opened.ended;
});

test('a client that goes away leaves its place to another', async () => {
  const runId = await server.submit('model', [{ gate: gates.path('held') }]);
  const streams = await Promise.all(Array.from({ length: 20 }, () => follow(runId)));
  const refused = await server.get(`/runs/${runId}/events`);
  expect(refused.status).toBe(503);
  expect(refused.json.type).toBe('https://claimcheck.dev/problems/too-many-streams');
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect((await server.get(`/runs/${runId}/logs?follow=true`)).status).toBe(503);
  streams[0]!.close();
  const late = await until('there is a place', async () => {
    const opened = await follow(runId);
    return opened.status === 200 ? opened : null;
  });
  gates.open('held');
  await late.ended;
  expect(namesOf(late.events).at(-1)).toBe('end');
});

test('clients that open a stream and leave at once take no place for ever', async () => {
  const runId = await server.submit('model', [{ gate: gates.path('left') }]);
  const paths = [`/runs/${runId}/events`, `/runs/${runId}/logs?follow=true`];
  await Promise.all(Array.from({ length: 200 }, (_, place) => leaveAtOnce(server.url, paths[place % paths.length]!)));
  const late = await until('there is a place', async () => {
    const opened = await follow(runId);
    return opened.status === 200 ? opened : null;
  });
  gates.open('left');
  await late.ended;
});

test('a HEAD has the headers of a stream and ends at once', async () => {
  const runId = await server.submit('model', [{ gate: gates.path('head') }]);
  const answer = await server.send('HEAD', `/runs/${runId}/events`);
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  expect(answer.text).toBe('');
  gates.open('head');
  await server.ended(runId);
});

test('an unknown run is a 404, and a parameter that is none a 422', async () => {
  const unknown = '/runs/0199f4a2-6f2e-7cc1-9d2b-0a1b2c3d4e5f/events';
  expect((await server.get(unknown)).status).toBe(404);
  expect((await server.get(`${unknown}?since=1`)).status).toBe(422);
});

describe('a server that stops', () => {
  test('ends its streams without an end, and its successor goes on where they stood', async () => {
    const data = await folderForTest();
    const first = await serviceForTest({ endpoints: ENDPOINTS, data });
    const runId = await first.submit('model', [
      { log: ['before'] },
      { gate: gates.path('restart') },
      { log: ['after'] },
    ]);
    const before = await openEvents(first.url, `/runs/${runId}/events`);
    await heard(before, 'log before');
    await first.stop();
    expect(await before.ended).toBe(true);

    const second = await serviceForTest({ endpoints: ENDPOINTS, data });
    const rest = await openEvents(second.url, `/runs/${runId}/events`, { 'last-event-id': before.events.at(-1)!.id });
    await heard(rest, 'attempt 2 begun');
    gates.open('restart');
    expect(await rest.ended).toBe(true);
    expect(namesOf(rest.events)).toContain('attempt 1 released');
    const names = namesOf([...before.events, ...rest.events]);
    // What the model said when it was stopped is a line as well, and may come at the end of the
    // first stream.
    expect(names.filter((name) => name !== 'log stopped')).toEqual([
      'status queued',
      'attempt 1 begun',
      'status running',
      'log before',
      'attempt 1 released',
      'status queued',
      'attempt 2 begun',
      'status running',
      'log before',
      'log after',
      'attempt 2 succeeded',
      'status succeeded',
      'end',
    ]);
  });
});

test('a reader that is slow gets every line once it reads', async () => {
  const runId = await server.submit('model', [
    { gate: gates.path('slow') },
    ...Array.from({ length: 900 }, (_, n) => ({ log: [`${n} ${'x'.repeat(900)}`] })),
  ]);
  const opened = await follow(runId);
  await heard(opened, 'status running');
  opened.pause();
  gates.open('slow');
  await server.ended(runId);
  opened.resume();
  expect(await opened.ended).toBe(true);
  const lines = opened.events.filter(({ event }) => event === 'log');
  expect(lines.map(({ data }) => Number.parseInt(data.message, 10))).toEqual(Array.from({ length: 900 }, (_, n) => n));
});
