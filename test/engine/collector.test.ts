// What is collected when its time is over: a real engine, a real blob folder, and a clock that
// stands still until the test moves it.

import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, onTestFinished, test, expect } from 'vitest';
import { type BlobStore, inputKey, outputKey } from '../../src/stores/blobs/blobs.ts';
import { openBlobDirectory } from '../../src/stores/blobs/directory.ts';
import { newRunId, systemClock } from '../../src/system/clock.ts';
import { ANYBODY } from '../../src/domain/access.ts';
import { ServiceError } from '../../src/domain/errors.ts';
import type { RunId } from '../../src/domain/ids.ts';
import type { BlobKey } from '../../src/domain/payload.ts';
import { DEFAULT_RETENTION } from '../../src/domain/retention.ts';
import { isEnded } from '../../src/domain/run.ts';
import { after, between, days, hours, instant, type Instant, milliseconds, minutes } from '../../src/domain/time.ts';
import { Collector } from '../../src/engine/collector.ts';
import type { Deployed } from '../../src/engine/deployment.ts';
import { Egress } from '../../src/egress/egress.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Payloads } from '../../src/engine/payloads.ts';
import type { Submission } from '../../src/engine/intake.ts';
import type { Ledger } from '../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { Ports } from '../../src/replicas/runtimes/ports.ts';
import { launchReplica } from '../../src/replicas/runtimes/runtime.ts';
import { type LogFile, RunLogs } from '../../src/stores/run-logs/run-logs.ts';
import { openCallbacks } from '../../src/replicas/callbacks.ts';
import { DiskRoom } from '../../src/stores/disk/disk-room.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { call, deployment } from '../stores/ledger/runs.ts';
import { claimedRun } from '../support/claimed.ts';
import { folderForTest } from '../support/folder.ts';
import { serviceForTest, specsOf } from '../support/service.ts';
import { until } from '../support/until.ts';
import { Tracing } from '../../src/system/tracing.ts';

const LARGE = 'x'.repeat(20_000);

interface Collecting {
  readonly collector: Collector;
  readonly engine: Engine;
  readonly ledger: Ledger;
  readonly blobs: BlobStore;
  readonly logs: RunLogs;
  readonly clock: ManualClock;
  submit(wish: unknown, changes?: Partial<Submission>): Promise<RunId>;
  /** Submits, and answers the run's id once it has ended. */
  done(wish: unknown): Promise<RunId>;
  /** Names of all blobs that are there. */
  stored(): string[];
  pathOf(key: BlobKey): string;
  /** Puts a file where a blob would be. */
  place(key: BlobKey, text: string): void;
  /** Makes a blob look as if it had been stored at another time. */
  storedAt(key: BlobKey, at: Instant): void;
}

/**
 * An engine with one endpoint, and a collector beside its own, which comes when the test says so.
 */
async function collectingForTest(queueLimit = 100): Promise<Collecting> {
  const clock = new ManualClock();
  const data = await folderForTest();
  const folder = join(data, 'blobs');
  const ledger = await openSqliteLedger(':memory:', clock);
  const blobs = await openBlobDirectory(folder);
  const [spec] = specsOf({ jobs: { model: './anything.ts', queueLimit } });
  const deployed: Deployed = { spec: spec!, version: 1, takes: 'any', inputSchema: null, outputSchema: null };
  await ledger.deploy({
    name: 'jobs',
    fingerprint: 'a',
    spec: 'null',
    source: 'config',
    queueLimit,
    concurrencyLimit: null,
  });
  const log = openLog('silent');
  const logs = new RunLogs(join(data, 'logs'), clock, log);
  const callbacks = await openCallbacks();
  const engine = new Engine({
    folder: { since: () => instant(0), isCopied: () => false },
    ledger,
    blobs,
    logs,
    callbacks,
    room: new DiskRoom(data, log),
    clock,
    log,
    observers: [],
    tracing: new Tracing('0'),
    endpoints: [deployed],
    launch: async (_, id) =>
      launchReplica(spec!, id, { folder: join(data, id), environment: process.env, ports: new Ports() }),
    egress: new Egress({ settings: { httpsOnly: false, allow: [] }, ownPort: () => null }),
    inputBytesMax: 1_024,
    onDelivery: () => {},
  });
  onTestFinished(async () => {
    await engine.stop(AbortSignal.abort());
    await callbacks.close();
    await ledger.close();
  });
  await engine.start();
  const submit: Collecting['submit'] = async (wish, changes = {}) => {
    const accepted = await engine.submit({
      principal: ANYBODY,
      deployed,
      input: { bytes: new TextEncoder().encode(JSON.stringify(wish)), contentType: 'application/json' },
      inputPointer: '/input',
      accept: null,
      batch: 'auto',
      runName: null,
      timeout: null,
      queueTtl: null,
      priority: 0,
      metadata: '{}',
      idempotencyKey: null,
      concurrencyKey: null,
      retryOf: null,
      trace: null,
      callback: null,
      ...changes,
    });
    return accepted.kind === 'new' ? accepted.run.runId : accepted.runId;
  };
  const pathOf = (key: BlobKey): string => join(folder, key.slice(34, 36), key);
  return {
    collector: new Collector({
      ledger,
      blobs,
      logs,
      clock,
      log,
      folder: { since: () => instant(0), isCopied: () => false },
    }),
    engine,
    ledger,
    blobs,
    logs,
    clock,
    submit,
    async done(wish) {
      const runId = await submit(wish);
      await until('the run has ended', async () => isEnded((await engine.runs.view(runId, ANYBODY)).run.status));
      return runId;
    },
    stored: () =>
      readdirSync(folder, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => name)
        .sort(),
    pathOf,
    place: (key, text) => {
      mkdirSync(dirname(pathOf(key)), { recursive: true });
      writeFileSync(pathOf(key), text);
    },
    storedAt: (key, at) => utimesSync(pathOf(key), at / 1_000, at / 1_000),
  };
}

