import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ConfigError } from '../../src/config/config-error.ts';
import { blobFolder, type Config, ledgerFile, loadConfig } from '../../src/config/config.ts';
import { minutes, seconds } from '../../src/domain/time.ts';
import { folderForTest } from '../support/folder.ts';

let folder: string;

beforeEach(async () => {
  folder = await folderForTest();
  await write('model.ts', 'export const model = { invoke: (input: unknown) => input };');
});

async function write(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return file;
}

const load = async (name: string, text: string): Promise<Config> => loadConfig({ config: await write(name, text) });
const loadJson = (config: unknown): Promise<Config> => load('config.json', JSON.stringify(config));
/** The mistakes that a configuration is refused with. */
async function refusal(config: unknown): Promise<ConfigError> {
  try {
    await loadJson(config);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('The configuration was taken.');
}
const endpoint = (changes: object = {}) => ({ endpoints: { a: { model: './model.ts', ...changes } } });

/** Sets variables of the environment for this test alone. */
function environment(variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name];
    process.env[name] = value;
    onTestFinished(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

describe('a configuration', () => {
  const WRITTEN = '{ endpoints: { a: { model: "./model.ts", mode: "async", timeout: "5m" } }, port: 7000 }';
  test.each([
    ['claimcheck.config.ts', `const config: { port: number } = ${WRITTEN};\nexport { config };`],
    ['own.mjs', `export const config = ${WRITTEN};`],
    ['by-default.mjs', `export default ${WRITTEN};`],
    [
      'config.json',
      '{ "endpoints": { "a": { "model": "./model.ts", "mode": "async", "timeout": "5m" } }, "port": 7000 }',
    ],
    ['config.yaml', 'endpoints:\n  a:\n    model: ./model.ts\n    mode: async\n    timeout: 5m\nport: 7000\n'],
    ['config.yml', 'endpoints: { a: { model: ./model.ts, mode: async, timeout: 5m } }\nport: 7000\n'],
  ])('is read from %s', async (name, text) => {
    const config = await load(name, text);
    expect(config).toMatchObject({ file: join(folder, name), port: 7_000 });
    expect(config.endpoints).toMatchObject([
      { name: 'a', mode: 'async', timeout: minutes(5), model: { runtime: 'node', file: join(folder, 'model.ts') } },
    ]);
  });

  test('written in TypeScript has its types from defineConfig', async () => {
    const source = JSON.stringify(new URL('../../src/config/define-config.ts', import.meta.url).href);
    const text = `import { defineConfig } from ${source};\nexport const config = defineConfig(${WRITTEN});`;
    expect(await load('typed.ts', text)).toMatchObject({ port: 7_000 });
  });

  test('of one model and nothing else has a default for everything', async () => {
    const config = await loadJson(endpoint());
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 4242,
      data: join(folder, '.claimcheck'),
      logLevel: 'info',
      limits: {},
    });
    expect(config.endpoints).toEqual([
      {
        name: 'a',
        mode: 'sync',
        isDefault: false,
        model: { runtime: 'node', file: join(folder, 'model.ts') },
        batchSize: null,
        maxInFlight: 64,
        onRowError: 'mark',
        timeout: minutes(15),
        syncTimeout: seconds(60),
        queueTtl: minutes(360),
        queueLimit: 1_000,
        concurrencyLimit: null,
        retention: minutes(7 * 24 * 60),
        retry: { maxAttempts: 3, on: ['replica-crashed'] },
        replicas: {
          min: 0,
          max: 1,
          concurrency: 1,
          idle: minutes(10),
          startTimeout: minutes(5),
          memory: null,
          pids: 4_096,
          outputBytes: 2 ** 30,
        },
        user: null,
        env: {},
        cwd: folder,
        features: [],
        tags: [],
        description: null,
      },
    ]);
  });

  test('may say everything', async () => {
    const config = await loadJson({
      host: '::1',
      port: 0,
      data: 'd',
      logLevel: 'silent',
      limits: { bodyBytes: 2_048 },
      isolation: { firstUid: 70_000 },
      cache: { unusedFor: '90d' },
      endpoints: {
        a: {
          model: ['python3', 'serve.py'],
          mode: 'async',
          default: true,
          batchSize: 5,
          maxInFlight: 6,
          onRowError: 'drop',
          timeout: '90s',
          syncTimeout: '250ms',
          queueTtl: '2d',
          queueLimit: 7,
          concurrencyLimit: 5,
          retention: '1h',
          retry: { maxAttempts: 2, on: ['model-error'] },
          replicas: {
            min: 1,
            max: 2,
            concurrency: 3,
            idle: '1h',
            startTimeout: 12.5,
            memory: '2GB',
            pids: 100,
            outputBytes: '1MiB',
          },
          isolation: { user: 'server' },
          env: { A: 'b' },
          cwd: '.',
          features: ['smiles'],
          tags: ['chemistry'],
          description: 'A model.',
        },
      },
    });
    expect(config).toMatchObject({
      host: '::1',
      port: 0,
      logLevel: 'silent',
      limits: { bodyBytes: 2_048 },
      firstUid: 70_000,
      cacheUnusedFor: 90 * 86_400_000,
    });
    expect(config.endpoints[0]).toEqual({
      name: 'a',
      mode: 'async',
      isDefault: true,
      model: { runtime: 'command', argv: ['python3', 'serve.py'] },
      batchSize: 5,
      maxInFlight: 6,
      onRowError: 'drop',
      timeout: seconds(90),
      syncTimeout: 250,
      queueTtl: minutes(2 * 24 * 60),
      queueLimit: 7,
      concurrencyLimit: 5,
      retention: minutes(60),
      retry: { maxAttempts: 2, on: ['model-error'] },
      replicas: {
        min: 1,
        max: 2,
        concurrency: 3,
        idle: minutes(60),
        startTimeout: 12_500,
        memory: 2_000_000_000,
        pids: 100,
        outputBytes: 1_048_576,
      },
      user: 'server',
      env: { A: 'b' },
      cwd: folder,
      features: ['smiles'],
      tags: ['chemistry'],
      description: 'A model.',
    });
  });

  test('may name the Python of a Python file, by a name or by a path of its own', async () => {
    await write('model.py', 'def predict(rows, context):\n    return rows\n');
    await write('venv/bin/python', '');
    const pythonOf = async (python?: string) =>
      (await loadJson(endpoint({ model: './model.py', python }))).endpoints[0];
    const file = join(folder, 'model.py');
    expect(await pythonOf()).toMatchObject({ model: { runtime: 'python', file, python: 'python3' } });
    expect(await pythonOf('python3.12')).toMatchObject({ model: { python: 'python3.12' } });
    expect(await pythonOf('./venv/bin/python')).toMatchObject({ model: { python: join(folder, 'venv/bin/python') } });
  });

  test("has paths that are relative to its own folder, and not to the server's", async () => {
    await write('deep/models/m.ts', 'export const model = { invoke: () => 1 };');
    const file = await write(
      'deep/config.json',
      JSON.stringify({ data: '../data', endpoints: { a: { model: './models/m.ts', cwd: 'models' } } }),
    );
    const config = await loadConfig({ config: file });
    expect(config.data).toBe(join(folder, 'data'));
    expect(config.endpoints[0]).toMatchObject({
      model: { file: join(folder, 'deep/models/m.ts') },
      cwd: join(folder, 'deep/models'),
    });
    expect(ledgerFile(config.data)).toBe(join(folder, 'data/ledger.sqlite'));
    expect(blobFolder(config.data)).toBe(join(folder, 'data/blobs'));
  });
});

