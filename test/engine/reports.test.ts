// What a model reports while it works: how far it has come, and what it writes.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { hasPython, NO_PYTHON } from '../support/python.ts';
import { FIXTURES, serviceForTest, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

const MODELS = [
  { language: 'TypeScript', model: './reporter.ts', one: 'ts', several: 'ts-several', isThere: true },
  { language: 'Python', model: './reporter.py', one: 'py', several: 'py-several', isThere: hasPython },
] as const;
const PROGRAM = [process.execPath, join(FIXTURES, 'reporting-program.js')];

let server: TestService;
let gates: Gates;
beforeAll(async () => {
  const models = MODELS.filter(({ isThere }) => isThere).flatMap(({ model, one, several }) => [
    [one, { model, mode: 'async' }] as const,
    [several, { model, mode: 'async', replicas: { max: 1, concurrency: 2 } }] as const,
  ]);
  server = await startTestService({
    endpoints: {
      ...Object.fromEntries(models),
      program: { model: PROGRAM, mode: 'sync', replicas: { flushes: true } },
    },
  });
});
afterAll(() => server.stop());
beforeEach(async ({ onTestFinished: whenDone }) => {
  gates = new Gates(await folderForTest(whenDone));
});

/** The lines of a run, without their times. */
async function linesOf(runId: string): Promise<unknown[]> {
  const { text } = await server.get(`/runs/${runId}/logs`, { accept: 'application/jsonlines' });
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const { at: _at, ...rest } = JSON.parse(line) as Record<string, unknown>;
      return rest;
    });
}
const line = (stream: string, message: string, fields: unknown = null): unknown => ({
  attempt: 1,
  stream,
  message,
  fields,
});

describe.for(MODELS)('of a model in $language', ({ model, one, several, isThere }) => {
  beforeEach(({ skip }) => skip(!isThere, NO_PYTHON));

  describe('the progress of a call', () => {
    test('is seen while the model works, rises, and stays when the run has ended', async () => {
      const runId = await server.submit(one, [
        { progress: [1, 3, 'mixing'] },
        { gate: gates.path('first') },
        { progress: [2, 3] },
        { gate: gates.path('second') },
        { progress: [3, 3, 'done'] },
      ]);
      const shows = (done: number) =>
        until(`the run has come to ${done}`, async () => {
          const run = await server.run(runId);
          return run.progress?.done === done ? run : null;
        });
      expect(await shows(1)).toMatchObject({
        status: 'running',
        progress: { done: 1, total: 3, failed: 0, unit: 'steps', message: 'mixing' },
      });
      gates.open('first');
      expect((await shows(2)).progress).toMatchObject({ done: 2, message: null });
      gates.open('second');
      expect((await server.ended(runId)).progress).toEqual({
        done: 3,
        total: 3,
        failed: 0,
        unit: 'steps',
        message: 'done',
      });
    });

    test('has its last word however fast it was reported', async () => {
      const acts = Array.from({ length: 500 }, (_, place) => ({ progress: [place + 1, 500] }));
      const run = await server.ended(await server.submit(one, acts));
      expect(run.progress).toMatchObject({ done: 500, total: 500 });
    });

    test('is kept where the run fails, and null where nothing was reported', async () => {
      const failed = await server.ended(await server.submit(one, [{ progress: [7] }, { fail: 'no more' }]));
      expect(failed).toMatchObject({ status: 'failed', progress: { done: 7, total: null } });
      expect((await server.ended(await server.submit(one, []))).progress).toBeNull();
    });

    test('that is no count is refused among the lines of the run, which goes on', async () => {
      const run = await server.ended(await server.submit(one, [{ progress: [0.5] }]));
      expect(run).toMatchObject({ status: 'succeeded', progress: null });
      expect(await linesOf(run.run_id)).toEqual([
        line('log', expect.stringContaining('/done must be a whole number from 0; it is 0.5') as string),
      ]);
    });
  });

  describe('the logs of a run', () => {
    test('have what the model logged and printed, in order, as it was', async () => {
      const run = await server.ended(
        await server.submit(one, [
          { log: ['starting', { seed: 7, of: ['a'] }] },
          { print: 'two\nlines' },
          { warn: 'half ' },
          { warn: 'a line\n' },
          { print: 'ä \u{1f9ea}' },
          { warn: 'no end' },
          { log: ['over'] },
        ]),
      );
      expect(await linesOf(run.run_id)).toEqual([
        line('log', 'starting', { seed: 7, of: ['a'] }),
        line('stdout', 'two'),
        line('stdout', 'lines'),
        line('stderr', 'half a line'),
        line('stdout', 'ä \u{1f9ea}'),
        line('log', 'over'),
        line('stderr', 'no end'),
      ]);
    });

    test('can be read while the model works', async () => {
      const runId = await server.submit(one, [{ log: ['alive'] }, { gate: gates.path('log') }]);
      const lines = await until('the line is there', async () => {
        const found = await linesOf(runId);
        return found.length === 0 ? null : found;
      });
      expect(lines).toEqual([line('log', 'alive')]);
      expect((await server.run(runId)).status).toBe('running');
      gates.open('log');
      await server.ended(runId);
    });

    test('are told apart where a replica works on several runs at once', async () => {
      const acts = (name: string): unknown[] => [
        { print: `${name} begins` },
        { gate: gates.path('both') },
        { print: `${name} ends` },
      ];
      const ids = [await server.submit(several, acts('a')), await server.submit(several, acts('b'))];
      for (const id of ids) await server.inStatus(id, 'running');
      gates.open('both');
      for (const id of ids) await server.ended(id);
      expect(await linesOf(ids[0]!)).toEqual([line('stdout', 'a begins'), line('stdout', 'a ends')]);
      expect(await linesOf(ids[1]!)).toEqual([line('stdout', 'b begins'), line('stdout', 'b ends')]);
    });

    test('have a note where a model wrote faster than is kept', async () => {
      const acts = Array.from({ length: 5_000 }, (_, place) => ({ log: [`line ${place}`] }));
      const run = await server.ended(await server.submit(one, acts));
      const lines = await linesOf(run.run_id);
      expect(lines.length).toBeLessThan(5_000);
      expect(lines).toContainEqual(line('server', expect.stringMatching(/^… \d+ lines dropped/) as string));
    });
  });

  test('a model has the metadata of its run and the state that init has made', async () => {
    const metadata = { for: 'pâper "7"', tags: ['\u{1f9ea}', '\n'], n: 1 };
    const { outputs } = await server.ended(await server.submit(one, [], { metadata }));
    expect(outputs.metadata).toEqual(metadata);
    expect(outputs.state).toMatchObject({ madeFrom: 'a model' });
    expect(outputs.state.invocations).toBeGreaterThan(0);
    const large = { text: 'ü'.repeat(8_000) };
    expect((await server.ended(await server.submit(one, [], { metadata: large }))).outputs.metadata).toEqual(large);
  });

  test('a model cleans up once, when its replica is stopped', async () => {
    const file = gates.path('cleaned-up');
    const service = await serviceForTest({ endpoints: { model: { model, env: { CLEANED_UP: file } } } });
    for (const _ of [1, 2]) await service.ended(await service.submit('model', []));
    expect(existsSync(file)).toBe(false);
    await service.stop();
    expect(readFileSync(file, 'utf8')).toBe('after 2\n');
  });

  test('a cancellation is heard, and what is written after it is kept', async () => {
    const runId = await server.submit(one, [{ log: ['alive'] }, { gate: gates.path('never opened') }]);
    await until('the model works', async () => (await linesOf(runId)).length > 0);
    await server.post(`/runs/${runId}/cancel`, {});
    const lines = await until('the model has stopped', async () => {
      const found = await linesOf(runId);
      return found.length > 1 ? found : null;
    });
    // Python prints the traceback of an error after it.
    expect(lines.slice(0, 2)).toEqual([line('log', 'alive'), line('log', 'stopped')]);
    expect(await server.run(runId)).toMatchObject({ status: 'cancelled' });
  });
});

