import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  type Claimcheck,
  connect,
  DeduplicatedError,
  EndpointNotFoundError,
  IdempotencyMismatchError,
  InvalidRequestError,
  ModelError,
  QueueFullError,
  RunCancelledError,
  RunEndedError,
  type RunBody,
  type RunLine,
  RunNotEndedError,
  RunNotFoundError,
  RunTimeoutError,
  TableError,
} from '../../src/index.ts';
import { startLosingProxy } from './losing-proxy.ts';
import { type RunningServer, startServer } from './server.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { until } from '../support/until.ts';

let server: RunningServer;
let client: Claimcheck;
beforeAll(async () => {
  server = await startServer();
  client = connect({ url: server.url });
});
afterAll(() => server.stop());

const csv = (text: string) => ({ bytes: new TextEncoder().encode(text), contentType: 'text/csv' });
const textOf = ({ bytes }: { bytes: Uint8Array }): string => new TextDecoder().decode(bytes);
const runsNamed = async (runName: string): Promise<RunLine[]> => {
  const runs: RunLine[] = [];
  for await (const run of client.runs({ runName })) runs.push(run);
  return runs;
};

test('an endpoint that is warmed has a replica before there is work', async () => {
  const warmed = await client.endpoint('slow-sync').warm({ replicas: 1 });
  expect(warmed).toMatchObject({ name: 'slow-sync', replicas: { max: 1 } });
  const ready = await until('it is ready', async () => {
    const endpoint = await client.endpoint('slow-sync').describe();
    return endpoint.state === 'ready' ? endpoint : null;
  });
  expect(ready.replicas.current).toBe(1);
  // The default endpoint has no name here.
  expect(await client.endpoint().warm()).toMatchObject({ name: 'rows', default: true });
});