describe('the logs of a run', () => {
  test('are deleted with its payloads, and not before', async () => {
    const { collector, engine, clock, done, logs } = await collectingForTest();
    const runId = await done({ do: 'print', value: 'a line' });
    const files = (): Promise<LogFile[]> => Array.fromAsync(logs.list());
    const [file] = await files();
    // Files have the machine's time, and the test's clock stands still.
    utimesSync(file!.file, clock.now() / 1_000, clock.now() / 1_000);
    clock.advance(milliseconds(DEFAULT_RETENTION - 1));
    await collector.collect();
    await collector.deleteLogs();
    expect((await engine.runs.logs(runId, ANYBODY)).lines).toHaveLength(1);
    clock.advance(milliseconds(1));
    await collector.collect();
    expect((await engine.runs.logs(runId, ANYBODY)).lines).toBeNull();
    expect(await files()).toEqual([]);
  });

  test('that were left behind when its payloads were deleted are found by a pass', async () => {
    const { collector, clock, done, logs } = await collectingForTest();
    const runId = await done({ do: 'print', value: 'a line' });
    clock.advance(DEFAULT_RETENTION);
    await collector.collect();
    const writer = logs.writer(runId, 1);
    writer.add({ stream: 'log', message: 'a late line', fields: null });
    await writer.close();
    const [file] = await Array.fromAsync(logs.list());
    utimesSync(file!.file, clock.now() / 1_000, clock.now() / 1_000);
    clock.advance(milliseconds(3_600_001));
    await collector.deleteLogs();
    expect(await Array.fromAsync(logs.list())).toEqual([]);
  });

  test('are left alone while the run goes on, and deleted where nobody knows the run', async () => {
    const { collector, clock, logs } = await collectingForTest();
    const writer = logs.writer(newRunId(), 1);
    writer.add({ stream: 'log', message: 'a line', fields: null });
    await writer.close();
    const [file] = await Array.fromAsync(logs.list());
    utimesSync(file!.file, clock.now() / 1_000, clock.now() / 1_000);
    await collector.deleteLogs();
    expect(await Array.fromAsync(logs.list())).toHaveLength(1);
    clock.advance(milliseconds(3_600_001));
    await collector.deleteLogs();
    expect(await Array.fromAsync(logs.list())).toEqual([]);
  });
});

