// What only a ledger in a file can get wrong: who may open it, what is in it afterwards, and what
// its CHECKs keep out.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { newRunId, systemClock } from '../../../src/system/clock.ts';
import type { RunId } from '../../../src/domain/ids.ts';
import { seconds } from '../../../src/domain/time.ts';
import type { Ledger } from '../../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../../src/stores/ledger/sqlite/driver.ts';
import { openDatabase } from '../../../src/stores/ledger/sqlite/open.ts';
import { folderForTest } from '../../support/folder.ts';
import { FIXTURES } from '../../support/service.ts';
import { call, inline } from './conformance.ts';

const fileForTest = async (): Promise<string> => join(await folderForTest(), 'data', 'ledger.sqlite');

async function ledgerForTest(file: string): Promise<Ledger> {
  const ledger = await openSqliteLedger(file, systemClock);
  onTestFinished(() => ledger.close());
  await ledger.deploy({
    name: 'echo',
    fingerprint: 'a',
    spec: 'null',
    source: 'config',
    queueLimit: 1_000_000,
    concurrencyLimit: null,
  });
  return ledger;
}

/** A database that is no ledger, as another program would have made it. */
async function otherDatabase(...statements: string[]): Promise<string> {
  const file = join(await folderForTest(), 'ledger.sqlite');
  const db = new DatabaseSync(file);
  for (const statement of statements) db.exec(statement);
  db.close();
  return file;
}

