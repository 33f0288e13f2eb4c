import { spawnSync } from 'node:child_process';
import { chown, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { startReplica } from '../../src/replicas/replica.ts';
import { Ports } from '../../src/replicas/runtimes/ports.ts';
import { inspectPython } from '../../src/replicas/runtimes/python.ts';
import { launchPython } from '../../src/replicas/runtimes/python.ts';
import { decodeRows } from '../../src/table/rows.ts';
import { minutes } from '../../src/domain/time.ts';
import { folderForTest } from '../support/folder.ts';
import { hasPython, NO_PYTHON } from '../support/python.ts';
import { FIXTURES, serviceForTest, specsOf } from '../support/service.ts';
import { until } from '../support/until.ts';
import { ask, fleetForTest, told } from './fleet.ts';

/** The folder of the program that serves a Python file. */
const RUNNER = fileURLToPath(new URL('../../src/model/python', import.meta.url));

/** A Python file of this text, in a folder of its own. */
async function fileOf(text: string, name = 'model.py'): Promise<string> {
  const file = join(await folderForTest(), name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return file;
}

const IN_TIME = { startTimeout: minutes(1) };

async function inspect(text: string, name?: string) {
  const file = await fileOf(text, name);
  return inspectPython(
    { runtime: 'python', file, python: 'python3' },
    { env: {}, cwd: tmpdir(), replicas: IN_TIME },
    process.env,
  );
}

async function errorOf(text: string, name?: string): Promise<string> {
  const inspection = await inspect(text, name);
  if (!('error' in inspection)) throw new Error(`The file was taken as ${inspection.kind}.`);
  return inspection.error;
}

/** A replica of a Python file of this text, and the slots of it. */
const fleetOf = async (text: string, replicas: { concurrency?: number } = {}) =>
  fleetForTest({ model: await fileOf(text), replicas: { min: 1, ...replicas } });

test.skipIf(!hasPython)('a program in Python is a model', async () => {
  const { slot } = await fleetForTest({ model: ['python3', join(FIXTURES, 'program.py')], replicas: { min: 1 } });
  expect(await told(await slot(), { x: 21 })).toMatchObject({ double: 42 });
  expect(await told(await slot(), { x: 1 })).toMatchObject({ double: 2 });
});

describe.skipIf(!hasPython)(`a Python file (${NO_PYTHON} where this is skipped)`, () => {
  test.each([
    ['rows', 'def predict(rows, context): return rows'],
    ['rows', 'class Model:\n    def predict(self, rows): return rows\npredict = Model().predict'],
    ['any', 'def invoke(input, context): return input'],
    ['any', 'predict = 7\ndef invoke(input): return input'],
    ['any', 'def model_fn(model_dir): return None'],
    ['any', 'def predict_fn(data, model): return data\ndef predict(rows): return rows'],
    ['any', 'def transform_fn(model, body, content_type, accept): return body'],
  ])('takes %s where it says %j', async (kind, text) => {
    expect(await inspect(text)).toEqual({ kind });
  });

  test.each([
    ['both functions', 'def predict(rows): pass\ndef invoke(input): pass', 'and not both'],
    ['neither', 'x = 1', 'either predict(rows, context) or invoke(input, context)'],
    ['half a script', 'def input_fn(body, content_type): pass', 'neither model_fn nor predict_fn'],
    ['a mistake in its syntax', 'def predict(rows:\n', 'SyntaxError'],
    ['an import that is not there', 'import there_is_no_such_module', "No module named 'there_is_no_such_module'"],
    ['an error while it is imported', 'raise ValueError("There are no weights.")', 'ValueError: There are no weights.'],
    [
      'an error that has no text',
      'class Odd(Exception):\n    def __str__(self): raise SystemExit(3)\nraise Odd()',
      'Odd: a Odd that has no text',
    ],
    ['an exit while it is imported', 'import sys; sys.exit(4)', 'SystemExit: 4'],
  ])('with %s is refused with one line that names the file', async (_, text, says) => {
    const error = await errorOf(text);
    expect(error).toContain('model.py');
    expect(error).toContain(says);
    expect(error).not.toContain('\n');
  });

  test('that ends its process while it is imported has its last words in the mistake', async () => {
    const text = 'import os, sys\nprint("CUDA is missing", file=sys.stderr, flush=True)\nos._exit(4)';
    expect(await errorOf(text)).toContain('CUDA is missing');
  });

  test('is not loaded when it is looked at, and may print and start threads', async () => {
    const text = `
import threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print('{"kind": "lies"}', end="")
def load(): raise RuntimeError("This is not the time.")
def invoke(input, context): return input
`;
    expect(await inspect(text)).toEqual({ kind: 'any' });
  });

  test('under an interpreter that is not there is told so', async () => {
    const file = await fileOf('def predict(rows): return rows');
    const inspection = await inspectPython(
      { runtime: 'python', file, python: 'python3.999' },
      { env: {}, cwd: tmpdir(), replicas: IN_TIME },
      process.env,
    );
    expect(inspection).toEqual({
      error: 'There is no program python3.999 on the PATH; install it, or name another in the configuration.',
    });
  });

  test('is imported and not run, beside the files of its folder, and leaves nothing of itself there', async () => {
    const text = `
import json, sys
import weights
def invoke(input): return [__name__, weights.VALUE, sys.argv, sys.modules[__name__].__file__, "runner" in sys.modules]
if __name__ == "__main__": raise RuntimeError("It was run.")
`;
    // Not a name that could be imported, and a folder whose name is in the way of nothing.
    const file = await fileOf(text, 'models/my model.v2.py');
    await writeFile(join(dirname(file), 'weights.py'), 'VALUE = 7');
    const { slot } = await fleetForTest({ model: file, replicas: { min: 1 } });
    expect(await told(await slot(), 1)).toEqual(['my model.v2', 7, [file], file, false]);
    // A cached form of the file would be taken for the file itself when that is edited within the
    // same second.
    expect(await readdir(join(dirname(file), '__pycache__'))).toEqual([expect.stringMatching(/^weights\./)]);
  });

  test('imports its own modules where they have the names of the runner’s', async () => {
    const modules = (await readdir(join(RUNNER, 'claimcheck_runner'))).filter((name) => name.endsWith('.py'));
    const names = modules.map((name) => name.slice(0, -'.py'.length)).filter((name) => name !== '__init__');
    expect(names).toEqual(expect.arrayContaining(['connections', 'reports', 'table_input', 'workers']));
    const file = await fileOf(`
import importlib
NAMES = ${JSON.stringify(['claimcheck_runner', ...names])}
def invoke(input): return [importlib.import_module(name).OWN for name in NAMES]
`);
    for (const name of ['claimcheck_runner', ...names]) {
      await writeFile(join(dirname(file), `${name}.py`), `OWN = ${JSON.stringify(name)}`);
    }
    const { slot } = await fleetForTest({ model: file, replicas: { min: 1 } });
    expect(await told(await slot(), 1)).toEqual(['claimcheck_runner', ...names]);
  });

  test('finds nothing of the runner by import, whose folder is not on its path', async () => {
    const { slot } = await fleetOf(`
import importlib.util, sys
def invoke(input):
    return [importlib.util.find_spec("claimcheck_runner") is None, [path for path in sys.path if path.startswith(${JSON.stringify(RUNNER)})]]
`);
    expect(await told(await slot(), 1)).toEqual([true, []]);
  });

  test('is served where Python puts no folder on its path by itself', async () => {
    const model = await fileOf('def invoke(input): return input + 1');
    const { slot } = await fleetForTest({ model, env: { PYTHONSAFEPATH: '1' }, replicas: { min: 1 } });
    expect(await told(await slot(), 1)).toBe(2);
  });

  test('may hand its run to a process of its own', async () => {
    const { slot } = await fleetOf(`
import pickle, subprocess, sys
READ = "import pickle, sys; run = pickle.load(sys.stdin.buffer); print(run.attempt, run.metadata, run.deadline)"
def invoke(input, context):
    done = subprocess.run([sys.executable, "-c", READ], input=pickle.dumps(context.run), capture_output=True, check=True)
    return done.stdout.decode()
`);
    expect(await told(await slot(), 1)).toMatch(/^1 \{\} (?:None|\d{4}-)/);
  });

  test('is loaded once, and worked with in the thread that loaded it', async () => {
    const { slot } = await fleetOf(`
import threading
loads = []
def load():
    loads.append(threading.get_ident())
    return "weights"
def invoke(input, context):
    return [context.model, len(loads), loads[0] == threading.get_ident(), threading.current_thread() is threading.main_thread()]
`);
    for (let count = 0; count < 3; count += 1)
      expect(await told(await slot(), null)).toEqual(['weights', 1, true, true]);
  });

  test('has its functions called with as much as they take, and a load of somebody else is not its own', async () => {
    const sees = async (text: string) => told(await (await fleetOf(text)).slot(), [{ a: 1 }]);
    expect(await sees('from pickle import load\ndef invoke(input, context): return context.model')).toBeNull();
    expect(await sees('def load(path): return 1\ndef invoke(input, context): return context.model')).toBeNull();
    expect(await sees('def load(path="x"): return path\ndef invoke(input, context): return context.model')).toBe('x');
    expect(
      await sees(
        'import functools\n@functools.cache\ndef load(): return 1\ndef invoke(_, context): return context.model',
      ),
    ).toBe(1);
    expect(await sees('def invoke(input, threshold=0.5): return threshold')).toBe(0.5);
    expect(await sees('def invoke(input, context=None): return context.run.attempt')).toBe(1);
    expect(await sees('def invoke(*given): return len(given)')).toBe(2);
    expect(await sees('class Model:\n    def invoke(self, input): return 1\ninvoke = Model().invoke')).toBe(1);
    expect(await sees('class Model:\n    def __call__(self, input, context): return 2\ninvoke = Model()')).toBe(2);
  });

  test('is given as many runs at once as its replicas take', async () => {
    const { supervisor } = await fleetOf(
      `
import threading
both = threading.Barrier(2)
def invoke(input, context):
    both.wait(30)
    return input
`,
      { concurrency: 2 },
    );
    await until('a replica is ready', () => supervisor.counts().current === 1);
    const [first, second] = supervisor.reserve(2);
    expect(await Promise.all([told(first!, 1), told(second!, 2)])).toEqual([1, 2]);
  });

  /** Why a replica of a file did not start. */
  async function whyNotStarted(file: string): Promise<string> {
    const [spec] = specsOf({ tested: { model: file } });
    const { model } = spec!;
    if (model.runtime !== 'python') throw new Error('The model is a Python file.');
    const launch = launchPython(model, spec!, {
      folder: await folderForTest(),
      environment: process.env,
      ports: new Ports(),
    });
    const starting = startReplica('r-1', launch, {
      policy: spec!.replicas,
      clock: systemClock,
      signal: new AbortController().signal,
      onRefusal: () => {},
    });
    const { message } = await starting.then(
      () => expect.unreachable('It started.'),
      (error: Error) => error,
    );
    return message;
  }

  test('that cannot be loaded ends with its reason as the last line, after the traceback', async () => {
    const file = await fileOf('def load():\n    raise ValueError("There are no weights.")\ndef invoke(input): pass\n');
    const message = await whyNotStarted(file);
    expect(message).toContain('exit code 1.');
    expect(message).toContain(`File "${file}", line 2, in load`);
    expect(message).not.toContain('claimcheck_runner');
    expect(message.split('\n').at(-1)).toBe(`${file} could not be loaded: ValueError: There are no weights.`);
  });

  test('whose load raises an error that has no text ends all the same, although threads go on', async () => {
    const file = await fileOf(`
import threading, time
class Odd(Exception):
    def __str__(self): raise SystemExit(3)
def load():
    threading.Thread(target=time.sleep, args=(600,)).start()
    raise Odd()
def invoke(input): pass
`);
    expect(await whyNotStarted(file)).toContain('could not be loaded: Odd: a Odd that has no text');
  });

  test('has the last lines that it printed in the detail of its crash', async () => {
    const { slot } = await fleetOf('import os\ndef invoke(input):\n    print("thinking")\n    os._exit(3)\n');
    expect(await ask(await slot(), 1)).toMatchObject({
      kind: 'crashed',
      detail: expect.stringMatching(/exit code 3[^]*thinking/) as string,
    });
  });

  test('that is an older Python than 3.9 is needed for is told so by the runner', () => {
    const runner = join(RUNNER, '__main__.py');
    const pretend = `import sys; sys.version_info = (3, 8); exec(compile(open(${JSON.stringify(runner)}).read(), "__main__.py", "exec"))`;
    const { stderr } = spawnSync('python3', ['-c', pretend], { encoding: 'utf8' });
    expect(stderr).toContain('Python 3.9 or newer');
  });
});

describe.skipIf(!hasPython)('the bytecode of the Python runner', () => {
  /**
   * The folders of bytecode that an inspection leaves beside the runner, whose folder has this
   * owner.
   */
  async function leftBy(owner: number): Promise<string[]> {
    const folder = join(await folderForTest(), 'python');
    await cp(RUNNER, folder, { recursive: true, filter: (source) => !source.includes('__pycache__') });
    for (const name of ['', 'claimcheck_runner']) await chown(join(folder, name), owner, owner);
    const file = await fileOf('def invoke(input): return input');
    const { stdout } = spawnSync('python3', [join(folder, '__main__.py'), '--inspect', file], {
      env: { PATH: process.env['PATH'] },
      encoding: 'utf8',
    });
    expect(stdout).toContain('{"kind": "any"}');
    return (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('__pycache__'));
  }
  const user = process.getuid!();

  test('is kept for the user who owns its folder', async () => {
    expect(await leftBy(user)).toEqual([join('claimcheck_runner', '__pycache__')]);
  });

  test.skipIf(user !== 0)('is not left by root in the folder of somebody else', async () => {
    expect(await leftBy(65_534)).toEqual([]);
  });
});

describe.skipIf(!hasPython)('what a Python file reports', () => {
  /** The lines of a run of this text, each as its stream and its message. */
  async function linesOf(text: string, input: unknown = 1) {
    const server = await serviceForTest({ endpoints: { reporting: { model: await fileOf(text), mode: 'async' } } });
    const run = await server.ended(await server.submit('reporting', input));
    const logs = await server.get(`/runs/${run.run_id}/logs`, { accept: 'application/jsonlines' });
    const lines = logs.text.split('\n').slice(0, -1);
    return {
      run,
      lines: lines.map((line) => JSON.parse(line) as { stream: string; message: string; fields: unknown }),
    };
  }
  const messages = ({ lines }: Awaited<ReturnType<typeof linesOf>>) =>
    lines.map(({ stream, message }) => `${stream} ${message}`);

  test('is kept of a SageMaker script as well', async () => {
    const text = `
import logging
logging.basicConfig(format="%(levelname)s %(message)s")
def predict_fn(data, model):
    print("predicting", data)
    logging.warning("slowly")
    return data
`;
    expect(messages(await linesOf(text))).toEqual(['stdout predicting 1', 'stderr WARNING slowly']);
  });

  test('has what a failed invocation has printed, with the traceback of its error', async () => {
    const { run, lines } = await linesOf('def invoke(input):\n    print("so far")\n    return 1 / 0\n');
    expect(run).toMatchObject({ status: 'failed', error: { detail: 'division by zero' } });
    expect(lines[0]).toMatchObject({ stream: 'stdout', message: 'so far' });
    expect(lines.at(-1)).toMatchObject({ stream: 'stderr', message: 'ZeroDivisionError: division by zero' });
  });

  test('is its own also in the tasks and threads that it starts with its context', async () => {
    const text = `
import asyncio
async def work(input):
    await asyncio.to_thread(print, "in a thread")
    print("in a task")
def invoke(input): asyncio.run(work(input))
`;
    expect(messages(await linesOf(text))).toEqual(['stdout in a thread', 'stdout in a task']);
  });

  test('never fails it, with anything that it hands over', async () => {
    const text = `
import sys
class Odd:
    dtype = "float32"
    def tolist(self): return 3
def invoke(input, context):
    context.log("not JSON", value={1, 2})
    context.log("NaN", value=float("nan"))
    context.log("odd", value=Odd())
    context.log(ValueError("no text"))
    context.log("half \\ud800")
    context.progress(float("inf"))
    context.progress(Odd(), 4)
    print("half \\ud800")
    return "done"
`;
    const reported = await linesOf(text);
    expect(reported.run).toMatchObject({ status: 'succeeded', outputs: 'done', progress: { done: 3, total: 4 } });
    expect(reported.lines.find(({ message }) => message === 'odd')).toMatchObject({ fields: { value: 3 } });
    expect(messages(reported)).toEqual([
      'log not JSON (its fields are too long, or no JSON)',
      'log NaN (its fields are too long, or no JSON)',
      'log odd',
      'log no text',
      'log half \ud800',
      expect.stringMatching(/^log A report was refused: .*JSON/),
      'stdout half \ud800',
    ]);
  });

  test('comes from it and not from the processes that it forks, which do not wait for a lock either', async () => {
    const text = `
import os
def invoke(input, context):
    print("before")
    child = os.fork()
    if child == 0:
        for _ in range(1000): print("in the child")
        context.log("of the child")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print("after")
    return status
`;
    const reported = await linesOf(text);
    expect(reported.run).toMatchObject({ status: 'succeeded', outputs: 0 });
    expect(messages(reported)).toEqual(['stdout before', 'stdout after']);
  });

  test('costs it nothing where it has closed the way to the server', async () => {
    const text = `
import os
def invoke(input, context):
    os.close(int(os.environ["CLAIMCHECK_REPORTS"]))
    print("nobody hears this")
    context.progress(1)
    context.log("nor this")
    return input
`;
    expect((await linesOf(text)).run).toMatchObject({ status: 'succeeded', outputs: 1 });
  });
});

describe.skipIf(!hasPython)('the hooks of a Python file', () => {
  /** What a file has written of itself, once the server that had one run of it has stopped. */
  async function traceOf(text: string): Promise<string> {
    const trace = join(await folderForTest(), 'trace');
    const head = `def note(text):\n    with open(${JSON.stringify(trace)}, "a") as file: file.write(text + "\\n")\n`;
    const server = await serviceForTest({ endpoints: { hooked: { model: await fileOf(head + text) } } });
    await server.ended(await server.submit('hooked', 1));
    await server.stop();
    return readFile(trace, 'utf8');
  }

  test('are called with as much as they take', async () => {
    const text = `
def init(): note("init")
def cleanup(): note("cleanup")
def invoke(input): note("invoke")
`;
    expect(await traceOf(text)).toBe('init\ninvoke\ncleanup\n');
  });

  test('are not somebody else’s functions of the same name', async () => {
    const text = `
def init(weights, bias): note("init")
def cleanup(text): note("cleanup")
def invoke(input, context): note(f"invoke {context.state}")
`;
    expect(await traceOf(text)).toBe('invoke None\n');
  });

  test('leave the processes that the model forks as they would be without them', async () => {
    const text = `
import os, signal
def init(model): note("init")
def cleanup(state): note("cleanup")
def invoke(input):
    child = os.fork()
    if child == 0: signal.pause()
    os.kill(child, signal.SIGTERM)
    note(f"child ended by {os.waitpid(child, 0)[1]}")
`;
    expect(await traceOf(text)).toBe('init\nchild ended by 15\ncleanup\n');
  });

  test('that fail at the end are named among the last lines, and keep nothing alive', async () => {
    const text = `
def init(model): pass
def cleanup(state): note("cleanup"); raise RuntimeError("It is stuck.")
def invoke(input): note("invoke")
`;
    expect(await traceOf(text)).toBe('invoke\ncleanup\n');
  });
});

describe.skipIf(!hasPython)('a server with a Python file', () => {
  test('runs a table through it: rows in order, and the bad ones named', async () => {
    const { postRaw } = await serviceForTest({
      endpoints: { careful: { model: './careful-rows.py', batchSize: 4, retry: { maxAttempts: 1 } } },
    });
    const fails = new Map([
      [3, 'throw'],
      [7, 'exit'],
      [12, 'not-a-number'],
      [13, 'sys-exit'],
    ]);
    const ids = Array.from({ length: 30 }, (_, id) => id);
    const table = `id,fail\n${ids.map((id) => `${id},${fails.get(id) ?? ''}\n`).join('')}`;
    const { status, bytes } = await postRaw('/endpoints/careful/invoke', 'text/csv', table, { accept: 'text/csv' });
    expect(status).toBe(200);
    const rows = decodeRows(bytes, 'csv');
    expect(rows.map((row) => Number(row['id']))).toEqual(ids);
    const failed = rows.filter((row) => row['inference_error'] !== '');
    expect(failed.map((row) => Number(row['id']))).toEqual([...fails.keys()]);
    expect(failed.map((row) => String(row['inference_error']))).toEqual([
      expect.stringContaining('Row 3 is bad.'),
      expect.stringContaining('exit code 3'),
      expect.stringContaining('NaN'),
      expect.stringContaining('SystemExit: No more.'),
    ]);
  });

  test('has a new version when the file has changed', async () => {
    const file = await fileOf('def invoke(input): return "old"\n');
    const data = await folderForTest();
    const versionAndAnswer = async () => {
      const { endpoint, post, stop } = await serviceForTest({ data, endpoints: { changing: { model: file } } });
      const { json } = await post('/endpoints/changing/invoke', { input: 1 });
      const { version } = await endpoint('changing');
      await stop();
      return [version, json.outputs];
    };
    expect(await versionAndAnswer()).toEqual([1, 'old']);
    await writeFile(file, 'def invoke(input): return "new"\n');
    expect(await versionAndAnswer()).toEqual([2, 'new']);
  });
});
