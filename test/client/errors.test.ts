import { describe, expect, test } from 'vitest';
import * as entry from '../../src/index.ts';
import { ClaimcheckError, errorName, errorOf, errorOfProblem, errorOfRun } from '../../src/client/errors.ts';
import { PROBLEMS, type ProblemSlug, RUN_FAILURES } from '../../src/domain/errors.ts';
import { PROBLEM_BASE } from '../../src/wire/problems.ts';

const SLUGS = Object.keys(PROBLEMS) as ProblemSlug[];

describe.each(SLUGS)('%s', (slug) => {
  const { status, title, retryable } = PROBLEMS[slug];
  const body = {
    type: `${PROBLEM_BASE}${slug}`,
    title,
    status,
    detail: 'What was wrong.',
    retryable,
    instance: 'urn:request:1',
    run_id: 'r1',
    errors: [{ pointer: '/input', detail: 'is wrong' }],
  };

  test('the package exports its class under the name that its instances have', () => {
    const error = errorOfProblem(body);
    expect(error.name).toBe(errorName(slug));
    expect(entry).toHaveProperty(error.name);
    expect(error).toBeInstanceOf((entry as unknown as Record<string, new () => Error>)[error.name]);
  });

  test('the error has all that the problem says', () => {
    const error = errorOfProblem(body);
    expect(error).toBeInstanceOf(ClaimcheckError);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      slug,
      status,
      retryable,
      runId: 'r1',
      detail: 'What was wrong.',
      instance: 'urn:request:1',
      errors: body.errors,
    });
    expect(error.message).toBe('What was wrong.');
  });
});

test('names read as words: the slug in capitals, with Error once', () => {
  expect(['model-error', 'queue-full', 'run-timeout', 'internal'].map(errorName)).toEqual([
    'ModelError',
    'QueueFullError',
    'RunTimeoutError',
    'InternalError',
  ]);
});

test('a problem that this version does not know is still an error with its slug', () => {
  const error = errorOfProblem({
    type: `${PROBLEM_BASE}from-the-future`,
    title: 'New',
    status: 418,
    detail: '',
    retryable: false,
  });
  expect(error.constructor).toBe(ClaimcheckError);
  expect(error).toMatchObject({ name: 'ClaimcheckError', slug: 'from-the-future', status: 418, message: 'New' });
});

test('a slug that every object inherits is no class', () => {
  expect(errorOf('constructor', { detail: '', status: 500, retryable: false }).constructor).toBe(ClaimcheckError);
});

test.each(RUN_FAILURES)('a run that failed with %s becomes that error, with the id of the run', (type) => {
  const error = errorOfRun({
    run_id: 'r7',
    status: 'failed',
    error: { type, title: 'T', detail: 'D', retryable: true },
  });
  expect(error).toMatchObject({
    name: errorName(type),
    slug: type,
    status: PROBLEMS[type].status,
    retryable: true,
    runId: 'r7',
    detail: 'D',
  });
});

test('a run that was cancelled becomes RunCancelledError', () => {
  expect(errorOfRun({ run_id: 'r7', status: 'cancelled', error: null })).toBeInstanceOf(entry.RunCancelledError);
});