describe('opening', () => {
  test('makes the file and the folders on the way to it', async () => {
    const ledger = await ledgerForTest(await fileForTest());
    expect(await ledger.depths()).toMatchObject([{ endpoint: 'echo', queued: 0 }]);
  });

  test('is refused while another server has the file, with what to do, and the other one goes on', async () => {
    const file = await fileForTest();
    const first = await ledgerForTest(file);
    await expect(openSqliteLedger(file, systemClock)).rejects.toThrow(
      /Another process has .*ledger\.sqlite open\. .*stop the other one, or choose another with --data/,
    );
    expect(await first.enqueue([call()])).toMatchObject([{ result: 'enqueued' }]);
  });

  test('is possible again once the other server has let go', async () => {
    const file = await fileForTest();
    const first = await ledgerForTest(file);
    await first.close();
    await ledgerForTest(file);
  });

  test('of a file that a newer claimcheck wrote is refused, and the file is left alone', async () => {
    const file = await fileForTest();
    openDatabase(file).close();
    const db = new DatabaseSync(file);
    db.exec('PRAGMA user_version = 99');
    db.close();
    expect(() => openDatabase(file)).toThrow(/newer claimcheck \(schema 99/);
  });

  test.each([
    ['with a mark of its own', ['CREATE TABLE notes (text TEXT)', 'PRAGMA application_id = 7']],
    ['without a mark, as most have none', ['CREATE TABLE notes (text TEXT)', "INSERT INTO notes VALUES ('mine')"]],
    ['without a mark, and with a version', ['CREATE TABLE notes (text TEXT)', 'PRAGMA user_version = 1']],
  ])("of another program's database %s is refused, and nothing is added to it", async (_, statements) => {
    const file = await otherDatabase(...statements);
    await expect(openSqliteLedger(file, systemClock)).rejects.toThrow(/another program's database/);
    const db = new DatabaseSync(file);
    onTestFinished(() => db.close());
    expect(db.prepare('SELECT name FROM sqlite_schema').all()).toMatchObject([{ name: 'notes' }]);
  });

  test('of a file that is no database is refused for what it is', async () => {
    const file = join(await folderForTest(), 'ledger.sqlite');
    writeFileSync(file, 'This is a letter, and no database at all. '.repeat(100));
    await expect(openSqliteLedger(file, systemClock)).rejects.toThrow(/not a database|no database/);
  });

  test('of what cannot be a file is refused with its path', async () => {
    const file = join(await folderForTest(), 'file');
    writeFileSync(file, '');
    await expect(openSqliteLedger(join(file, 'ledger.sqlite'), systemClock)).rejects.toThrow(
      `The folder ${file} cannot be made: it is a file.`,
    );
  });

  test('is durable: FULL, also after a write, in a write-ahead log', async () => {
    const db = openDatabase(await fileForTest());
    onTestFinished(() => db.close());
    const pragma = (name: string): unknown => Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0];
    expect(pragma('synchronous')).toBe(2);
    db.exec(
      "INSERT INTO endpoints (name, version, fingerprint, deployed_at_ms, queue_limit) VALUES ('a', 1, 'x', 0, 1)",
    );
    expect(pragma('synchronous')).toBe(2);
    expect(pragma('journal_mode')).toBe('wal');
    expect(pragma('locking_mode')).toBe('exclusive');
    expect(pragma('foreign_keys')).toBe(1);
  });
});

describe('opening again', () => {
  test('finds everything that was written down', async () => {
    const file = await fileForTest();
    const first = await ledgerForTest(file);
    const [done, waiting] = [call({ input: inline('{"in":1}') }), call({ runName: 'waits', priority: -1 })];
    await first.enqueue([done, waiting, call({ idempotency: { key: 'k', fingerprint: 'f' } })]);
    const [claimed] = await first.claim({
      endpoint: 'echo',
      version: 1,
      lane: 'replica',
      slots: [{ replica: 'r1', coldStart: seconds(2) }],
      alone: false,
      owner: 'me',
      lease: seconds(30),
    });
    await first.finish([
      { claim: claimed!.claim, result: { kind: 'succeeded', output: inline('{"out":2}') }, progress: null },
    ]);
    const look = async (ledger: Ledger) => ({
      runs: await ledger.runs({ limit: 10 }),
      attempts: await ledger.attempts(done.runId),
      input: await ledger.payload(done.runId, 'input'),
      output: await ledger.payload(done.runId, 'output'),
      depths: await ledger.depths(),
    });
    const before = await look(first);
    expect(before.runs).toHaveLength(3);
    expect(before.attempts).toMatchObject([{ outcome: 'succeeded', coldStart: 2_000 }]);
    await first.close();

    const again = await openSqliteLedger(file, systemClock);
    onTestFinished(() => again.close());
    expect(await look(again)).toEqual(before);
    expect(await again.enqueue([call({ idempotency: { key: 'k', fingerprint: 'f' } })])).toMatchObject([
      { result: 'replayed' },
    ]);
    expect(
      await again.deploy({
        name: 'echo',
        fingerprint: 'a',
        spec: 'null',
        source: 'config',
        queueLimit: 1,
        concurrencyLimit: null,
      }),
    ).toBe(1);
  });

  test('finds every run that a killed process had acknowledged', async () => {
    const file = await fileForTest();
    const server = spawn(process.execPath, [join(FIXTURES, 'enqueue.ts'), file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void server.kill('SIGKILL'));
    const acknowledged: string[] = [];
    const lines = createInterface(server.stdout);
    lines.on('line', (line) => {
      acknowledged.push(line);
      if (acknowledged.length === 500) server.kill('SIGKILL');
    });
    await Promise.all([once(server, 'close'), once(lines, 'close')]);
    expect(acknowledged.length).toBeGreaterThanOrEqual(500);

    const again = await ledgerForTest(file);
    const found = await Promise.all(acknowledged.map((runId) => again.run(runId as RunId)));
    expect(found.filter((run) => run?.status !== 'queued')).toEqual([]);
    const inputs = await Promise.all(acknowledged.map((runId) => again.payload(runId as RunId, 'input')));
    expect(inputs.filter((input) => input === null)).toEqual([]);
    // What was written but not acknowledged any more may be there, and counts.
    const [depth] = await again.depths();
    expect(depth!.queued).toBeGreaterThanOrEqual(acknowledged.length);
  });
});

describe('what the rules of a run forbid is kept out by the file itself', () => {
  /** Columns of a queued call, as valid as they can be. */
  const RUN = {
    run_id: `'${newRunId()}'`,
    endpoint: "'echo'",
    version: '1',
    kind: "'call'",
    status: "'queued'",
    priority: '0',
    created_at_ms: '0',
    due_at_ms: '0',
    input_type: "'text/plain'",
    input_bytes: '0',
    input_sha256: "'0'",
  };
  const RUNNING = { status: "'running'", attempt: '1', started_at_ms: '1', owner: "'me'", lease_until_ms: '1' };
  const CHUNK = { kind: "'chunk'", parent_seq: '1', row_from: '0', row_to: '2', input_sha256: 'NULL' };
  const SUCCEEDED = { status: "'succeeded'", finished_at_ms: '1', output_sha256: "'0'" };
  const FAILED = { status: "'failed'", finished_at_ms: '1', error_type: "'model-error'" };

  function insert(changes: Record<string, string>): string {
    const columns = { ...RUN, ...changes };
    return `INSERT INTO runs (${Object.keys(columns).join(', ')}) VALUES (${Object.values(columns).join(', ')})`;
  }

  function database(): DatabaseSync {
    const db = openDatabase(':memory:');
    onTestFinished(() => db.close());
    db.exec(
      "INSERT INTO endpoints (name, version, fingerprint, deployed_at_ms, queue_limit) VALUES ('echo', 1, 'a', 0, 1)",
    );
    db.exec(insert({ run_id: "'parent'", kind: "'batch'", batch: "'{}'", ...RUNNING }));
    return db;
  }

  test.each([
    ['a queued call', {}],
    ['a running call', RUNNING],
    ['a succeeded call', { ...SUCCEEDED, attempt: '1' }],
    ['a failed call', FAILED],
    ['a cancelled call', { status: "'cancelled'", finished_at_ms: '1' }],
    ['a chunk', CHUNK],
    ['a batch', { kind: "'batch'", batch: "'{}'" }],
  ])('%s is let in', (_, changes) => {
    database().exec(insert(changes));
  });

  test.each([
    ['a_running_run_is_leased', { ...RUNNING, lease_until_ms: 'NULL' }],
    ['a_running_run_is_leased', { ...RUNNING, owner: 'NULL' }],
    ['a_running_run_is_leased', { lease_until_ms: '1', owner: "'me'" }],
    ['a_running_run_was_claimed', { ...RUNNING, attempt: '0' }],
    ['a_running_run_was_claimed', { ...RUNNING, started_at_ms: 'NULL' }],
    ['an_ended_run_has_its_time', { ...SUCCEEDED, finished_at_ms: 'NULL' }],
    ['an_ended_run_has_its_time', { ...FAILED, finished_at_ms: 'NULL' }],
    ['an_ended_run_has_its_time', { status: "'cancelled'" }],
    ['an_ended_run_has_its_time', { finished_at_ms: '1' }],
    ['a_failed_run_says_why', { ...FAILED, error_type: 'NULL' }],
    ['a_failed_run_says_why', { error_type: "'model-error'" }],
    ['a_failed_run_says_why', { ...SUCCEEDED, error_type: "'model-error'" }],
    ['a_succeeded_run_has_an_output', { ...SUCCEEDED, output_sha256: 'NULL' }],
    ['a_succeeded_run_has_an_output', { output_sha256: "'0'" }],
    ['a_succeeded_run_has_an_output', { ...FAILED, output_sha256: "'0'" }],
    ['a_chunk_has_a_parent', { ...CHUNK, parent_seq: 'NULL' }],
    ['a_chunk_has_a_parent', { ...CHUNK, row_from: 'NULL' }],
    ['a_chunk_has_a_parent', { ...CHUNK, row_to: '0' }],
    ['a_chunk_has_a_parent', { parent_seq: '1', row_from: '0', row_to: '2' }],
    ['all_but_chunks_have_an_input', { input_sha256: 'NULL' }],
    ['all_but_chunks_have_an_input', { ...CHUNK, input_sha256: "'0'" }],
    ['a_batch_has_its_options', { kind: "'batch'" }],
    ['a_batch_has_its_options', { batch: "'{}'" }],
    ['CHECK constraint failed: kind', { kind: "'graph'" }],
    ['CHECK constraint failed: status', { status: "'expired'" }],
    ['attempt >= 0', { attempt: '-1' }],
    ['counted_attempts BETWEEN 0 AND attempt', { attempt: '1', counted_attempts: '2' }],
  ])('%s: %j is not', (constraint, changes) => {
    expect(() => database().exec(insert(changes as Record<string, string>))).toThrow(
      expect.objectContaining({ message: expect.stringContaining(constraint) as string }),
    );
  });

  test.each([
    ['runs.run_id', insert({ run_id: "'parent'" })],
    ['runs.parent_seq, runs.row_from, runs.row_to', `${insert(CHUNK)}; ${insert({ ...CHUNK, run_id: "'other'" })}`],
    ['FOREIGN KEY', insert({ endpoint: "'never deployed'" })],
    ['FOREIGN KEY', insert({ ...CHUNK, parent_seq: '99' })],
    ['queued >= 0', "UPDATE endpoints SET queued = -1 WHERE name = 'echo'"],
    ['queue_limit >= 0', "UPDATE endpoints SET queue_limit = -1 WHERE name = 'echo'"],
    [
      'an_ended_attempt_has_its_time',
      "INSERT INTO attempts (run_seq, attempt, started_at_ms, outcome) VALUES (1, 1, 0, 'failed')",
    ],
    [
      'CHECK constraint failed: outcome',
      "INSERT INTO attempts (run_seq, attempt, started_at_ms, finished_at_ms, outcome) VALUES (1, 1, 0, 1, 'x')",
    ],
    ['attempt >= 1', 'INSERT INTO attempts (run_seq, attempt, started_at_ms) VALUES (1, 0, 0)'],
    ['INTEGER', insert({ priority: "'high'" })],
  ])('%s is kept, too', (constraint, statements) => {
    expect(() => database().exec(statements)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(constraint) as string }),
    );
  });
});

const canLimit = spawnSync('prlimit', ['--nofile=48', 'true']).status === 0;

test.skipIf(!canLimit)(
  `a ledger whose thread cannot be started is refused with the reason, and waits for nothing${canLimit ? '' : ' (skipped: there is no prlimit here)'}`,
  async () => {
    const file = await fileForTest();
    // Node takes a few descriptors for itself, more or fewer from version to version.
    const printed = [20, 22, 24, 26, 28, 48].map((descriptors) => {
      const opening = [`--nofile=${descriptors}`, '--', process.execPath, join(FIXTURES, 'open-ledger.ts'), file];
      const { stdout, signal } = spawnSync('prlimit', opening, { encoding: 'utf8', timeout: 60_000 });
      expect(signal).toBeNull();
      return stdout.trimEnd();
    });
    expect(printed).toContain('refused: ERR_WORKER_INIT_FAILED');
    expect(printed.at(-1)).toBe('opened');
  },
);
