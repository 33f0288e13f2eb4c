import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { serviceForTest, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

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

describe('logs that are followed', () => {
  let gates: Gates;
  beforeEach(async () => {
    gates = new Gates(await folderForTest());
  });

  /** Follows the logs of a run, by hand. */
  async function follow(runId: string, query = '', headers = {}) {
    const outgoing = request(`${server.url}/runs/${runId}/logs?follow=true${query}`, { agent: false, headers });
    onTestFinished(() => void outgoing.destroy());
    outgoing.on('error', () => {}).end();
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    let text = '';
    incoming.setEncoding('utf8').on('data', (part: string) => (text += part));
    incoming.on('error', () => {});
    const ended = new Promise<boolean>((resolve) => incoming.once('close', () => resolve(incoming.complete)));
    return { text: () => text, ended, status: incoming.statusCode };
  }

  test('come as they are written, and end with the run', async () => {
    const runId = await server.submit('model', [{ log: ['one'] }, { gate: gates.path('on') }, { log: ['two'] }]);
    const followed = await follow(runId);
    expect(followed.status).toBe(200);
    await until('the first line is there', () => followed.text().includes('one'));
    gates.open('on');
    expect(await followed.ended).toBe(true);
    expect(followed.text()).toMatch(new RegExp(`^${TIME} one\n${TIME} two\n$`));
    expect(followed.text()).toBe((await server.get(`/runs/${runId}/logs`)).text);
  });

  test('are the rest after so many lines, as JSON where that is asked for', async () => {
    const runId = await server.submit('model', [{ log: ['one'] }, { log: ['two'] }, { log: ['three'] }]);
    const followed = await follow(runId, '&after=2', { accept: 'application/jsonlines' });
    expect(await followed.ended).toBe(true);
    expect(JSON.parse(followed.text())).toMatchObject({ message: 'three' });
    const none = await follow(runId, '&after=3');
    expect(await none.ended).toBe(true);
    expect(none.text()).toBe('');
  });

  test('begin before there is a line, and have the last words of a run that is cancelled', async () => {
    const runId = await server.submit('model', [{ gate: gates.path('never') }]);
    const followed = await follow(runId);
    await server.inStatus(runId, 'running');
    await server.send('DELETE', `/runs/${runId}`);
    expect(await followed.ended).toBe(true);
    // Which of the two comes first is told by neither: the one is the model's, and the other the
    // server's.
    expect(followed.text()).toMatch(/ stopped\n/);
    expect(followed.text()).toMatch(/ \[server\] attempt 1 cancelled\n/);
  });

  test('break off where the server stops first, since more lines may follow', async () => {
    const stopping = await serviceForTest({ endpoints: { model: { model: './reporter.ts', mode: 'async' } } });
    const runId = await stopping.submit('model', [{ log: ['one'] }, { gate: gates.path('never') }]);
    const outgoing = request(`${stopping.url}/runs/${runId}/logs?follow=true`, { agent: false });
    outgoing.on('error', () => {}).end();
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    incoming.on('error', () => {});
    await once(incoming, 'data');
    const closed = new Promise<void>((resolve) => incoming.resume().once('close', () => resolve()));
    await stopping.stop();
    await closed;
    expect(incoming.complete).toBe(false);
  });
});
