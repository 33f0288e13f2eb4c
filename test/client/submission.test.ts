import { expect, test } from 'vitest';
import { idempotencyKey, requestOf, type Submission } from '../../src/client/submission.ts';
import type { ServerRequest } from '../../src/client/transport.ts';

const submission = (parts: Partial<Submission>): Submission => ({
  endpoint: 'e',
  input: 1,
  options: {},
  async: undefined,
  ...parts,
});
const textOf = (body: ServerRequest['body']): string => new TextDecoder().decode(body as Uint8Array);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('a JSON value travels in an envelope with its options', () => {
  const options = { runName: 'n', timeout: 1.5, queueTtl: 60, priority: -3, metadata: { a: [1] } };
  const { path, headers, body, query } = requestOf(submission({ input: { smiles: 'CCO' }, options, async: true }));
  expect({ path, query, type: headers?.['content-type'] }).toEqual({
    path: '/endpoints/e/invoke',
    query: undefined,
    type: 'application/json',
  });
  expect(JSON.parse(textOf(body))).toEqual({
    input: { smiles: 'CCO' },
    async: true,
    run_name: 'n',
    timeout: 1.5,
    queue_ttl: 60,
    priority: -3,
    metadata: { a: [1] },
  });
});

test('an envelope without options is the input alone', () => {
  expect(textOf(requestOf(submission({ input: null })).body)).toBe('{"input":null}');
});

test('JSON that is given as bytes keeps its text, so that no number changes', () => {
  const input = {
    bytes: bytes('{"big": 9007199254740993, "huge": 1e400}'),
    contentType: 'application/json; charset=utf-8',
  };
  const { body } = requestOf(submission({ input, async: false }));
  expect(textOf(body)).toBe('{"input":{"big": 9007199254740993, "huge": 1e400},"async":false}');
});

test('bytes travel as they are, with their options in the query', () => {
  const input = { bytes: bytes('a\n1\n'), contentType: 'text/csv' };
  const request = requestOf(
    submission({
      input,
      options: { batchSize: 5, maxInFlight: 2, onRowError: 'fail', accept: 'application/jsonlines' },
      async: true,
    }),
  );
  expect(request.body).toBe(input.bytes);
  expect(request.headers).toEqual({ accept: 'application/jsonlines', 'content-type': 'text/csv' });
  expect(request.query).toEqual({ async: true, batch: true, batch_size: 5, max_in_flight: 2, on_row_error: 'fail' });
});

test('without an endpoint the request goes to the default one, and a name is escaped', () => {
  expect(requestOf(submission({ endpoint: null })).path).toBe('/invoke');
  expect(requestOf(submission({ endpoint: '../runs?' })).path).toBe('/endpoints/..%2Fruns%3F/invoke');
});

test.each([
  [{}, undefined],
  [{ batch: false }, false],
  [{ batch: true }, true],
  [{ batchSize: 3 }, { size: 3 }],
  [{ batch: true, onRowError: 'drop' as const }, { on_row_error: 'drop' }],
  [{ batch: false, batchSize: 3 }, false],
])('the batch options %o are sent as %o', (options, batch) => {
  expect(JSON.parse(textOf(requestOf(submission({ options })).body)).batch).toEqual(batch);
});

test.each([
  ['NaN', { a: { score: Number.NaN } }, '"score" of the input is NaN'],
  ['an infinity', Number.POSITIVE_INFINITY, 'The input is Infinity'],
  ['undefined', undefined, 'The input is undefined'],
  ['bytes among JSON', { image: new Uint8Array(2) }, '"image" of the input is bytes'],
  ['a function', { run: () => 1 }, '"run" of the input is a function'],
])('%s is refused with its place and not turned into null', (_what, input, message) => {
  expect(() => requestOf(submission({ input }))).toThrow(message);
});

test('metadata with bytes is refused, since there is no place for it', () => {
  const input = { bytes: bytes('a\n1\n'), contentType: 'text/csv' };
  expect(() => requestOf(submission({ input, options: { metadata: {} } }))).toThrow(
    'metadata travels only with a JSON input',
  );
});

test('every submission has a key of its own, a job the same one each time', () => {
  expect(idempotencyKey(submission({}), 1)).not.toBe(idempotencyKey(submission({}), 1));
  const job = submission({ options: { jobKey: 'ESOL: nightly' } });
  expect(idempotencyKey(job, 1)).toBe('job:e:ESOL%3A%20nightly');
  expect(idempotencyKey(job, 2)).toBe('job:e:ESOL%3A%20nightly:2');
});

test('a job key that does not fit into the header is refused', () => {
  expect(() => idempotencyKey(submission({ options: { jobKey: 'x'.repeat(250) } }), 1)).toThrow('jobKey is too long');
});
