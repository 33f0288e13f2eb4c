import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PROBLEMS, type ProblemSlug } from '../../src/domain/errors.ts';
import { PROBLEM_BASE, type ProblemBody } from '../../src/wire/problems.ts';
import type { RunPage } from '../../src/wire/runs.ts';
import { sendBytes } from '../support/http.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { BAD_BYTES, BAD_REQUESTS, BODY_BYTES_MAX, CANARY, INSIDES } from '../corpus/requests.ts';

let server: TestService;

beforeAll(async () => {
  server = await startTestService({
    limits: { bodyBytes: BODY_BYTES_MAX },
    endpoints: {
      rows: { model: './echo.ts', mode: 'async', features: ['ID'] },
      jobs: { model: './anything.ts', mode: 'async' },
    },
  });
});
afterAll(() => server.stop());

let before: readonly string[];
const stored = async (): Promise<string[]> =>
  ((await server.get('/runs?limit=500')).json as RunPage).runs.map((run) => run.run_id);

beforeEach(async () => {
  before = await stored();
});
afterEach(async () => {
  expect(await stored()).toEqual(before);
  expect((await server.get('/health')).status).toBe(200);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

function expectProblem(text: string, slug: ProblemSlug): ProblemBody {
  const { status, title, retryable } = PROBLEMS[slug];
  const problem = JSON.parse(text) as ProblemBody;
  expect(problem).toMatchObject({
    type: `${PROBLEM_BASE}${slug}`,
    title,
    status,
    retryable,
    detail: expect.stringMatching(/\w{3}/) as string,
    instance: expect.stringMatching(/^urn:request:[0-9a-f]{8}-\d+$/) as string,
  });
  expect(text).not.toMatch(INSIDES);
  expect(text).not.toContain(CANARY);
  return problem;
}

describe.each(Object.entries(BAD_REQUESTS))('%s', (_, requests) => {
  test.each(requests.map((request) => [request.name, request] as const))(
    'is a problem that names the place, and stores nothing: %s',
    async (_name, { method, path, status, slug, says, answers = {}, ...request }) => {
      const answer = await server.send(method, path, request);
      expect({ status: answer.status, type: answer.json.type }).toEqual({ status, type: `${PROBLEM_BASE}${slug}` });
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json\b/);
      const { detail, errors = [] } = expectProblem(answer.text, slug);
      const said = [detail, ...errors.map((error) => `${error.pointer} ${error.detail}`)].join('\n');
      for (const fragment of says) expect(said).toContain(fragment);
      expect(answer.headers).toMatchObject(answers);
    },
  );
});

describe('bytes that are no request', () => {
  test.each(BAD_BYTES.map((bad) => [bad.name, bad] as const))(
    'are answered with a problem before the server hangs up, and store nothing: %s',
    async (_, { bytes, status, slug = 'malformed-body' }) => {
      const heard = await sendBytes(server.url, bytes);
      expect(heard).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      const [head, ...body] = heard.split('\r\n\r\n');
      // One answer, and nothing behind it: what follows a broken request is never read as another
      // one.
      expect(heard.match(/HTTP\/1\.1 \d{3}/g)).toHaveLength(1);
      expect(head!.toLowerCase()).toContain('content-type: application/problem+json');
      expect(head!.toLowerCase()).toContain('connection: close');
      expectProblem(body.join('\r\n\r\n'), slug);
    },
  );

  test('in the place of the second request do not take the answer of the first one away', async () => {
    const heard = await sendBytes(server.url, 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\ngarbage\r\n\r\n');
    expect(heard).toContain('HTTP/1.1 405');
  });

  test('that break off in the middle of a body store nothing', async () => {
    const head = 'POST /endpoints/jobs/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n';
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(`${head}Content-Length: 100\r\n\r\nhalf of it`);
    socket.end();
    socket.resume();
    await once(socket, 'close');
  });
});

describe('a request that is odd but not wrong is taken for what it says', () => {
  const raw = (...lines: string[]): Promise<string> =>
    sendBytes(server.url, `${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`);

  test('an address in full, of this server', async () => {
    expect(await raw('GET http://localhost/health HTTP/1.1', 'Host: localhost')).toMatch(
      /^HTTP\/1\.1 (?:200|400|404) /,
    );
  });

  test('an address in full, of another server, gets nothing of ours', async () => {
    const heard = await raw('GET http://evil.example/runs HTTP/1.1', 'Host: localhost');
    expect(heard).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  test('a wish for a websocket is not granted', async () => {
    const heard = await raw('GET /health HTTP/1.1', 'Host: localhost', 'Upgrade: websocket');
    expect(heard).not.toContain('101 Switching');
  });

  test('a wish for HTTP/2 without TLS is not granted, and the request is answered as it is: some clients begin every connection so', async () => {
    const heard = await raw(
      'GET /health HTTP/1.1',
      'Host: localhost',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQAAP__',
    );
    expect(heard).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('an expectation that nobody knows is refused', async () => {
    const heard = await raw('GET /health HTTP/1.1', 'Host: localhost', 'Expect: wonders');
    expect(heard).toMatch(/^HTTP\/1\.1 417 /);
    expectProblem(heard.split('\r\n\r\n')[1]!, 'expectation-failed');
  });

  test('CONNECT gets no tunnel', async () => {
    const heard = await raw('CONNECT evil.example:443 HTTP/1.1', 'Host: evil.example');
    expect(heard).not.toMatch(/^HTTP\/1\.1 2/);
  });
});
