import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Reply } from '../../src/replicas/contract.ts';
import { hasSetpriv } from '../../src/replicas/runtimes/launch.ts';
import { folderForTest } from '../support/folder.ts';
import { isAlive } from '../support/processes.ts';
import { hasPython, NO_PYTHON } from '../support/python.ts';
import { FIXTURES } from '../support/service.ts';
import { until } from '../support/until.ts';
import { ANYTHING, ask, fleetForTest, PROGRAM, told } from './fleet.ts';

const RUNTIMES = [
  { runtime: 'node', model: ANYTHING, isThere: true },
  { runtime: 'python', model: './anything.py', isThere: hasPython },
  { runtime: 'command', model: PROGRAM, isThere: true },
] as const;

describe.for(RUNTIMES)('a replica of the $runtime runtime', ({ runtime, model, isThere }) => {
  beforeEach(({ skip }) => skip(!isThere, NO_PYTHON));

  const written = { model: typeof model === 'string' ? model : [...model], replicas: { min: 1 } };

  test('answers what its model answers', async () => {
    const { slot } = await fleetForTest(written);
    const reply = await ask(await slot(), { x: [1, 2] });
    expect(reply).toMatchObject({ kind: 'output', contentType: 'application/json' });
    expect(Buffer.from((reply as { bytes: Uint8Array }).bytes).toString()).toBe('{"x":[1,2]}');
  });

  test('that ends in the middle of an invocation has crashed, and the detail has how', async () => {
    const { slot } = await fleetForTest(written);
    const reply = await ask(await slot(), { do: 'exit' });
    expect(reply).toMatchObject({ kind: 'crashed' });
    expect(reply).toHaveProperty('detail', expect.stringMatching(/exit code [39]/));
  });

  test('sees PATH and what the configuration gives, and nothing else of the server', async () => {
    const { slot } = await fleetForTest(
      { ...written, env: { WEIGHTS: '/models/a' } },
      { environment: { ...process.env, DATABASE_PASSWORD: 'hunter2', NODE_OPTIONS: '--no-warnings' } },
    );
    const environment = (await told(await slot(), { do: 'environment' })) as Record<string, string>;
    expect(environment).toHaveProperty('WEIGHTS', '/models/a');
    // A Python that is started by a shim, such as pyenv's, has the shim's own folders before these.
    expect(environment['PATH']!.endsWith(process.env['PATH']!)).toBe(true);
    expect(JSON.stringify(environment)).not.toContain('hunter2');
    expect(environment).not.toHaveProperty('NODE_OPTIONS');
  });

  test('is stopped with all that it has started', async () => {
    const { supervisor, slot } = await fleetForTest(written);
    const pid = (await told(await slot(), { do: 'pid' })) as number;
    const grandchild = (await told(await slot(), { do: 'grandchild' })) as number;
    expect(isAlive(grandchild)).toBe(true);
    await supervisor.close();
    expect(isAlive(pid)).toBe(false);
    await until('the grandchild is gone', () => !isAlive(grandchild));
  });

  test('takes what it has started with it when it crashes', async () => {
    const { slot } = await fleetForTest(written);
    const grandchild = (await told(await slot(), { do: 'grandchild' })) as number;
    await ask(await slot(), { do: 'exit' });
    await until('the grandchild is gone', () => !isAlive(grandchild));
  });

  test.skipIf(runtime === 'command' && !hasSetpriv())('dies with a server that is killed', async () => {
    const { server, said } = superviseElsewhere(runtime, await folderForTest());
    const pid = Number(await said);
    expect(isAlive(pid)).toBe(true);
    server.kill('SIGKILL');
    await until('the replica is gone', () => !isAlive(pid));
  });
});

/**
 * A supervisor in a process of its own, and the first line that it prints: its replica's process
 * id.
 */
function superviseElsewhere(runtime: string, sockets: string): { server: ChildProcess; said: Promise<string> } {
  const server = spawn(process.execPath, [join(FIXTURES, 'supervise.ts'), runtime, sockets], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void server.kill('SIGKILL'));
  const said = new Promise<string>((resolve) => createInterface(server.stdout).once('line', resolve));
  return { server, said };
}

describe.for(RUNTIMES.filter(({ runtime }) => runtime !== 'command'))('a model in $runtime', ({ model, isThere }) => {
  const written = { model: model as string, replicas: { min: 1 } };
  beforeEach(({ skip }) => skip(!isThere, NO_PYTHON));

  test('that throws fails its invocation and not its replica', async () => {
    const { slot } = await fleetForTest(written);
    const pid = await told(await slot(), { do: 'pid' });
    expect(await ask(await slot(), { do: 'throw' })).toEqual({
      kind: 'model-error',
      detail: 'The model does not like this.',
    });
    expect(await told(await slot(), { do: 'pid' })).toBe(pid);
  });

  test('that returns what JSON cannot hold is told so', async () => {
    const { slot } = await fleetForTest(written);
    expect(await ask(await slot(), { do: 'not-a-number' })).toMatchObject({
      kind: 'invalid-output',
      detail: expect.stringContaining('value') as string,
    });
  });

  test('that crashes has its last lines in the detail', async () => {
    const { slot } = await fleetForTest(written);
    expect(await ask(await slot(), { do: 'exit' })).toMatchObject({
      detail: expect.stringContaining('the last words of a replica') as string,
    });
  });

  test('is told which run it works on', async () => {
    const { slot } = await fleetForTest(written);
    const reply = await (
      await slot()
    ).invoke(
      {
        headers: {
          'content-type': 'application/json',
          'claimcheck-run-id': 'r-1',
          'claimcheck-attempt': '2',
          'claimcheck-deadline': '2026-01-01T00:00:00.000Z',
          'claimcheck-metadata': '{"for":"a paper"}',
        },
        body: Buffer.from('{"do":"run"}'),
      },
      new AbortController().signal,
    );
    expect(JSON.parse(Buffer.from((reply as { bytes: Uint8Array }).bytes).toString())).toEqual({
      id: 'r-1',
      attempt: 2,
      deadline: '2026-01-01T00:00:00.000Z',
      metadata: { for: 'a paper' },
    });
  });
});