describe('what predictions are scored by', () => {
  test('is nothing where nothing is said, so that the endpoint is the version that it was', async () => {
    const { endpoints } = await loadJson(endpoint());
    expect(Object.keys(endpoints[0]!)).not.toContain('scoring');
  });

  test('is what is said, with a path of evaluation data that is absolute', async () => {
    const said = { target: 'y', prediction: 'p', task: 'classification', idColumn: 'id' };
    const { endpoints } = await loadJson(endpoint({ ...said, evaluation: './rows.csv' }));
    expect(endpoints[0]!.scoring).toEqual({ ...said, evaluation: join(folder, 'rows.csv') });
    const [alone] = (await loadJson(endpoint({ target: 'y' }))).endpoints;
    expect(alone!.scoring).toEqual({ target: 'y', prediction: null, task: null, idColumn: null, evaluation: null });
  });

  test('is told of where it is something else', async () => {
    const { mistakes } = await refusal(endpoint({ task: 'ranking', target: '' }));
    expect(mistakes).toEqual([
      expect.objectContaining({ pointer: 'endpoints.a.target' }),
      { pointer: 'endpoints.a.task', detail: 'must be one of "regression", "classification"' },
    ]);
  });
});

describe('a database', () => {
  const written = { endpoints: { a: { model: './model.ts' } } };

  test('is named by its URL in the file, or over it in the environment', async () => {
    expect((await loadJson(written)).database).toBeNull();
    expect((await loadJson({ ...written, database: 'postgres://me:secret@db/runs' })).database).toBe(
      'postgres://me:secret@db/runs',
    );
    environment({ CLAIMCHECK_DATABASE_URL: 'postgresql://me@elsewhere/runs' });
    expect((await loadJson({ ...written, database: 'postgres://db/runs' })).database).toBe(
      'postgresql://me@elsewhere/runs',
    );
  });

  test('that is none is refused without repeating it, since there is a password in it', async () => {
    const { message } = await refusal({ ...written, database: 'mysql://me:secret@db/runs' });
    expect(message).toContain('database  must be a URL like postgres://');
    expect(message).not.toContain('secret');
  });
});