describe('inference', () => {
  test('as many rows come back as were sent, in their order, with values that kept their types', async () => {
    const values = ['00123', '1e5', 'NA', '', null, 5, 0.1, true, 'ä\u{1f9ea}"\n,', [1, { a: 'b' }]];
    const rows = Array.from({ length: 25 }, (_, id) => ({ id, value: values[id % values.length] }));
    const answers = await client.endpoint('rows').inference(rows);
    expect(answers).toEqual(rows.map((row) => ({ ...row, type: typeof row.value })));
  });

  test('a row that fails is named, and the others have their answers', async () => {
    const rows = [1, 2, 3, 4, 5].map((id) => ({ id, fail: id === 4 }));
    const answers = await client.endpoint('rows').inference(rows, { batchSize: 5 });
    expect(answers.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
    expect(answers.map(({ inference_error: error }) => error ?? null)).toEqual([
      null,
      null,
      null,
      expect.stringContaining('Row 4 cannot be computed.'),
      null,
    ]);
  });

  test('a row that fails is left out, or ends the run, where that was asked for', async () => {
    const rows = [1, 2, 3].map((id) => ({ id, fail: id === 2 }));
    const dropped = await client.endpoint('rows').inference(rows, { onRowError: 'drop' });
    expect(dropped.map(({ id }) => id)).toEqual([1, 3]);
    const failed = client.endpoint('rows').inference(rows, { onRowError: 'fail' });
    await expect(failed).rejects.toMatchObject({
      name: 'ModelError',
      detail: expect.stringContaining('Row 2'),
      runId: expect.any(String),
    });
  });

  test('an empty table is answered with an empty one, and no request', async () => {
    await expect(connect({ url: 'http://127.0.0.1:9' }).endpoint('rows').inference([])).resolves.toEqual([]);
  });

  test('a table as bytes comes back as bytes of the same format, its values untouched', async () => {
    const answer = await client.endpoint('rows').inference(csv('id,value\r\n001,1e5\r\n002,"a ""b"""\r\n003,\r\n'));
    expect(answer.contentType).toBe('text/csv');
    expect(textOf(answer).replaceAll('\r', '')).toBe(
      'id,value,type\n001,1e5,string\n002,"a ""b""",string\n003,,string\n',
    );
  });

  test('a table as bytes comes back in another format where that was asked for', async () => {
    const answer = await client.endpoint('rows').inference(csv('id\n001\n'), { accept: 'application/jsonlines' });
    expect(JSON.parse(textOf(answer))).toMatchObject({ id: '001' });
  });

  test('what was said about the run is kept with it', async () => {
    const options = {
      runName: 'labelled',
      priority: 3,
      timeout: 7,
      queueTtl: 60,
      maxInFlight: 3,
      batchSize: 1,
      metadata: { why: ['x'] },
    };
    await expect(client.endpoint('rows').inference([{ id: 1 }], options)).resolves.toMatchObject([{ id: 1 }]);
    const [run] = await runsNamed('labelled');
    expect(run).toMatchObject({
      priority: 3,
      timeout: 7,
      queue_ttl: 60,
      batch: { size: 1, max_in_flight: 3 },
      metadata: { why: ['x'] },
    });
  });

  test('progress is told at once and until the end', async () => {
    const seen: RunBody[] = [];
    const rows = [1, 2, 3, 4].map((id) => ({ id, pauseMs: 400 }));
    await client.endpoint('rows').inference(rows, { onProgress: (run) => seen.push(run), maxInFlight: 1 });
    expect(seen[0]!.done).toBe(false);
    expect(seen.at(-1)).toMatchObject({ status: 'succeeded', progress: { done: 4, total: 4, failed: 0 } });
    expect(new Set(seen.map(({ run_id: id }) => id)).size).toBe(1);
  });

  test('a value that JSON has no form for is refused before anything is sent, with its row and column', async () => {
    const failed = client.endpoint('rows').inference([{ a: 1 }, { a: Number.NaN }], { runName: 'nan' });
    await expect(failed).rejects.toBeInstanceOf(TableError);
    await expect(failed).rejects.toThrow('Row 2, column "a"');
    await expect(runsNamed('nan')).resolves.toEqual([]);
  });
});

describe('invoke', () => {
  test.each([
    ['the endpoint decides', undefined],
    ['it is asynchronous', true],
    ['it is synchronous', false],
  ])('the output is the same when %s', async (_how, async) => {
    await expect(client.endpoint('anything').invoke({ a: [1, null] }, { async })).resolves.toEqual({
      input: { a: [1, null] },
    });
  });

  test('bytes go in and come out', async () => {
    const output = await client
      .endpoint('anything')
      .invoke<Uint8Array>({ bytes: new Uint8Array([1, 2, 255]), contentType: 'application/octet-stream' });
    expect([...output]).toEqual([255, 2, 1]);
  });

  test.each([
    ['bytes', (text: string) => new TextEncoder().encode(text)],
    ['a Blob', (text: string) => new Blob([text])],
  ])('JSON with a byte order mark is accepted as %s', async (_what, contentOf) => {
    for (const mark of ['\ufeff', '\ufeff\ufeff']) {
      const input = { bytes: contentOf(`${mark}[{"a":1}]`), contentType: 'application/json' };
      expect(await client.endpoint('anything').invoke(input)).toEqual({ input: [{ a: 1 }] });
    }
  });

  test('JSON that is too long to be shown inside a run is fetched', async () => {
    const input = 'x'.repeat(300 * 1_024);
    await expect(client.endpoint('anything').invoke(input)).resolves.toEqual({ input });
  });

  test('it waits for the end where the server stops waiting earlier', async () => {
    await expect(client.endpoint('slow-sync').invoke({ pauseMs: 1_500 })).resolves.toEqual({
      input: { pauseMs: 1_500 },
    });
  });

  test.each([[true], [false]])('a model that fails is a ModelError with the run (async: %s)', async (async) => {
    const failed = client.endpoint('anything').invoke({ fail: 'No ring found.' }, { async });
    await expect(failed).rejects.toBeInstanceOf(ModelError);
    await expect(failed).rejects.toMatchObject({
      detail: expect.stringContaining('No ring found.'),
      runId: expect.any(String),
      status: 424,
      retryable: false,
    });
  });

  test('a run over its time limit is a RunTimeoutError', async () => {
    const failed = client.endpoint('anything').invoke({ pauseMs: 60_000 }, { timeout: 0.3 });
    await expect(failed).rejects.toBeInstanceOf(RunTimeoutError);
  });

  test('an endpoint that is not there is an EndpointNotFoundError that names those that are', async () => {
    const failed = client.endpoint('nope').invoke(1);
    await expect(failed).rejects.toBeInstanceOf(EndpointNotFoundError);
    await expect(failed).rejects.toThrow('anything');
  });

  test('options that the server refuses are an InvalidRequestError with each place', async () => {
    const failed = client.endpoint('anything').invoke(1, { priority: 1_000, runName: '' });
    await expect(failed).rejects.toBeInstanceOf(InvalidRequestError);
    await expect(failed).rejects.toMatchObject({ errors: [{ pointer: '/run_name' }, { pointer: '/priority' }] });
  });
});

describe('submit and re-attach', () => {
  test('a handle made from the id alone has the result', async () => {
    const { id } = await client.endpoint('rows').submit([{ id: 1, value: 2 }]);
    await expect(connect({ url: server.url }).run(id).result()).resolves.toEqual([{ id: 1, value: 2, type: 'number' }]);
  });

  test('another process re-attaches to a run by its id', async () => {
    const { id } = await client.endpoint('rows').submit([{ id: 7, pauseMs: 300 }]);
    const script = `import { connect } from 'claimcheck'; console.log(JSON.stringify(await connect().run('${id}').result()));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, CLAIMCHECK_URL: server.url },
    });
    expect(JSON.parse(stdout)).toMatchObject([{ id: 7 }]);
  });

  test('a lost answer is asked for again and there is one run', async () => {
    const proxy = await startLosingProxy(server.url);
    onTestFinished(() => proxy.close());
    const run = await connect({ url: proxy.url }).endpoint('anything').submit({ a: 1 }, { runName: 'lost-answer' });
    expect(proxy.connections()).toBeGreaterThan(1);
    const runs = await runsNamed('lost-answer');
    expect(runs.map(({ run_id: id }) => id)).toEqual([run.id]);
  });

  test('a wait goes on over a crash of the server', async () => {
    const own = await startServer();
    onTestFinished(() => own.stop());
    const run = await connect({ url: own.url }).endpoint('anything').submit({ pauseMs: 500 });
    const result = run.result();
    await own.kill();
    await own.restart();
    await expect(result).resolves.toEqual({ input: { pauseMs: 500 } });
  });

  test('a job is started once, however often its script runs', async () => {
    const submit = () => client.endpoint('anything').submit({ a: 1 }, { jobKey: 'nightly', runName: 'job' });
    const [first, second] = [await submit(), await submit()];
    expect(second.id).toBe(first.id);
    await expect(second.result()).resolves.toEqual({ input: { a: 1 } });
    await expect(client.endpoint('anything').submit({ a: 2 }, { jobKey: 'nightly' })).rejects.toBeInstanceOf(
      IdempotencyMismatchError,
    );
  });

  test('a job whose run failed or was cancelled is started anew', async () => {
    const submit = () => client.endpoint('anything').submit({ fail: 'no' }, { jobKey: 'failing' });
    const first = await submit();
    await first.wait();
    const second = await submit();
    expect(second.id).not.toBe(first.id);
    await second.wait();
    expect((await submit()).id).not.toBe(second.id);
  });

  test('a job that fails again and again ends with what to do, and never with an old failure as its own', async () => {
    const submit = () => client.endpoint('anything').submit({ fail: 'no' }, { jobKey: 'hopeless' });
    const ids = new Set<string>();
    for (let start = 1; start <= 20; start += 1) {
      const run = await submit();
      await run.wait();
      ids.add(run.id);
    }
    expect(ids.size).toBe(20);
    await expect(submit()).rejects.toThrow(/^jobKey "hopeless" is used up: 20 runs have failed .* Use another key\.$/);
  });

  test('a full queue is a QueueFullError once the tries are used up', async () => {
    const narrow = connect({ url: server.url, retry: { tries: 1 } }).endpoint('narrow');
    const running = await narrow.submit({ pauseMs: 60_000 });
    await until('the run is running', async () => (await running.status()).status === 'running');
    const queued = await narrow.submit({});
    await expect(narrow.submit({})).rejects.toBeInstanceOf(QueueFullError);
    await Promise.all([running.cancel(), queued.cancel()]);
  });
});

describe('the logs of a run', () => {
  test('are answered line by line, whole or from a line on', async () => {
    const run = await client.endpoint('anything').submit({ say: ['a', 'b', 'c'] });
    await run.wait();
    expect(await run.logs()).toMatchObject([
      { attempt: 1, stream: 'log', message: 'a', fields: { place: 0 } },
      { message: 'b' },
      { message: 'c' },
    ]);
    expect((await run.logs({ after: 2 })).map(({ message }) => message)).toEqual(['c']);
  });

  test('are followed while it runs, each line once, until it has ended', async () => {
    const gates = new Gates(await folderForTest());
    const run = await client.endpoint('anything').submit({ say: ['a', 'b'], gate: gates.path('open') });
    const followed: string[] = [];
    for await (const { message } of run.followLogs()) {
      followed.push(message);
      gates.open('open');
    }
    expect(followed).toEqual(['a', 'b']);
    expect((await run.status()).done).toBe(true);
  });

  test('of an unknown run are a RunNotFoundError', async () => {
    await expect(client.run('0199f4a2-6f2e-7cc1-9d2b-0a1b2c3d4e5f').logs()).rejects.toBeInstanceOf(RunNotFoundError);
  });
});

describe('aborting and cancelling', () => {
  const abortWhenRunning = (stop: AbortController) => (run: RunBody) =>
    void (run.status === 'running' && stop.abort(new Error('enough')));

  test('an abort stops waiting, and the run goes on', async () => {
    const stop = new AbortController();
    const gates = new Gates(await folderForTest());
    const gate = gates.path('goes-on');
    const waited = client
      .endpoint('anything')
      .invoke({ gate }, { signal: stop.signal, runName: 'goes-on', onProgress: abortWhenRunning(stop) });
    await expect(waited).rejects.toThrow('enough');
    const [run] = await runsNamed('goes-on');
    expect(run!.done).toBe(false);
    gates.open('goes-on');
    await expect(client.run(run!.run_id).result()).resolves.toEqual({ input: { gate } });
  });

  test('an abort with cancelOnAbort cancels the run', async () => {
    const stop = new AbortController();
    const options = {
      signal: stop.signal,
      cancelOnAbort: true,
      runName: 'cancelled',
      onProgress: abortWhenRunning(stop),
    };
    const waited = client.endpoint('rows').inference([{ id: 1, pauseMs: 60_000 }], options);
    await expect(waited).rejects.toThrow('enough');
    const [run] = await runsNamed('cancelled');
    expect(run!.status).toBe('cancelled');
  });

  test('a cancelled run has no result', async () => {
    const run = await client.endpoint('anything').submit({ pauseMs: 60_000 });
    await expect(run.cancel()).resolves.toMatchObject({ status: 'cancelled' });
    await expect(run.cancel()).resolves.toMatchObject({ status: 'cancelled' });
    await expect(run.result()).rejects.toBeInstanceOf(RunCancelledError);
    await expect(run.output()).rejects.toMatchObject({ slug: 'run-cancelled', runId: run.id });
  });

  test('a run that has ended cannot be cancelled', async () => {
    const run = await client.endpoint('anything').submit({});
    await run.wait();
    await expect(run.cancel()).rejects.toBeInstanceOf(RunEndedError);
  });
});

describe('retrying', () => {
  test('a run that failed is tried again as a new run, which says whose input it has', async () => {
    const first = await client.endpoint('anything').submit({ fail: 'no' }, { runName: 'retried', priority: 3 });
    await first.wait();
    const again = await first.retry();
    expect(again.id).not.toBe(first.id);
    await expect(again.wait()).resolves.toMatchObject({ retry_of: first.id, run_name: 'retried', priority: 3 });
    await expect(again.result()).rejects.toBeInstanceOf(ModelError);
  });

  test('a lost answer is asked for again and there is one new run', async () => {
    const first = await client.endpoint('anything').submit(1, { runName: 'retried once' });
    await first.wait();
    const proxy = await startLosingProxy(server.url);
    onTestFinished(() => proxy.close());
    const again = await connect({ url: proxy.url }).run(first.id).retry();
    expect(proxy.connections()).toBeGreaterThan(1);
    expect((await runsNamed('retried once')).map(({ run_id: id }) => id)).toEqual([again.id, first.id]);
  });

  test('a run that has not ended, and a chunk, cannot be retried', async () => {
    const run = await client.endpoint('anything').submit({ pauseMs: 60_000 });
    await expect(run.retry()).rejects.toBeInstanceOf(RunNotEndedError);
    await run.cancel();
    const batch = await client.endpoint('rows').submit([{ id: 1 }]);
    await batch.wait();
    const chunks = await Array.fromAsync(client.runs({ parentId: batch.id }));
    await expect(client.run(chunks[0]!.run_id).retry()).rejects.toBeInstanceOf(InvalidRequestError);
  });
});

describe('a concurrency key', () => {
  test('gets the run that has it until that has ended', async () => {
    const endpoint = client.endpoint('anything');
    const first = await endpoint.submit({ pauseMs: 60_000 }, { concurrencyKey: 'one' });
    const second = await endpoint.submit(2, { concurrencyKey: 'one' });
    expect([first.deduplicated, second.deduplicated]).toEqual([false, true]);
    expect(second.id).toBe(first.id);
    await first.cancel();
    await expect(second.result()).rejects.toBeInstanceOf(RunCancelledError);
    await expect(endpoint.invoke(4, { concurrencyKey: 'one' })).resolves.toEqual({ input: 4 });
  });

  test('never gets a table, or an input, the answer to another: a caller that waits for it is told which run goes on', async () => {
    const [rows, anything] = [client.endpoint('rows'), client.endpoint('anything')];
    const [table, input] = [
      await rows.submit([{ id: 1, pauseMs: 60_000 }], { concurrencyKey: 'mine' }),
      await anything.submit({ pauseMs: 60_000 }, { concurrencyKey: 'mine' }),
    ];
    const others = [{ id: 2 }, { id: 3 }];
    const asked = { concurrencyKey: 'mine' };
    for (const call of [
      rows.inference(others, asked),
      rows.inference({ bytes: new TextEncoder().encode('id\n2\n'), contentType: 'text/csv' }, asked),
    ])
      await expect(call).rejects.toMatchObject({ name: 'DeduplicatedError', runId: table.id });
    const call = anything.invoke(2, asked);
    await expect(call).rejects.toBeInstanceOf(DeduplicatedError);
    await expect(call).rejects.toMatchObject({
      runId: input.id,
      message: expect.stringContaining('submit()') as string,
    });
    await Promise.all([table.cancel(), input.cancel()]);
  });

  test('goes with a table, too', async () => {
    const rows = client.endpoint('rows');
    await expect(rows.inference([{ id: 1 }], { concurrencyKey: 'table' })).resolves.toHaveLength(1);
    const listed = await Array.fromAsync(client.runs({ endpoint: 'rows', limit: 1 }));
    expect(listed[0]).toMatchObject({ concurrency_key: 'table' });
  });
});

describe('purging', () => {
  test('a queue says how many of its runs were cancelled, or would be', async () => {
    const narrow = client.endpoint('narrow');
    const held = await narrow.submit({ pauseMs: 60_000 });
    await until('the run is running', async () => (await held.status()).status === 'running');
    const waiting = await narrow.submit(1, { runName: 'waiting' });
    await expect(narrow.purgeQueue({ dryRun: true })).resolves.toEqual({ cancelled: 1 });
    await expect(narrow.purgeQueue({ olderThan: 3_600 })).resolves.toEqual({ cancelled: 0 });
    await expect(narrow.purgeQueue({ runName: 'other' })).resolves.toEqual({ cancelled: 0 });
    await expect(narrow.purgeQueue()).resolves.toEqual({ cancelled: 1 });
    await expect(waiting.result()).rejects.toBeInstanceOf(RunCancelledError);
    await held.cancel();
  });

  test('the default endpoint needs no name, and one that is not there is an EndpointNotFoundError', async () => {
    await expect(client.endpoint().purgeQueue()).resolves.toEqual({ cancelled: 0 });
    await expect(client.endpoint('nope').purgeQueue()).rejects.toBeInstanceOf(EndpointNotFoundError);
  });
});

describe('looking', () => {
  test('the status of a run is the run as the server has it', async () => {
    const run = await client.endpoint('anything').submit({ a: 1 });
    await expect(run.wait()).resolves.toMatchObject({
      run_id: run.id,
      endpoint: 'anything',
      status: 'succeeded',
      outputs: { input: { a: 1 } },
    });
    await expect(run.status()).resolves.toMatchObject({ done: true });
  });

  test('a run that is not there is a RunNotFoundError', async () => {
    await expect(client.run('nope').status()).rejects.toBeInstanceOf(RunNotFoundError);
  });

  test('runs are listed newest first, beyond a page, as many as were asked for', async () => {
    const submitted: string[] = [];
    for (let count = 0; count < 103; count += 1)
      submitted.unshift((await client.endpoint('anything').submit(count, { runName: 'page' })).id);
    const ids = (await runsNamed('page')).map(({ run_id: id }) => id);
    expect(ids).toEqual(submitted);
    const few: string[] = [];
    for await (const { run_id: id } of client.runs({ runName: 'page', limit: 101 })) few.push(id);
    expect(few).toEqual(submitted.slice(0, 101));
  });

  test('endpoints say what they are', async () => {
    const endpoints = await client.endpoints();
    expect(endpoints.map(({ name }) => name).toSorted()).toEqual(['anything', 'narrow', 'rows', 'slow-sync']);
    await expect(client.endpoint('anything').describe()).resolves.toMatchObject({
      name: 'anything',
      mode: 'sync',
      replicas: { max: 1 },
    });
    await expect(client.endpoint().describe()).resolves.toMatchObject({ name: 'rows', default: true });
    const { replicas } = await client.endpoint('anything').describe();
    await expect(client.endpoint('anything').instanceCounts()).resolves.toMatchObject({
      min: replicas.min,
      max: replicas.max,
      current: expect.any(Number) as number,
      desired: expect.any(Number) as number,
    });
  });
});
