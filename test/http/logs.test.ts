import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestService, type TestService } from '../support/service.ts';

let server: TestService;
let path: string;
beforeAll(async () => {
  server = await startTestService({ endpoints: { model: { model: './reporter.ts', mode: 'async' } } });
  const runId = await server.submit('model', [{ log: ['first', { n: 1 }] }, { print: 'second' }]);
  await server.ended(runId);
  path = `/runs/${runId}/logs`;
});
afterAll(() => server.stop());

const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;

test('logs are text for people', async () => {
  for (const headers of [{}, { accept: 'text/plain' }, { accept: '*/*' }]) {
    const answer = await server.get(path, headers);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.text).toMatch(new RegExp(`^${TIME} first {"n":1}\n${TIME} \\[stdout\\] second\n$`));
  }
});

test('logs are JSON Lines for programs', async () => {
  const answer = await server.get(path, { accept: 'application/jsonlines' });
  expect(answer.headers['content-type']).toBe('application/jsonlines; charset=utf-8');
  const lines = answer.text.trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { attempt: 1, stream: 'log', message: 'first', fields: { n: 1 } },
    { attempt: 1, stream: 'stdout', message: 'second', fields: null },
  ]);
});

test('only what came after so many lines is answered where that is asked for', async () => {
  expect((await server.get(`${path}?after=1`)).text).toMatch(/^\S+ \[stdout\] second\n$/);
  expect((await server.get(`${path}?after=2`)).text).toBe('');
});

test('a run links to its logs', async () => {
  const run = await server.run(path.split('/')[2]!);
  expect(run.links.logs).toBe(path);
});

test('another format is a 406, a wrong parameter a 422, and an unknown run a 404', async () => {
  expect((await server.get(path, { accept: 'text/csv' })).status).toBe(406);
  expect((await server.get(`${path}?after=-1`)).status).toBe(422);
  expect((await server.get(`${path}?tail=1`)).status).toBe(422);
  expect((await server.get('/runs/0199f4a2-6f2e-7cc1-9d2b-0a1b2c3d4e5f/logs')).status).toBe(404);
});