describe('a configuration with mistakes', () => {
  test.each(['90 d', '0s'])('is refused for how long answers are kept: %j', async (unusedFor) => {
    const { mistakes } = await refusal({ ...endpoint(), cache: { unusedFor } });
    expect(mistakes).toEqual([
      { pointer: 'cache.unusedFor', detail: "must be a duration like '30d', longer than nothing and at most '36500d'" },
    ]);
  });

  test('is told all of them at once, each with its place', async () => {
    const error = await refusal({
      port: 'eighty',
      endpoints: {
        a: { model: './nowhere.ts', timeout: 'soon', batchsize: 5 },
        Bad_Name: { model: './model.ts', replicas: { min: 3, max: 2 } },
        c: {},
      },
    });
    expect(error.message).toMatch(/^config\.json has \d mistakes:\n/);
    for (const place of [
      'port  ',
      'endpoints.a.model  ',
      'endpoints.a.timeout  ',
      'endpoints.a.batchsize  ',
      'endpoints.Bad_Name  ',
      'endpoints.Bad_Name.replicas.min  ',
      'endpoints.c.model  ',
    ])
      expect(error.message).toContain(`\n  ${place}`);
    expect(error.mistakes).toHaveLength(7);
  });

  test.each([
    ['memory', '2 gigs', 'is no amount'],
    ['memory', '1MB', 'in which no model starts'],
    ['outputBytes', '4GiB', 'is more than'],
    ['pids', 1, 'must be'],
  ])('is told that replicas.%s cannot be %s', async (key, value, why) => {
    const { message } = await refusal({ endpoints: { a: { model: './model.ts', replicas: { [key]: value } } } });
    expect(message).toContain(`endpoints.a.replicas.${key}  `);
    expect(message).toContain(why);
  });

  test('has one line for each, that can be read without knowing the code', async () => {
    const { message } = await refusal({ endpoints: { a: { model: './nowhere.ts', timeout: 'soon', batchsize: 5 } } });
    expect(message).toBe(
      [
        'config.json has 3 mistakes:',
        '  endpoints.a.batchsize  is not known here; did you mean "batchSize"?',
        `  endpoints.a.timeout  is "soon", which is no duration: write '90s', '10m', '6h' or a number of seconds, and at most '36500d'`,
        `  endpoints.a.model  ${join(folder, 'nowhere.ts')} does not exist`,
      ].join('\n'),
    );
  });

  test.each([
    ['batchsize', 'batchSize'],
    ['batch_size', 'batchSize'],
    ['timout', 'timeout'],
    ['replica', 'replicas'],
    ['modle', 'model'],
    ['onRowErrors', 'onRowError'],
  ])('is asked whether %s should be %s', async (written, meant) => {
    expect((await refusal(endpoint({ [written]: 1 }))).message).toContain(`did you mean "${meant}"?`);
  });

  test('is told what is known where nothing is close', async () => {
    const { message } = await refusal(endpoint({ colour: 'red' }));
    expect(message).toContain('known are model, mode');
  });

  test.each([
    [{ model: './model.rb' }, 'endpoints.a.model', '["python3", "serve.py"]'],
    [{ model: './nowhere.py' }, 'endpoints.a.model', 'nowhere.py does not exist'],
    [{ model: './model.py', python: './.venv/bin/python' }, 'endpoints.a.python', '.venv/bin/python does not exist'],
    [{ model: './model.py', python: './' }, 'endpoints.a.python', 'is a folder'],
    [{ model: './model.py', python: '' }, 'endpoints.a.python', ''],
    [{ python: 'python3' }, 'endpoints.a.python', 'is for a model that is a .py file'],
    [{ model: ['python3', 'serve.py'], python: 'python3' }, 'endpoints.a.python', 'a command names its interpreter'],
    [{ model: 7 }, 'endpoints.a.model', ''],
    [{ model: { url: 'ftp://10.0.0.7' } }, 'endpoints.a.model.url', 'is no http or https URL'],
    [{ model: { url: '10.0.0.7:8080' } }, 'endpoints.a.model.url', 'is no http or https URL'],
    [{ model: { url: 'http://me:secret@10.0.0.7' } }, 'endpoints.a.model.url', 'names a user or a password'],
    [{ model: { url: 'http://10.0.0.7/v1' } }, 'endpoints.a.model.url', 'asked of http://10.0.0.7 itself'],
    [{ model: { url: 7 } }, 'endpoints.a.model', ''],
    [{ model: { url: 'http://10.0.0.7', path: '/v1' } }, 'endpoints.a.model', ''],
    [
      { model: { url: 'http://10.0.0.7' }, replicas: { max: 2 } },
      'endpoints.a.replicas.max',
      'is one replica: raise concurrency',
    ],
    [{ model: [] }, 'endpoints.a.model', ''],
    [{ model: '' }, 'endpoints.a.model', ''],
    [{ mode: 'fast' }, 'endpoints.a.mode', '"sync", "async"'],
    [{ batchSize: 0 }, 'endpoints.a.batchSize', '1'],
    [{ batchSize: 1.5 }, 'endpoints.a.batchSize', 'whole number'],
    [{ batchSize: '5' }, 'endpoints.a.batchSize', 'whole number'],
    [{ queueLimit: -1 }, 'endpoints.a.queueLimit', '0'],
    [{ onRowError: 'ignore' }, 'endpoints.a.onRowError', '"mark", "drop", "fail"'],
    [{ timeout: -5 }, 'endpoints.a.timeout', ''],
    [{ timeout: '5 minutes' }, 'endpoints.a.timeout', "'90s'"],
    [{ timeout: true }, 'endpoints.a.timeout', ''],
    [{ timeout: '0s' }, 'endpoints.a.timeout', ''],
    [{ replicas: { max: 0 } }, 'endpoints.a.replicas.max', '1'],
    [{ replicas: { idle: 'never' } }, 'endpoints.a.replicas.idle', "'10m'"],
    [{ replicas: { maximum: 3 } }, 'endpoints.a.replicas.maximum', ''],
    [{ replicas: { min: 2 } }, 'endpoints.a.replicas.min', 'more than max (1)'],
    [{ retry: { on: ['bad-luck'] } }, 'endpoints.a.retry.on', '"model-error"'],
    [{ env: { A: 1 } }, 'endpoints.a.env.A', 'text'],
    [{ cwd: './nowhere' }, 'endpoints.a.cwd', 'nowhere does not exist'],
    [{ features: 'smiles' }, 'endpoints.a.features', 'a list'],
    [{ default: 'yes' }, 'endpoints.a.default', 'true or false'],
  ])('%j is named as %s', async (changes, place, says) => {
    const { mistakes } = await refusal(endpoint(changes));
    expect(mistakes.map(({ pointer }) => pointer).some((pointer) => pointer.startsWith(place))).toBe(true);
    expect(mistakes.map(({ detail }) => detail).join('\n')).toContain(says);
  });

  test.each([
    [{ endpoints: {} }, 'endpoints', 'at least one'],
    [{}, 'endpoints', 'required'],
    [{ endpoints: [] }, 'endpoints', 'a group of keys'],
    [{ endpoints: { a: null } }, 'endpoints.a', 'a group of keys'],
    [{ endpoints: { a: './model.ts' } }, 'endpoints.a', 'a group of keys'],
    [null, '', 'a group of keys'],
    [[], '', 'a group of keys'],
    ['text', '', 'a group of keys'],
    [{ ...endpoint(), port: 65_536 }, 'port', '65535'],
    [{ ...endpoint(), port: 1.5 }, 'port', 'whole number'],
    [{ ...endpoint(), logLevel: 'loud' }, 'logLevel', '"debug"'],
    [{ ...endpoint(), limits: { bodyBytes: 1 } }, 'limits.bodyBytes', '1024'],
    [{ ...endpoint(), endpoint: {} }, 'endpoint', 'did you mean "endpoints"'],
  ])('%j is told what it must be', async (config, place, says) => {
    const { mistakes } = await refusal(config);
    expect(mistakes).toEqual(
      expect.arrayContaining([{ pointer: place, detail: expect.stringContaining(says) as string }]),
    );
  });

  test.each(['-a', 'a-', 'A', 'a_b', 'a b', 'a/b', '', 'x'.repeat(64), '__proto__'])(
    'has no endpoint named %j',
    async (name) => {
      const text = `{"endpoints":{${JSON.stringify(name)}:{"model":"./model.ts"}}}`;
      await expect(load('config.json', text)).rejects.toThrow(/is no endpoint name/);
    },
  );

  test('has one default endpoint at the most, and the second one is named', async () => {
    const { mistakes } = await refusal({
      endpoints: {
        a: { model: './model.ts', default: true },
        b: { model: './model.ts', default: false },
        c: { model: './model.ts', default: true },
      },
    });
    expect(mistakes).toEqual([{ pointer: 'endpoints.c.default', detail: 'is true, but a is the default already' }]);
  });

  test.each([
    ['config.json', '{"endpoints": {,}}'],
    ['config.yaml', 'endpoints:\n  a: [1\n  b: 2\n'],
    ['broken.ts', 'export const config = {'],
    ['broken.mjs', 'export const config = {'],
    ['throws.mjs', 'throw new Error("no");'],
    ['empty.yaml', ''],
    ['empty.mjs', 'export const other = 1;'],
  ])('%s is refused by its name, in a sentence', async (name, text) => {
    const loading = load(name, text);
    await expect(loading).rejects.toThrow(ConfigError);
    await expect(loading).rejects.toThrow(new RegExp(`^${name.replace('.', '\\.')} has a mistake:\n  the file  `));
  });
});