describe('a run whose retention is over', () => {
  test('loses its input and output, small or large, and keeps its line until that is over too', async () => {
    const { collector, engine, ledger, clock, done, stored } = await collectingForTest();
    const [small, large] = [await done({ do: 'say', value: 1 }), await done({ value: LARGE })];
    expect(stored()).toEqual([inputKey(large), outputKey(large, 1)]);
    clock.advance(DEFAULT_RETENTION);
    await collector.collect();
    expect(stored()).toEqual([]);
    for (const runId of [small, large]) {
      expect(await ledger.payload(runId, 'input')).toBeNull();
      expect(await ledger.payload(runId, 'output')).toBeNull();
      expect((await engine.runs.view(runId, ANYBODY)).run).toMatchObject({ status: 'succeeded', payloadsKept: false });
    }
    clock.advance(days(30));
    await collector.collect();
    for (const runId of [small, large]) expect(await ledger.run(runId)).toBeNull();
  });

  test('has kept them until then', async () => {
    const { collector, ledger, clock, done, stored } = await collectingForTest();
    const runId = await done({ value: LARGE });
    clock.advance(milliseconds(DEFAULT_RETENTION - 1));
    await collector.collect();
    expect(stored()).toHaveLength(2);
    expect(await ledger.run(runId)).toMatchObject({ payloadsKept: true });
  });

  test('leaves no file behind, also where one could not be deleted the first time', async () => {
    const { collector, clock, done, stored, pathOf, storedAt } = await collectingForTest();
    const runId = await done({ value: LARGE });
    const [input, output] = [inputKey(runId), outputKey(runId, 1)];
    clock.advance(DEFAULT_RETENTION);
    // A folder in the place of a file cannot be deleted as one.
    renameSync(pathOf(input), `${pathOf(input)}.aside`);
    mkdirSync(pathOf(input));
    await collector.collect();
    expect(existsSync(pathOf(output))).toBe(false);
    rmdirSync(pathOf(input));
    renameSync(`${pathOf(input)}.aside`, pathOf(input));
    expect(stored()).toEqual([input]);
    storedAt(input, clock.now());
    clock.advance(hours(2));
    await collector.deleteOrphans();
    expect(stored()).toEqual([]);
  });
});

describe('a blob that no run names', () => {
  test('is deleted once it is older than an hour, and not before', async () => {
    const { collector, blobs, clock, stored, storedAt } = await collectingForTest();
    const [old, young] = [inputKey(newRunId()), inputKey(newRunId())];
    for (const key of [old, young]) await blobs.put(key, new Uint8Array(10));
    storedAt(old, clock.now());
    clock.advance(minutes(1));
    storedAt(young, clock.now());
    clock.advance(hours(1));
    await collector.deleteOrphans();
    expect(stored()).toEqual([young]);
    clock.advance(minutes(1));
    await collector.deleteOrphans();
    expect(stored()).toEqual([]);
  });

  test('is deleted where its run lives, and the blobs that the run names stay', async () => {
    const { collector, engine, blobs, clock, done, stored, storedAt } = await collectingForTest();
    const runId = await done({ value: LARGE });
    // As an attempt that lost its claim leaves it when its server dies before it has deleted it.
    const lost = outputKey(runId, 7);
    await blobs.put(lost, new Uint8Array(10));
    for (const key of [inputKey(runId), outputKey(runId, 1), lost]) storedAt(key, clock.now());
    clock.advance(hours(2));
    await collector.deleteOrphans();
    expect(stored()).toEqual([inputKey(runId), outputKey(runId, 1)]);
    expect((await engine.runs.output((await engine.runs.view(runId, ANYBODY)).run))?.content.length).toBeGreaterThan(
      LARGE.length,
    );
  });

  test('stays while its run goes on, for it may be named yet', async () => {
    const { collector, engine, blobs, clock, submit, stored, storedAt } = await collectingForTest();
    const runId = await submit({ do: 'hang' });
    const unnamed = outputKey(runId, 1);
    await blobs.put(unnamed, new Uint8Array(10));
    storedAt(unnamed, clock.now());
    clock.advance(hours(2));
    await collector.deleteOrphans();
    expect(stored()).toEqual([unnamed]);
    await engine.cancel(runId, ANYBODY);
    await collector.deleteOrphans();
    expect(stored()).toEqual([]);
  });

  test('is found among many more than are asked for at a time', async () => {
    const { collector, clock, stored, place, storedAt } = await collectingForTest();
    for (const key of Array.from({ length: 1_200 }, () => inputKey(newRunId()))) {
      place(key, '');
      storedAt(key, clock.now());
    }
    clock.advance(hours(2));
    await collector.deleteOrphans();
    expect(stored()).toEqual([]);
  });

  test('is nobody else’s file', async () => {
    const { collector, clock, stored, place, storedAt } = await collectingForTest();
    const note = `${newRunId()}.note` as BlobKey;
    place(note, 'not ours');
    storedAt(note, clock.now());
    clock.advance(hours(2));
    await collector.deleteOrphans();
    expect(stored()).toEqual([note]);
  });
});

