import { describe, expect, test } from 'vitest';
import { newRunId } from '../../src/system/clock.ts';
import { RUN_FAILURES, type RunFailure } from '../../src/domain/errors.ts';
import { milliseconds, seconds } from '../../src/domain/time.ts';
import { type Failure, failureOf, type ModelReply, resultOfFailure } from '../../src/engine/outcome.ts';
import type { ClaimedRun, RunRecord } from '../../src/stores/ledger/ledger.ts';

/** A claimed run, of which only what the outcome depends on matters. */
function claimed(run: Partial<RunRecord> = {}, countedAttempts = 1): ClaimedRun {
  return {
    claim: { runId: newRunId(), attempt: 1 },
    run: { timeout: seconds(90), rows: null, accept: null, ...run } as RunRecord,
    slot: { replica: 'r', coldStart: null },
    alone: false,
    countedAttempts,
    input: null,
  };
}

const chunk = (accept = 'text/csv'): ClaimedRun => claimed({ rows: { from: 10, to: 12 }, accept });
const output = (contentType: string, text: string | Uint8Array): ModelReply => ({
  kind: 'output',
  contentType,
  bytes: typeof text === 'string' ? new TextEncoder().encode(text) : text,
});
const failed = (type: RunFailure, detail: string): unknown => ({
  kind: 'failed',
  error: { type, detail: expect.stringContaining(detail) as string },
});

describe('the reply to a call', () => {
  test.each([
    ['JSON', output('application/json', '{"a":[1,2]}')],
    ['JSON with what no other reader takes', output('application/json', '[1e400,{"a":1,"a":2}]')],
    ['JSON by another name', output('application/vnd.api+json; charset=utf-8', 'null')],
    ['text', output('text/plain', '{')],
    ['no bytes at all', output('application/octet-stream', '')],
    ['a table', output('text/csv', 'a\n1\n')],
    ['any JSON that is too long to be shown', output('application/json', 'x'.repeat(256 * 1_024 + 1))],
  ])('is an output where it is %s', (_, reply) => {
    expect(failureOf(reply, null, claimed())).toBeNull();
  });

  test.each([
    ['half a document', output('application/json', '{"a":')],
    ['nothing', output('application/json', '')],
    ['NaN, as Python writes it', output('application/json', '{"a":NaN}')],
    ['bytes that are not UTF-8', output('application/json', Uint8Array.of(0x22, 0xff, 0x22))],
  ])('is an invalid output where it claims to be JSON and is %s', (_, reply) => {
    expect(failureOf(reply, null, claimed())).toEqual(failed('invalid-output', 'not JSON'));
  });

  test('is the failure that it says', () => {
    expect(failureOf({ kind: 'model-error', detail: 'no' }, null, claimed())).toEqual(failed('model-error', 'no'));
    expect(failureOf({ kind: 'invalid-output', detail: 'no' }, null, claimed())).toEqual(
      failed('invalid-output', 'no'),
    );
    expect(failureOf({ kind: 'crashed', detail: 'exit code 3' }, null, claimed())).toEqual(
      failed('replica-crashed', 'exit code 3'),
    );
    expect(failureOf({ kind: 'out-of-memory', detail: 'limit 1 GB' }, null, claimed())).toEqual(
      failed('out-of-memory', 'limit 1 GB'),
    );
  });

  test('that was stopped is a timeout where that is why, with how long it had', () => {
    expect(failureOf({ kind: 'stopped' }, 'timeout', claimed())).toEqual(failed('run-timeout', '90 s'));
    expect(failureOf({ kind: 'stopped' }, 'timeout', claimed({ timeout: milliseconds(250) }))).toEqual(
      failed('run-timeout', '0.25 s'),
    );
  });

  test.each(['cancelled', 'lost', 'draining'] as const)(
    'that was stopped because its claim was %s is handed back, and no failure of its own',
    (reason) => {
      expect(failureOf({ kind: 'stopped' }, reason, claimed())).toEqual({ kind: 'released' });
    },
  );

  test('that came although it was stopped counts', () => {
    expect(failureOf(output('text/plain', 'late'), 'timeout', claimed())).toBeNull();
  });
});

describe('the reply to a chunk', () => {
  test.each([
    ['text/csv', output('text/csv; header=present', 'a\n1\n2\n')],
    ['text/csv', output('text/csv', 'a\n1\n2')],
    ['application/jsonlines', output('application/x-ndjson', '{}\n{}\n')],
    ['application/json', output('application/json', '[{},{}]')],
  ])('is an output where it is a table as asked for (%s) with as many rows as it was given', (accept, reply) => {
    expect(failureOf(reply, null, chunk(accept))).toBeNull();
  });

  test.each([
    ['fewer rows', output('text/csv', 'a\n1\n'), '1 row where 2 were wanted'],
    ['more rows', output('text/csv', 'a\n1\n2\n3\n'), '3 rows where 2 were wanted'],
    ['another format', output('application/json', '[{},{}]'), 'text/csv was asked for'],
    ['no table', output('image/png', 'x'), 'text/csv was asked for'],
    ['a table with a ragged row', output('text/csv', 'a,b\n1,2\n3\n'), 'line 3'],
    ['nothing', output('text/csv', ''), 'empty'],
    ['a column of our own', output('text/csv', 'a,inference_error\n1,\n2,\n'), 'inference_error'],
  ])('is an invalid output where it has %s', (_, reply, says) => {
    expect(failureOf(reply, null, chunk())).toEqual(failed('invalid-output', says));
  });
});

describe('what the ledger is told of a failure', () => {
  const crash: Failure = { kind: 'failed', error: { type: 'replica-crashed', detail: 'gone' } };
  const policy = { maxAttempts: 3, on: ['replica-crashed'] as const };

  test('is a retry while the policy has attempts left, and the end after', () => {
    expect(resultOfFailure(crash, claimed({}, 1), policy, 0)).toMatchObject({ kind: 'retry', error: crash.error });
    expect(resultOfFailure(crash, claimed({}, 2), policy, 0)).toMatchObject({ kind: 'retry' });
    expect(resultOfFailure(crash, claimed({}, 3), policy, 0)).toEqual(crash);
  });

  test.each(RUN_FAILURES.filter((type) => type !== 'replica-crashed'))(
    'is the end for %s where the policy does not name it',
    (type) => {
      const failure: Failure = { kind: 'failed', error: { type, detail: '' } };
      expect(resultOfFailure(failure, claimed({}, 1), policy, 0)).toEqual(failure);
    },
  );

  test('is that the attempt was handed back, however many there were', () => {
    expect(resultOfFailure({ kind: 'released' }, claimed({}, 99), policy, 0)).toEqual({ kind: 'released' });
  });
});
