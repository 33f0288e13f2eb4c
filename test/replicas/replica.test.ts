import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
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

/** A supervisor in a process of its own, and the first line that it prints: its replica's process id. */
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
