// Whose line it is: what a program prints of one tenant's run is not read by another, however late
// it comes.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newFolder, removeFolder } from '../support/folder.ts';
import { makeKey, type TestKey } from '../support/keys.ts';
import { hasPython, NO_PYTHON } from '../support/python.ts';
import { FIXTURES, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

const LATE_PROGRAM = [process.execPath, join(FIXTURES, 'late-program.js')];

let data: string;
let server: TestService;
let alice: TestKey;
let bob: TestKey;
beforeAll(async () => {
  data = await newFolder();
  [alice, bob] = [await makeKey(data, { tenant: 'alice' }), await makeKey(data, { tenant: 'bob' })];
  server = await startTestService({
    data,
    endpoints: {
      program: { model: LATE_PROGRAM, mode: 'sync', retry: { maxAttempts: 1 } },
      worker: { model: './worker-printer.ts', mode: 'sync', replicas: { concurrency: 2 } },
      ...(hasPython && {
        python: { model: './late-printer.py', mode: 'sync', retry: { maxAttempts: 1 } },
        wrapped: { model: './wrapped-printer.py', mode: 'sync', retry: { maxAttempts: 1 } },
      }),
    },
  });
});
afterAll(async () => {
  await server.stop();
  await removeFolder(data);
});

// oxlint-disable-next-line typescript/no-explicit-any -- a run, as it came
type Anything = any;

async function ask(key: TestKey, endpoint: string, input: object): Promise<Anything> {
  return (await server.post(`/endpoints/${endpoint}/invoke`, { input }, key.headers)).json;
}

async function linesOf(key: TestKey, runId: string): Promise<string> {
  return (await server.get(`/runs/${runId}/logs`, key.headers)).text;
}

/** What is kept for who operates the server, once it has a text. */
const kept = (endpoint: string, wanted: string): Promise<string> =>
  until(`${wanted} is kept`, () => {
    const text = readFileSync(join(data, 'logs', 'replicas', `${endpoint}.jsonl`), 'utf8');
    return text.includes(wanted) ? text : null;
  });

describe('what a program prints late', () => {
  test('is in the log of the replica and in that of no run', async () => {
    await ask(alice, 'program', { say: 'the secret of alice' });
    const { run_id: runId } = await ask(bob, 'program', { say: 'the words of bob' });
    const lines = await linesOf(bob, runId);
    expect(lines).not.toContain('alice');
    expect(lines).toContain('[server] … what the program printed meanwhile may be of another run');
    const line = (await kept('program', 'the secret of alice')).split('\n').find((text) => text.includes('alice'));
    expect(JSON.parse(line!)).toMatchObject({ stream: 'stdout', message: 'the secret of alice', during: [runId] });
  });

  test('is not quoted to the tenant whose run has crashed it', async () => {
    await ask(alice, 'program', { say: 'the secret of alice' });
    const answer = await ask(bob, 'program', { say: 'the last words of bob', crash: true });
    expect(answer.type).toContain('replica-crashed');
    expect(answer.detail).toContain('exit code 9');
    expect(answer.detail).toContain('logs/replicas/program.jsonl');
    expect(JSON.stringify(answer)).not.toContain('secret of alice');
    const log = await kept('program', 'exit code 9');
    expect(log).toContain('the last words of bob');
  });

  test('is quoted where the replica has worked for nobody else', async () => {
    expect((await ask(bob, 'program', { say: 'the last words of bob', crash: true })).detail).toContain(
      'the last words of bob',
    );
  });
});

test('what a thread prints that one run has started, and that works for another, is in the log of neither', async () => {
  const first = ask(alice, 'worker', { say: 'alice', until: 'bob' });
  const runId = await until('the thread has printed of its first run', async () => {
    const [run] = (await server.get('/runs?endpoint=worker', alice.headers)).json.runs as readonly { run_id: string }[];
    const lines = run === undefined ? '' : await linesOf(alice, run.run_id);
    return lines.includes('[stdout] the worker has: alice') ? run!.run_id : null;
  });
  const second = await ask(bob, 'worker', { say: 'bob', until: 'bob' });
  await kept('worker', 'the worker has: bob');
  await first;
  expect(await linesOf(alice, runId)).not.toContain('bob');
  expect(await linesOf(bob, second.run_id)).toBe('');
});

describe.skipIf(!hasPython)(
  `what code in C, a thread or a process prints in a Python file (${NO_PYTHON} where this is skipped)`,
  () => {
    test('is in the log of the replica, and what the run itself prints in that of the run', async () => {
      await ask(alice, 'python', { say: 'the secret of alice' });
      const { run_id: runId } = await ask(bob, 'python', { say: 'bob' });
      const lines = await linesOf(bob, runId);
      expect(lines.replaceAll(/^\S+ /gm, '')).toBe('[stdout] of this run: bob\n[stdout] bytes of this run: bob\n');
      for (const way of ['late', 'child', 'thread']) await kept('python', `${way}: the secret of alice`);
    });

    test('is not quoted in a crash, but what the run has printed is', async () => {
      await ask(alice, 'python', { say: 'the secret of alice' });
      const { detail } = await ask(bob, 'python', { say: 'bob', crash: true });
      expect(detail).toContain('of this run: bob');
      expect(detail).not.toContain('secret');
      await kept('python', 'last: ');
    });

    test('is not in the log of another run where the file has wrapped its standard output, and keeps lines until then', async () => {
      await ask(alice, 'wrapped', { say: 'the secret of alice' });
      const { run_id: runId } = await ask(bob, 'wrapped', { say: 'bob', flush: true });
      const lines = await linesOf(bob, runId);
      expect(lines.replaceAll(/^\S+ /gm, '')).toBe('[stdout] printed: bob\n');
      for (const way of ['at the start', 'by the first run'])
        await kept('wrapped', `wrapped ${way}: the secret of alice`);
    });
  },
);
