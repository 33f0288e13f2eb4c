import { expect, onTestFinished, test } from 'vitest';
import { openCallbacks, REPORT_BYTES_MAX } from '../../src/replicas/callbacks.ts';

/** A desk, and everything that was reported there. */
async function deskForTest() {
  const callbacks = await openCallbacks();
  onTestFinished(() => callbacks.close());
  const heard: unknown[] = [];
  const desk = callbacks.open({
    progress: (progress) => void heard.push(progress),
    log: (entries) => void heard.push(...entries),
    dropped: () => {},
  });
  const post = async (to: string, body: string, type = 'application/json', method = 'POST') => {
    const request = { method, headers: { 'content-type': type }, ...(method === 'GET' ? {} : { body }) };
    const answer = await fetch(`${desk.url}/${to}`, request);
    return { status: answer.status, text: await answer.text() };
  };
  return { callbacks, desk, heard, post };
}

test.each([
  ['{"done":3}', { done: 3, total: null, message: null }],
  ['{"done":0,"total":0,"message":null}', { done: 0, total: 0, message: null }],
  ['{"done":3,"total":9,"message":"mixing"}', { done: 3, total: 9, message: 'mixing' }],
  ['{"done":1,"message":"a\\u0000b\\ud800"}', { done: 1, total: null, message: 'a\ufffdb\ufffd' }],
  [`{"done":1,"message":"${'x'.repeat(2_000)}"}`, { done: 1, total: null, message: 'x'.repeat(1_000) }],
])('takes the progress %.60s', async (body, progress) => {
  const { heard, post } = await deskForTest();
  expect(await post('progress', body)).toEqual({ status: 204, text: '' });
  expect(heard).toEqual([progress]);
});

test.each([
  ['not json', 400, 'malformed-body'],
  ['[]', 422, 'must be an object'],
  ['{}', 422, '/done must be a whole number'],
  ['{"done":-1}', 422, '/done must be a whole number from 0; it is -1'],
  ['{"done":0.5}', 422, 'it is 0.5'],
  ['{"done":1e300}', 422, '/done'],
  ['{"done":1,"total":"9"}', 422, '/total'],
  ['{"done":1,"message":{}}', 422, '/message must be a text'],
  ['{"done":1,"percent":50}', 422, '/percent is not known here; known are done, total and message'],
])('refuses the progress %s, and says why', async (body, status, says) => {
  const { heard, post } = await deskForTest();
  const answer = await post('progress', body);
  expect(answer.status).toBe(status);
  expect(answer.text).toContain(says);
  expect(heard).toEqual([]);
});

test.each([
  ['text/plain', 'a\r\nb\n\nc', ['a', 'b', 'c'].map((message) => ({ stream: 'log', message, fields: null }))],
  ['application/json', '{"message":"a\\nb"}', [{ stream: 'log', message: 'a\nb', fields: null }]],
  [
    'application/jsonlines',
    '{"message":"a","fields":{"n":1}}\n{"message":"b","stream":"stderr"}\n',
    [
      { stream: 'log', message: 'a', fields: { n: 1 } },
      { stream: 'stderr', message: 'b', fields: null },
    ],
  ],
])('takes lines as %s', async (type, body, entries) => {
  const { heard, post } = await deskForTest();
  expect((await post('logs', body, type)).status).toBe(204);
  expect(heard).toEqual(entries);
});

test.each([
  ['application/json', '{"message":1}', 422],
  ['application/json', '{"message":"a","stream":"server"}', 422],
  ['application/json', '{"message":"a","fields":[]}', 422],
  ['application/jsonlines', '{"message":"a"}\nnot json', 400],
  ['text/plain', 'x'.repeat(REPORT_BYTES_MAX + 1), 413],
])('refuses lines as %s that are %.40s with %i, all of them', async (type, body, status) => {
  const { heard, post } = await deskForTest();
  expect((await post('logs', body, type)).status).toBe(status);
  expect(heard).toEqual([]);
});

test('an attempt that has ended, and one that never was, are 404s', async () => {
  const { desk, heard, post } = await deskForTest();
  const guess = await fetch(desk.url.replace(/[^/]+$/, 'guess/progress'), { method: 'POST', body: '{"done":1}' });
  expect(guess.status).toBe(404);
  desk.close();
  expect((await post('progress', '{"done":1}')).status).toBe(404);
  expect(heard).toEqual([]);
});

test('the desks of two attempts are told apart', async () => {
  const { callbacks, heard, post } = await deskForTest();
  const others: unknown[] = [];
  const other = callbacks.open({
    progress: (progress) => void others.push(progress),
    log: () => {},
    dropped: () => {},
  });
  await fetch(`${other.url}/progress`, { method: 'POST', body: '{"done":2}' });
  await post('progress', '{"done":1}');
  expect([heard, others]).toMatchObject([[{ done: 1 }], [{ done: 2 }]]);
});

test('another path, and another method, are refused', async () => {
  const { post } = await deskForTest();
  expect((await post('other', '{}')).status).toBe(404);
  expect((await post('progress', '', 'application/json', 'GET')).status).toBe(405);
});