describe('a program', () => {
  const ask = async (input: unknown, options: object = {}) =>
    (await server.post('/endpoints/program/invoke', { input, ...options })).json;

  test('reports with the URL that comes with each invocation', async () => {
    const run = await ask({
      reports: [
        { to: 'progress', type: 'application/json', body: '{"done":2,"total":5,"message":"mixing"}' },
        { to: 'logs', body: 'one\ntwo' },
        { to: 'logs', type: 'application/json', body: '{"message":"three","fields":{"n":3}}' },
      ],
    });
    expect(run.outputs.statuses).toEqual([204, 204, 204]);
    expect(run.progress).toEqual({ done: 2, total: 5, failed: 0, unit: 'steps', message: 'mixing' });
    expect(await linesOf(run.run_id)).toEqual([line('log', 'one'), line('log', 'two'), line('log', 'three', { n: 3 })]);
  });

  test('that reports nonsense is told so, and its run goes on', async () => {
    const run = await ask({ reports: [{ to: 'progress', type: 'application/json', body: '{"done":"half"}' }] });
    expect(run).toMatchObject({ status: 'succeeded', outputs: { statuses: [422] }, progress: null });
  });

  test('that writes out every line has what it prints in the logs of the run that it works on', async () => {
    const run = await ask({ print: 'a line\nand one without an end' });
    expect(await linesOf(run.run_id)).toEqual([line('stdout', 'a line'), line('stdout', 'and one without an end')]);
  });

  test('has another URL for every run, and none of a run that has ended', async () => {
    const [first, second] = [(await ask({})).outputs.url as string, (await ask({})).outputs.url as string];
    expect(first).not.toBe(second);
    expect((await fetch(`${first}/progress`, { method: 'POST', body: '{"done":1}' })).status).toBe(404);
  });

  test('has the metadata of its run where it is short enough for a header', async () => {
    expect((await ask({}, { metadata: { for: 'pâper' } })).outputs.metadata).toBe(String.raw`{"for":"p\u00e2per"}`);
    expect((await ask({}, { metadata: { text: 'x'.repeat(10_000) } })).outputs.metadata).toBeNull();
  });
});