describe('what stands elsewhere', () => {
  test('in the environment goes before the file', async () => {
    environment({ CLAIMCHECK_PORT: '7001', CLAIMCHECK_HOST: 'localhost', CLAIMCHECK_DATA: join(folder, 'from-env') });
    expect(await loadJson({ ...endpoint(), port: 7_000, host: '::1', data: 'd' })).toMatchObject({
      port: 7_001,
      host: 'localhost',
      data: join(folder, 'from-env'),
    });
  });

  test('on the command line goes before both', async () => {
    environment({ CLAIMCHECK_PORT: '7001', CLAIMCHECK_HOST: 'localhost', CLAIMCHECK_DATA: '/from-env' });
    const config = await write('config.json', JSON.stringify({ ...endpoint(), port: 7_000 }));
    const overrides = { config, port: 0, host: '127.0.0.2', data: join(folder, 'from-line') };
    expect(await loadConfig(overrides)).toMatchObject({ port: 0, host: '127.0.0.2', data: join(folder, 'from-line') });
  });

  test('names the file', async () => {
    environment({ CLAIMCHECK_CONFIG: await write('other.json', JSON.stringify({ ...endpoint(), port: 7_002 })) });
    expect(await loadConfig({})).toMatchObject({ port: 7_002 });
    const config = await write('line.json', JSON.stringify({ ...endpoint(), port: 7_003 }));
    expect(await loadConfig({ config })).toMatchObject({ port: 7_003 });
  });

  test.each(['eighty', '-1', '65536', '80.5', '', ' '])('is a mistake where CLAIMCHECK_PORT is %j', async (port) => {
    environment({ CLAIMCHECK_PORT: port });
    expect((await refusal(endpoint())).mistakes).toMatchObject([{ pointer: 'CLAIMCHECK_PORT' }]);
  });

  test('as the environment of replicas is the whole of it, for the runtime to choose from', async () => {
    expect((await loadJson(endpoint())).environment).toBe(process.env);
  });
});

