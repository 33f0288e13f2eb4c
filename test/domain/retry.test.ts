import { describe, expect, test } from 'vitest';
import { RUN_FAILURES, type RunFailure } from '../../src/domain/errors.ts';
import { afterFailure, DEFAULT_RETRY, lostWorkersMax } from '../../src/domain/retry.ts';
import { seconds } from '../../src/domain/time.ts';

const error = (type: RunFailure) => ({ type, detail: '' });
const policy = { maxAttempts: 10, on: ['model-error'] as const };

describe('after a failed attempt', () => {
  test.each(RUN_FAILURES.map((type) => [type, type === 'replica-crashed' ? 'retry' : 'fail'] as const))(
    'with %s the default policy says %s',
    (type, verdict) => {
      expect(afterFailure(error(type), 1, DEFAULT_RETRY, 0)).toMatchObject({ verdict });
    },
  );

  test.each([
    [1, 'retry'],
    [2, 'retry'],
    [3, 'fail'],
    [4, 'fail'],
  ])('the default policy says, of a crash after %i counted attempts, %s', (attempts, verdict) => {
    expect(afterFailure(error('replica-crashed'), attempts, DEFAULT_RETRY, 0)).toMatchObject({ verdict });
  });

  test('a policy of one attempt, or for nothing, never tries again', () => {
    expect(afterFailure(error('model-error'), 1, { maxAttempts: 1, on: ['model-error'] }, 0)).toEqual({
      verdict: 'fail',
    });
    expect(afterFailure(error('model-error'), 1, { maxAttempts: 9, on: [] }, 0)).toEqual({ verdict: 'fail' });
  });

  test.each([
    [1, 0, 100],
    [1, 0.5, 150],
    [1, 1, 200],
    [2, 1, 400],
    [3, 1, 800],
    [7, 1, 12_800],
    [8, 1, 25_600],
    [9, 1, seconds(30)],
    [9, 0, seconds(15)],
  ])('the delay after %i attempts, spread by %d, is %i ms', (attempts, jitter, delay) => {
    expect(afterFailure(error('model-error'), attempts, policy, jitter)).toEqual({ verdict: 'retry', delay });
  });

  test('the delay stays at its limit however many attempts there were', () => {
    const patient = { maxAttempts: 5_000, on: ['model-error'] as const };
    expect(afterFailure(error('model-error'), 4_000, patient, 1)).toEqual({ verdict: 'retry', delay: seconds(30) });
  });
});

test('a run may lose as many workers as its policy has attempts, and one where it does not try crashes again', () => {
  expect(lostWorkersMax(DEFAULT_RETRY)).toBe(3);
  expect(lostWorkersMax({ maxAttempts: 7, on: ['replica-crashed', 'model-error'] })).toBe(7);
  expect(lostWorkersMax({ maxAttempts: 7, on: ['model-error'] })).toBe(1);
});
