import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertUtf8, charsetOf, inUtf8 } from '../../../src/http/request/charset.ts';
import { startTestService, type TestService } from '../../support/service.ts';

test.each([
  ['text/csv', null],
  ['text/csv; charset=UTF-8', 'utf-8'],
  ['text/csv;header=present;Charset="latin-1"', 'latin-1'],
  ['text/csv; x=charset', null],
])('%s names the encoding %s', (type, charset) => {
  expect(charsetOf(type)).toBe(charset);
});

test.each([
  ['text/csv', 'text/csv; charset=utf-8'],
  ['text/csv; header=present;', 'text/csv; header=present; charset=utf-8'],
  ['TEXT/Plain', 'TEXT/Plain; charset=utf-8'],
  ['application/jsonlines', 'application/jsonlines; charset=utf-8'],
  ['application/x-ndjson', 'application/x-ndjson; charset=utf-8'],
  ['text/plain; charset=latin-1', 'text/plain; charset=latin-1'],
  ['application/json', 'application/json'],
  ['application/problem+json', 'application/problem+json'],
  ['application/octet-stream', 'application/octet-stream'],
])('%s is sent as %s', (type, sent) => {
  expect(inUtf8(type)).toBe(sent);
});

test.each([
  'application/json; charset=utf-16',
  'application/x-ndjson;charset="ISO-8859-1"',
  'application/a+json; charset=cp1252',
])('%s is refused by its name', (type) => {
  expect(() => assertUtf8(type)).toThrow(charsetOf(type)!);
});

describe('a server', () => {
  let server: TestService;
  beforeAll(async () => {
    server = await startTestService({
      endpoints: {
        rows: { model: './echo.ts', mode: 'async', evaluation: 'evaluation.csv' },
        any: { model: './anything.ts', mode: 'async' },
        pipe: { model: ['node', './pipe.js'], mode: 'async' },
      },
    });
  });
  afterAll(() => server.stop());

  /** The content types of an output: whole, its head, and a part of it. */
  async function typesOf(endpoint: string, contentType: string, body: string | Uint8Array): Promise<unknown[]> {
    const { json } = await server.postRaw(`/endpoints/${endpoint}/invoke`, contentType, body);
    await server.ended(json.run_id);
    const path = `/runs/${json.run_id}/output`;
    const answers = [
      await server.get(path),
      await server.send('HEAD', path),
      await server.get(path, { range: 'bytes=1-1' }),
    ];
    return [...new Set(answers.map(({ headers }) => headers['content-type']))];
  }

  test.each([
    ['a table', 'rows', 'text/csv', 'name\nMüller\n', 'text/csv; charset=utf-8'],
    ['a table by lines', 'rows', 'application/x-ndjson', '{"name":"Müller"}\n', 'application/jsonlines; charset=utf-8'],
    ['a text', 'pipe', 'text/plain', 'Müller', 'text/plain; charset=utf-8'],
    ['an empty text', 'pipe', 'text/plain', '', 'text/plain; charset=utf-8'],
    ['a page', 'pipe', 'text/html', '<p>Müller', 'text/html; charset=utf-8'],
    ['a text that is long', 'pipe', 'text/plain', 'ü€😀'.repeat(300_000), 'text/plain; charset=utf-8'],
    ['a text that names its own', 'pipe', 'text/plain; charset=latin-1', 'Mu', 'text/plain; charset=latin-1'],
    ['a text that is no UTF-8', 'pipe', 'text/plain', Buffer.from('Müller', 'latin1'), 'text/plain'],
    ['bytes', 'pipe', 'application/octet-stream', 'Müller', 'application/octet-stream'],
  ])('sends %s with the encoding that it is in', async (_, endpoint, type, body, sent) => {
    expect(await typesOf(endpoint, type, body)).toEqual([sent]);
  });

  test('names the encoding of everything else that it sends as text', async () => {
    const id = await server.submit('any', {});
    await server.ended(id);
    const { json: batch } = await server.postRaw('/endpoints/rows/invoke', 'text/csv', 'name\nMüller\n');
    await server.ended(batch.run_id);
    const typeAt = async (path: string, headers = {}) => (await server.get(path, headers)).headers['content-type'];
    expect(await typeAt(`/runs/${id}/logs`)).toBe('text/plain; charset=utf-8');
    expect(await typeAt(`/runs/${id}/logs`, { accept: 'application/x-ndjson' })).toBe(
      'application/jsonlines; charset=utf-8',
    );
    expect(await typeAt(`/runs/${id}/events`)).toBe('text/event-stream; charset=utf-8');
    expect(await typeAt(`/runs/${batch.run_id}/parts`)).toBe('text/event-stream; charset=utf-8');
    expect(await typeAt('/metrics')).toMatch(/^text\/plain; .*charset=utf-8$/);
    expect(await typeAt('/docs')).toMatch(/^text\/html; charset=utf-8$/i);
    expect(await typeAt('/endpoints/rows/evaluation')).toBe('text/csv; charset=utf-8');
    const waited = await server.postRaw('/endpoints/rows/invoke?async=false', 'text/csv; charset=UTF-8', 'n\nü\n', {
      accept: 'text/csv',
    });
    expect([waited.headers['content-type'], waited.text]).toEqual(['text/csv; charset=utf-8', 'n,seen\nü,true\n']);
  });

  test.each([
    ['/endpoints/any/invoke', 'application/json; charset=utf-16'],
    ['/endpoints/rows/invoke', 'application/jsonlines; charset=latin-1'],
    ['/endpoints/any/captures', 'application/json; charset=cp1252'],
  ])('refuses a body for %s in %s', async (path, type) => {
    const answer = await server.postRaw(path, type, '{"input": 1}');
    expect(answer.status).toBe(415);
    expect(answer.json.detail).toContain(charsetOf(type)!);
  });

  test('takes JSON that says that it is UTF-8', async () => {
    for (const type of [
      'application/json;charset=utf-8',
      'application/json; charset="UTF-8"',
      'application/json; Charset=us-ascii',
    ])
      expect((await server.postRaw('/endpoints/any/invoke', type, '{"input": {}}')).status).toBe(202);
  });
});