describe('where there is no file', () => {
  test('the one that was named is named', async () => {
    await expect(loadConfig({ config: join(folder, 'nope.yaml') })).rejects.toThrow(
      `There is no file ${join(folder, 'nope.yaml')}.`,
    );
  });

  test('the names that were looked for are named, the folder, and what to do', async () => {
    const loading = loadConfig({});
    for (const says of [
      'claimcheck.config.ts',
      'claimcheck.config.js',
      'claimcheck.config.json',
      'claimcheck.config.yaml',
      process.cwd(),
      '--config',
    ])
      await expect(loading).rejects.toThrow(says);
  });
});

test.each<[string, object]>([
  ['hosts.0', { hosts: ['https://models.example'] }],
  ['hosts.0', { hosts: ['models.example:80'] }],
  ['publicUrl', { publicUrl: 'models.example' }],
  ['publicUrl', { publicUrl: 'https://models.example/?x=1' }],
  ['trustProxy.0', { trustProxy: ['10.0.0.0/33'] }],
  ['trustProxy.0', { trustProxy: ['proxy.internal'] }],
  ['deploy.env.0', { deploy: { env: ['LD_PRELOAD'] } }],
  ['deploy.allow.0.url', { deploy: { allow: [{ url: 'http://10.0.0.7/x' }] } }],
])('what is no address of a server, or nothing to leave to keys, is a mistake at %s: %j', async (pointer, written) => {
  const { mistakes } = await refusal({ ...endpoint(), ...written });
  expect(mistakes).toMatchObject([{ pointer }]);
});