describe('an input whose run is refused', () => {
  test.each([
    ['because the queue is full', 0, {}, {}],
    ['because its idempotency key has its run already', 9, { idempotencyKey: 'k' }, { idempotencyKey: 'k' }],
    [
      'because its idempotency key was another request’s',
      9,
      { idempotencyKey: 'k' },
      { idempotencyKey: 'k', priority: 1 },
    ],
    ['because a run with its concurrency key is open', 9, { concurrencyKey: 'c' }, { concurrencyKey: 'c' }],
  ])('%s is not kept', async (_, queueLimit, first, second) => {
    const { submit, stored } = await collectingForTest(queueLimit);
    const before = queueLimit === 0 ? [] : [inputKey(await submit({ do: 'hang', LARGE }, first))];
    await submit({ do: 'hang', LARGE }, second).catch((error: unknown) => {
      if (!(error instanceof ServiceError)) throw error;
    });
    expect(stored()).toEqual(before);
  });
});

test('a server collects what an earlier one kept, a second after its end where the configuration says so', async () => {
  const data = await folderForTest();
  const endpoints = { brief: { model: './anything.ts', mode: 'async', retention: '1s' } } as const;
  const earlier = await serviceForTest({ endpoints, data });
  const runId = await earlier.submit('brief', { value: LARGE });
  const small = await earlier.submit('brief', { do: 'say', value: 1 });
  const ends: number[] = [];
  for (const id of [runId, small]) ends.push(Date.parse((await earlier.ended(id)).finished_at));
  // The next server looks soon after its start, and then not for a minute.
  await until('their retention is over', () => Date.now() > Math.max(...ends) + 1_000);
  await earlier.stop();
  const server = await serviceForTest({ endpoints, data });
  const blobs = (): number =>
    readdirSync(join(data, 'blobs'), { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile()).length;
  await until('the files are gone', () => blobs() === 0);
  for (const id of [runId, small]) {
    expect((await server.get(`/runs/${id}/output`)).status).toBeGreaterThanOrEqual(400);
    expect(await server.run(id)).toMatchObject({ status: 'succeeded' });
  }
});

test('a blob that comes to be named while the pass looks is kept', async () => {
  const clock = new ManualClock();
  const ledger = await openSqliteLedger(':memory:', clock);
  onTestFinished(() => ledger.close());
  const blobs = await openBlobDirectory(await folderForTest());
  await ledger.deploy(deployment());
  const { claim } = await claimedRun(ledger, call());
  const key = outputKey(claim.runId, claim.attempt);
  const payloads = new Payloads(blobs);
  const output = await payloads.store(Buffer.from(LARGE), 'text/plain', key);
  clock.advance(between(clock.now(), after(systemClock.now(), hours(2))));
  // Between the two questions that a pass asks, the run ends with this very blob.
  const meanwhile = new Proxy(ledger, {
    get: (target, verb) => {
      const value: unknown = Reflect.get(target, verb, target);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        if (verb === 'run') await ledger.finish([{ claim, result: { kind: 'succeeded', output }, progress: null }]);
        return (await Reflect.apply(value, target, args)) as unknown;
      };
    },
  });
  const log = openLog('silent');
  const logs = new RunLogs(await folderForTest(), clock, log);
  const folder = { since: () => instant(0), isCopied: () => false };
  await new Collector({ ledger: meanwhile, blobs, logs, clock, log, folder }).deleteOrphans();
  expect((await payloads.read(output)).length).toBe(LARGE.length);
});

test('one round collects all that is due, however much that is', async () => {
  const clock = new ManualClock();
  const ledger = await openSqliteLedger(':memory:', clock);
  onTestFinished(() => ledger.close());
  await ledger.deploy(deployment({ queueLimit: 2_000 }));
  const runs = Array.from({ length: 1_001 }, () => call());
  await ledger.enqueue(runs);
  await Promise.all(runs.map(({ runId }) => ledger.cancel(runId)));
  clock.advance(days(365));
  const log = openLog('silent');
  const folder = { since: () => instant(0), isCopied: () => false };
  const blobs = await openBlobDirectory(await folderForTest());
  const logs = new RunLogs(await folderForTest(), clock, log);
  await new Collector({ ledger, blobs, logs, clock, log, folder }).collect();
  expect(await ledger.collect()).toMatchObject({ runs: 0 });
});
