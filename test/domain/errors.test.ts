import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { isStorageTrouble, PROBLEMS, type ProblemSlug, RUN_FAILURES, ServiceError } from '../../src/domain/errors.ts';
import { folderForTest } from '../support/folder.ts';

const SLUGS = Object.keys(PROBLEMS) as ProblemSlug[];

/** What http-api.md promises to every client. */
const PROMISED: Readonly<Partial<Record<ProblemSlug, number>>> = {
  'invalid-request': 422,
  'malformed-body': 400,
  'unsupported-media-type': 415,
  'not-acceptable': 406,
  'payload-too-large': 413,
  unauthorized: 401,
  forbidden: 403,
  'endpoint-not-found': 404,
  'run-not-found': 404,
  'method-not-allowed': 405,
  'idempotency-mismatch': 422,
  'run-ended': 409,
  'run-not-ended': 409,
  'run-cancelled': 409,
  'output-expired': 410,
  'queue-full': 429,
  draining: 503,
  'replica-unavailable': 503,
  'model-error': 424,
  'invalid-output': 424,
  'replica-crashed': 424,
  'run-timeout': 504,
  'queue-expired': 504,
  'wait-exceeded': 504,
  internal: 500,
};

describe.each(SLUGS)('the problem %s', (slug) => {
  const { status, title, meaning } = PROBLEMS[slug];

  test('has a slug, a status of an error, a title and a meaning', () => {
    expect(slug).toMatch(/^[a-z]+(?:-[a-z]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    // A phrase and sentences: the title stands in lists, the meaning in the docs.
    expect(title).toMatch(/^[A-Z].*[^.]$/);
    expect(meaning).toMatch(/^[A-Z].*\.$/s);
  });
});

test('every problem that the contract names has the status that it promises', () => {
  expect(Object.fromEntries(Object.keys(PROMISED).map((slug) => [slug, PROBLEMS[slug as ProblemSlug].status]))).toEqual(
    PROMISED,
  );
});

test('a run can end with problems of the table alone, each once', () => {
  expect(SLUGS).toEqual(expect.arrayContaining([...RUN_FAILURES]));
  expect(new Set(RUN_FAILURES).size).toBe(RUN_FAILURES.length);
});

test("no run ends with a problem that is the caller's mistake", () => {
  for (const failure of RUN_FAILURES) expect([424, 500, 503, 504]).toContain(PROBLEMS[failure].status);
});

test('what is over when it is tried again is said to be retryable, and what stays is not', () => {
  expect(SLUGS.filter((slug) => PROBLEMS[slug].retryable).toSorted()).toEqual([
    'draining',
    'input-unavailable',
    'internal',
    'queue-expired',
    'queue-full',
    'replica-crashed',
    'replica-unavailable',
    'request-timeout',
    'run-not-ended',
    'run-timeout',
    'storage-full',
    'storage-unavailable',
    'too-many-streams',
    'wait-exceeded',
  ]);
});

test('a service error says what was wrong, and keeps its cause for the log', () => {
  const cause = new Error('disk full');
  const error = new ServiceError('internal', 'It could not be written.', { cause, runId: 'r' });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'ServiceError', slug: 'internal', message: 'It could not be written.', cause });
  expect(error.extras.runId).toBe('r');
});

test('what SQLite says of its file is trouble of a store, and what it says of a statement is not', async () => {
  const file = join(await folderForTest(), 'some.sqlite');
  const [one, other] = [new DatabaseSync(file), new DatabaseSync(file, { readOnly: false })];
  onTestFinished(() => [one, other].forEach((db) => db.close()));
  one.exec('CREATE TABLE t (x INTEGER UNIQUE) STRICT; INSERT INTO t VALUES (1); BEGIN IMMEDIATE');
  other.exec('PRAGMA busy_timeout = 0');
  const errorOf = (db: DatabaseSync, sql: string): unknown => {
    try {
      db.exec(sql);
    } catch (error) {
      return error;
    }
    throw new Error('Nothing was refused.');
  };
  expect(isStorageTrouble(errorOf(other, 'INSERT INTO t VALUES (2)'))).toBe(true);
  expect(isStorageTrouble(errorOf(one, 'INSERT INTO t VALUES (1)'))).toBe(false);
  expect(isStorageTrouble(errorOf(one, 'INSERT INTO nothing'))).toBe(false);
});