describe('a program', () => {
  const written = { model: [...PROGRAM], replicas: { min: 1 } };

  test('that answers with an error has its own words in the detail', async () => {
    const { slot } = await fleetForTest(written);
    expect(await ask(await slot(), { do: 'fail' })).toEqual({
      kind: 'model-error',
      detail: 'This program does not like it.',
    });
  });

  test('that hangs up after every answer without saying so loses no invocation by it', async () => {
    const { slot } = await fleetForTest({ ...written, env: { HANGS_UP: '1' } });
    const pid = await told(await slot(), { do: 'pid' });
    for (let count = 0; count < 100; count += 1) expect(await told(await slot(), { do: 'pid' })).toBe(pid);
  });
});

describe('what a program answers', () => {
  const answered = async (wishes: readonly object[]): Promise<{ replies: Reply[]; launched: readonly string[] }> => {
    const { slot, launched } = await fleetForTest({ model: PROGRAM, replicas: { min: 1 } });
    const replies: Reply[] = [];
    for (const wish of wishes) replies.push(await ask(await slot(), wish));
    return { replies, launched };
  };
  const answer = (status: number, body = '', headers: Record<string, string> = {}) => ({
    do: 'answer',
    head: { status, headers },
    body,
  });
  const CSV = { 'content-type': 'text/csv' };
  const bytesOf = (text: string): Buffer => Buffer.from(text);

  test('is its output with every status from 200 to 299, and nothing at all is null', async () => {
    const statuses = [200, 201, 202, 203, 206, 299];
    const { replies } = await answered([
      ...statuses.map((status) => answer(status, 'a\n1\n', CSV)),
      answer(204),
      answer(205),
      answer(200),
    ]);
    const csv = { kind: 'output', contentType: 'text/csv', bytes: bytesOf('a\n1\n') };
    const nothing = { kind: 'output', contentType: 'application/json', bytes: new TextEncoder().encode('null') };
    expect(replies).toEqual([...statuses.map(() => csv), nothing, nothing, nothing]);
  });

  test('is as empty as it is where it has a type', async () => {
    const { replies } = await answered([answer(200, '', CSV), answer(201, '', { 'content-type': 'text/plain' })]);
    expect(replies).toEqual([
      { kind: 'output', contentType: 'text/csv', bytes: bytesOf('') },
      { kind: 'output', contentType: 'text/plain', bytes: bytesOf('') },
    ]);
  });

  test('in an encoding is refused by the name of that, whether it is an output or a failure', async () => {
    const encoded = { 'content-encoding': 'gzip', 'content-type': 'application/json' };
    const { replies } = await answered([answer(200, 'zipped', encoded), answer(422, 'zipped', encoded)]);
    expect(replies).toEqual([
      { kind: 'invalid-output', detail: expect.stringContaining('encoded as gzip (Content-Encoding)') as string },
      {
        kind: 'model-error',
        detail: expect.stringContaining('status 422 and a body that is encoded as gzip') as string,
      },
    ]);
  });

  test('with a redirect is not followed, and says where it leads', async () => {
    const { replies } = await answered([answer(307, '', { location: 'http://elsewhere/invocations' }), answer(304)]);
    expect(replies).toEqual([
      {
        kind: 'model-error',
        detail:
          'The model answered with status 307, a redirect to http://elsewhere/invocations, which is not followed: POST /invocations must answer itself.',
      },
      { kind: 'model-error', detail: expect.stringContaining('status 304') as string },
    ]);
  });

  test('and breaks off, or is no answer, fails its run with what was wrong, and costs no replica', async () => {
    const write = (body: string) => ({ do: 'write', body });
    const { replies, launched } = await answered([
      write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a":'),
      answer(200, '{}'),
      write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n'),
      write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'),
      answer(200, '{}'),
      write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n'),
      write('It works!'),
    ]);
    expect(replies.map((reply) => ('detail' in reply ? `${reply.kind}: ${reply.detail}` : reply.kind))).toEqual([
      expect.stringMatching(
        /^invalid-output: The replica hung up in the middle of its answer, after the head of an answer with status 200/,
      ),
      'output',
      expect.stringMatching(/^invalid-output: The replica hung up in the middle of its answer/),
      expect.stringMatching(/^invalid-output: .*100 Continue/),
      'output',
      expect.stringMatching(/^invalid-output: .*101 Switching Protocols/),
      expect.stringMatching(/^invalid-output: The replica's answer is not HTTP/),
    ]);
    expect(launched).toHaveLength(1);
  });

  test('and does not say where it ends is whole if its program goes on, and has crashed with it if not', async () => {
    const openEnded = 'HTTP/1.0 200 OK\r\ncontent-type: text/csv\r\n\r\na\n1234';
    const { replies } = await answered([
      { do: 'write', body: openEnded },
      { do: 'write-and-exit', body: openEnded },
    ]);
    expect(replies).toEqual([
      { kind: 'output', contentType: 'text/csv', bytes: bytesOf('a\n1234') },
      {
        kind: 'crashed',
        detail: expect.stringMatching(/exit code 9\. Its answer says neither how long it is/) as string,
      },
    ]);
  });
});
