import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { minutes, seconds } from '../../../src/domain/time.ts';
import { processRow } from '../../../src/replicas/peers/processes.ts';
import type { InspectedSpec } from '../../../src/replicas/runtimes/inspection.ts';
import { inspectModel } from '../../../src/replicas/runtimes/node.ts';
import { inspectPython } from '../../../src/replicas/runtimes/python.ts';
import { compiledFolder } from '../../../src/system/compiled.ts';
import { folderForTest } from '../../support/folder.ts';
import { isAlive } from '../../support/processes.ts';
import { hasPython, NO_PYTHON } from '../../support/python.ts';
import { until } from '../../support/until.ts';

const RUNTIMES = [
  {
    runtime: 'node',
    isThere: true,
    name: 'model.mjs',
    model: 'export const model = { invoke: (input) => input };',
    printsMuch:
      "for (let row = 0; row < 3_000; row += 1) console.log('x'.repeat(1_000)); console.error('y'.repeat(2_000_000));",
    neverEnds: 'for (;;) {}',
    waitsFor: (pidFile: string, gate: string) => `
      import { existsSync, writeFileSync } from 'node:fs';
      writeFileSync(${JSON.stringify(pidFile)}, process.pid + '.');
      while (!existsSync(${JSON.stringify(gate)}));`,
    leaves: (file: string) => `
      import { spawn } from 'node:child_process';
      import { writeFileSync } from 'node:fs';
      const inherit = { stdio: 'inherit' };
      const left = [spawn('sleep', ['600'], inherit), spawn('sleep', ['600'], { ...inherit, detached: true })];
      writeFileSync(${JSON.stringify(file)}, left.map(({ pid }) => pid).join());`,
    inspect: (file: string, spec: InspectedSpec) => inspectModel(file, spec, process.env),
  },
  {
    runtime: 'python',
    isThere: hasPython,
    name: 'model.py',
    model: 'def invoke(input): return input',
    printsMuch: "import sys\nfor row in range(3000): print('x' * 1000)\nprint('y' * 2_000_000, file=sys.stderr)",
    neverEnds: 'while True: pass',
    waitsFor: (pidFile: string, gate: string) => `
import os
open(${JSON.stringify(pidFile)}, 'w').write(f'{os.getpid()}.')
while not os.path.exists(${JSON.stringify(gate)}): pass
`,
    leaves: (file: string) => `
import subprocess
left = [subprocess.Popen(['sleep', '600'], start_new_session=apart) for apart in (False, True)]
open(${JSON.stringify(file)}, 'w').write(','.join(str(one.pid) for one in left))
`,
    inspect: (file: string, spec: InspectedSpec) =>
      inspectPython({ runtime: 'python', file, python: 'python3' }, spec, process.env),
  },
] as const;

const read = (file: string): string => readFileSync(file, 'utf8');
const hasEnded = (pid: number): boolean => processRow(pid)?.hasEnded ?? true;

/** Waits as a server does that computes: nothing else happens meanwhile. */
function blockUntil(condition: () => boolean): void {
  const nap = new Int32Array(new SharedArrayBuffer(4));
  while (!condition()) Atomics.wait(nap, 0, 0, 5);
}

describe.for(RUNTIMES)(
  'a model file of $runtime',
  ({ isThere, name, model, printsMuch, neverEnds, waitsFor, leaves, inspect }) => {
    beforeEach(({ skip }) => skip(!isThere, NO_PYTHON));

    async function found(text: (folder: string) => string, startTimeout = minutes(1)) {
      const folder = await folderForTest();
      const file = join(folder, name);
      writeFileSync(file, `${text(folder)}\n${model}\n`);
      const inspection = await inspect(file, { env: {}, cwd: folder, replicas: { startTimeout } });
      return { folder, inspection };
    }

    test('may print megabytes while it is imported', async () => {
      const { inspection } = await found(() => printsMuch);
      expect(inspection).toEqual({ kind: 'any' });
    });

    test.skipIf(process.platform !== 'linux')(
      'is understood by a busy server, which hears of the end of its process before it has read what that said',
      async () => {
        const folder = await folderForTest();
        const [pidFile, gate] = [join(folder, 'pid'), join(folder, 'gate')];
        const file = join(folder, name);
        writeFileSync(file, `${waitsFor(pidFile, gate)}\n${model}\n`);
        const inspecting = inspect(file, { env: {}, cwd: folder, replicas: { startTimeout: minutes(1) } });
        const pid = await until('it is imported', () => existsSync(pidFile) && /^(\d+)\./.exec(read(pidFile))?.[1]);
        // Once one process has ended Node hears of all that have, after it has read from what could
        // be read before: the inspection ends just then, and the end of the other one keeps the
        // server busy for longer than it waits for what is still to be read.
        const other = spawn('echo', ['something']);
        other.stdout.on('data', () => {
          writeFileSync(gate, '');
          blockUntil(() => hasEnded(Number(pid)));
        });
        other.on('exit', () => {
          const end = performance.now() + 500;
          blockUntil(() => performance.now() > end);
        });
        blockUntil(() => hasEnded(other.pid!));
        expect(await inspecting).toEqual({ kind: 'any' });
      },
    );

    test.skipIf(process.platform !== 'linux')(
      'leaves no process behind, be it in a group of its own or not, though that holds its output open',
      async () => {
        const { folder, inspection } = await found((place) => leaves(join(place, 'left')));
        expect(inspection).toEqual({ kind: 'any' });
        const left = readFileSync(join(folder, 'left'), 'utf8').split(',').map(Number);
        expect(left).toHaveLength(2);
        expect(left.filter(isAlive)).toEqual([]);
      },
    );

    test('that is not imported within startTimeout says so, and leaves nothing behind either', async () => {
      const { folder, inspection } = await found((place) => `${leaves(join(place, 'left'))}\n${neverEnds}`, seconds(4));
      const file = join(folder, name);
      expect(inspection).toEqual({ error: `Importing ${file} has taken longer than 4 s (replicas.startTimeout).` });
      expect(readFileSync(join(folder, 'left'), 'utf8').split(',').map(Number).filter(isAlive)).toEqual([]);
    });
  },
);

describe('what Node compiles for an inspection', () => {
  const inspected = async (text: string, env: Record<string, string>, prefix: readonly string[] = []) => {
    const folder = await folderForTest();
    const file = join(folder, 'model.mjs');
    writeFileSync(file, text);
    return inspectModel(file, { env, cwd: folder, replicas: { startTimeout: minutes(1) } }, process.env, prefix);
  };

  test('is kept in the folder that the endpoint names, once it has answered', async () => {
    const compiled = await folderForTest();
    const model = 'export const model = { invoke: (input) => input };';
    expect(await inspected(model, { NODE_COMPILE_CACHE: compiled })).toEqual({ kind: 'any' });
    expect(readdirSync(compiled, { recursive: true }).length).toBeGreaterThan(1);
  });

  test('is kept with what it compiles for the server, where the server’s user inspects the model, and there alone', async () => {
    const tells = 'throw new Error(`It is kept in ${process.env.NODE_COMPILE_CACHE}.`);';
    const told = (folder: string | null) => ({
      error: expect.stringContaining(`It is kept in ${folder ?? undefined}.`) as string,
    });
    expect(await inspected(tells, {})).toEqual(told(compiledFolder()));
    expect(await inspected(tells, {}, ['/usr/bin/env'])).toEqual(told(null));
    expect(await inspected(tells, { NODE_COMPILE_CACHE: '/elsewhere' })).toEqual(told('/elsewhere'));
  });
});
