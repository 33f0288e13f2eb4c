// The audit finds what breaks a promise: each is broken by hand in the file of a ledger that is
// closed, and found when it is opened again.

import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { seconds } from '../../../src/domain/time.ts';
import type { ClaimedRun, Ledger } from '../../../src/stores/ledger/ledger.ts';
import { tablePromises } from '../../../src/stores/ledger/promises.ts';
import { openSqliteLedger } from '../../../src/stores/ledger/sqlite/driver.ts';
import { newFolder, removeFolder } from '../../support/folder.ts';
import { batch, call, chunk, deployment, inline } from './runs.ts';

/**
 * The words that a promise begins with, and statements that break it. Runs are found by their
 * `run_name`.
 */
const BREAKAGES: readonly (readonly [promise: string, sql: string])[] = [
  ['A run that is running has one open attempt', `DELETE FROM attempts WHERE run_seq = (${seqOf('running')})`],
  [
    'A run that is running has one open attempt',
    `UPDATE attempts SET outcome = NULL, finished_at_ms = NULL WHERE run_seq = (${seqOf('succeeded')})`,
  ],
  ['The attempts of a run are counted from 1', `UPDATE runs SET attempt = 7 WHERE run_name = 'running'`],
  [
    'The attempts of a run are counted from 1',
    `DELETE FROM attempts WHERE run_seq = (${seqOf('retried')}) AND attempt = 1`,
  ],
  [
    'Only the last attempt of a run that succeeded',
    `UPDATE attempts SET outcome = 'failed' WHERE run_seq = (${seqOf('succeeded')})`,
  ],
  [
    'Only the last attempt of a run that succeeded',
    `UPDATE attempts SET outcome = 'succeeded' WHERE run_seq = (${seqOf('failed')})`,
  ],
  [
    'A run that failed did so in its last attempt',
    `UPDATE attempts SET outcome = 'released' WHERE run_seq = (${seqOf('failed')})`,
  ],
  [
    'An attempt that was cancelled',
    `UPDATE attempts SET outcome = 'cancelled' WHERE run_seq = (${seqOf('retried')}) AND attempt = 1`,
  ],
  ['What belongs to a run belongs to one that is there', `INSERT INTO inputs (run_seq, body) VALUES (999, x'00')`],
  ['A chunk’s batch is there', `UPDATE runs SET parent_seq = 999 WHERE kind = 'chunk'`],
  ['A chunk’s batch is there', `UPDATE runs SET status = 'cancelled', finished_at_ms = 1 WHERE run_name = 'batch'`],
  ['An endpoint has as many queued runs', `UPDATE endpoints SET queued = queued + 1`],
  ['A run’s endpoint is there', `UPDATE runs SET endpoint = 'elsewhere' WHERE run_name = 'succeeded'`],
  ['A run’s endpoint is there', `UPDATE runs SET turn = 1000 WHERE run_name = 'queued'`],
  ['Every input that is kept is there', `DELETE FROM inputs WHERE run_seq = (${seqOf('queued')})`],
  ['Every input that is kept is there', `UPDATE inputs SET body = x'7b7d' WHERE run_seq = (${seqOf('queued')})`],
  [
    'Every input that is kept is there',
    `UPDATE inputs SET body = cast(replace(body, '1', '2') AS BLOB) WHERE run_seq = (${seqOf('queued')})`,
  ],
  ['Every output that is kept is there', `DELETE FROM outputs WHERE run_seq = (${seqOf('succeeded')})`],
  ['Every output that is kept is there', `UPDATE runs SET output_blob = 'x' WHERE run_name = 'succeeded'`],
  ['A run that has ended is let go of some time', `UPDATE runs SET kept_until_ms = NULL WHERE run_name = 'succeeded'`],
  ['Whoever asked to hear of a run’s end', `DELETE FROM deliveries`],
  ['Whoever asked to hear of a run’s end', `UPDATE deliveries SET run_seq = (${seqOf('failed')})`],
  ['A delivery has every attempt at it in its log', `UPDATE deliveries SET attempt = 7`],
  [
    'Of the runs with one concurrency key',
    `DROP INDEX runs_of_concurrency_key; UPDATE runs SET concurrency_key = 'k' WHERE run_name = 'running'`,
  ],
  ['An idempotency key stands for a run', `UPDATE idempotency_keys SET run_id = 'nobody'`],
];

/** Kept by an index without which the driver does not even open. */
const CANNOT_BE_BROKEN = 'No two chunks of a batch have the same rows';

function seqOf(runName: string): string {
  return `SELECT seq FROM runs WHERE run_name = '${runName}'`;
}

describe('the audit', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await newFolder();
    file = join(folder, 'ledger.sqlite');
    const ledger = await openSqliteLedger(file, systemClock);
    await fill(ledger);
    expect(await ledger.audit()).toEqual([]);
    await ledger.close();
  });
  afterEach(() => removeFolder(folder));

  test.each(BREAKAGES)('finds that "%s" is broken by: %s', async (promise, sql) => {
    const db = new DatabaseSync(file);
    db.exec(`PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; ${sql}`);
    db.close();
    const ledger = await openSqliteLedger(file, systemClock);
    const violations = await ledger.audit();
    await ledger.close();
    expect(violations.map((violation) => violation.promise).join('\n')).toContain(promise);
  });

  test('is tested for every promise there is', () => {
    const dialect = { table: String, sha256: String, isTrue: String, includes: String };
    const untested = tablePromises(dialect).filter(({ promise }) =>
      [CANNOT_BE_BROKEN, ...BREAKAGES.map(([words]) => words)].every((words) => !promise.startsWith(words)),
    );
    expect(untested.map(({ promise }) => promise)).toEqual([]);
  });
});

/** Leaves one run in each state, named after it. */
async function fill(ledger: Ledger): Promise<void> {
  await ledger.deploy(deployment());
  const claim = async (lane: 'replica' | 'engine' = 'replica'): Promise<ClaimedRun> => {
    const slots = [{ replica: 'r1', coldStart: null }];
    const [claimed] = await ledger.claim({
      endpoint: 'echo',
      version: 1,
      lane,
      slots,
      alone: true,
      owner: 'me',
      lease: seconds(30),
    });
    return claimed!;
  };
  const callback = { url: 'https://example.com/hook', events: ['run.succeeded'] as const };
  await ledger.enqueue([call({ runName: 'succeeded', callback, idempotency: { key: 'k', fingerprint: 'f' } })]);
  const output = inline('{"y":2}');
  await ledger.finish([{ claim: (await claim()).claim, result: { kind: 'succeeded', output }, progress: null }]);
  const error = { type: 'model-error', detail: 'no' } as const;
  await ledger.enqueue([call({ runName: 'failed' })]);
  await ledger.finish([{ claim: (await claim()).claim, result: { kind: 'failed', error }, progress: null }]);
  await ledger.enqueue([call({ runName: 'retried' })]);
  const retry = { kind: 'retry', error, delay: seconds(0) } as const;
  await ledger.finish([{ claim: (await claim()).claim, result: retry, progress: null }]);
  await ledger.finish([{ claim: (await claim()).claim, result: { kind: 'failed', error }, progress: null }]);
  await ledger.enqueue([batch({ runName: 'batch' })]);
  const held = await claim('engine');
  await ledger.enqueue([chunk(held.claim, 0, 1), chunk(held.claim, 1, 3)]);
  await ledger.enqueue([call({ runName: 'running', priority: 5 })]);
  await claim();
  await ledger.enqueue([call({ runName: 'queued', concurrencyKey: 'k' })]);
}