describe('a configuration with many mistakes', () => {
  test('has every one of them named', async () => {
    const limits = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`wrong${at}`, at]));
    const { mistakes } = await refusal({ ...endpoint({ batchSize: 0, timeout: [] }), port: 'x', limits });
    expect(mistakes).toHaveLength(43);
    expect(mistakes).toContainEqual({
      pointer: 'endpoints.a.timeout',
      detail: "cannot be []: write '90s', '10m', '6h', '7d' or a number of seconds",
    });
    expect(mistakes).toContainEqual({ pointer: 'port', detail: 'must be a whole number, and is "x"' });
  });

  test('has those of each part named, also where another has some', async () => {
    const { mistakes } = await refusal({
      port: 'x',
      publicUrl: 'ftp://x',
      hosts: ['a b'],
      egress: { allow: ['nonsense host'] },
      cache: { unusedFor: 'x' },
      endpoints: { a: { model: './a.ts', default: true, batchSize: 'x' }, b: { model: './b.ts', default: true } },
    });
    expect(mistakes.map(({ pointer }) => pointer)).toEqual(
      expect.arrayContaining([
        'port',
        'publicUrl',
        'hosts.0',
        'egress.allow.0',
        'cache.unusedFor',
        'endpoints.a.batchSize',
        'endpoints.b.default',
      ]),
    );
  });

  test.each<[object, string, string]>([
    [{ ...endpoint(), batchSize: 3 }, 'batchSize', 'under endpoints.<name>'],
    [{ ...endpoint(), concurrency: 3 }, 'concurrency', 'under endpoints.<name>.replicas'],
    [{ ...endpoint(), bodyBytes: 3 }, 'bodyBytes', 'under limits'],
    [{ ...endpoint(), prices: { model: './x.ts' } }, 'prices', 'under endpoints, as endpoints.prices'],
    [endpoint({ max: 3 }), 'endpoints.a.max', 'under endpoints.a.replicas'],
    [endpoint({ maxAttempts: 3 }), 'endpoints.a.maxAttempts', 'under endpoints.a.retry'],
    [endpoint({ port: 3 }), 'endpoints.a.port', 'at the top of the file'],
    [endpoint({ replicas: { timeout: '3s' } }), 'endpoints.a.replicas.timeout', 'under endpoints.a'],
  ])('%j is told where the key belongs', async (written, pointer, place) => {
    const { mistakes } = await refusal(written);
    expect(mistakes).toContainEqual({ pointer, detail: `is not known here: it belongs ${place}` });
  });
});
