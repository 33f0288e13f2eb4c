// The client where it may find itself: the same walk in Node, Bun, Deno and a page of a real
// Chromium, each with the same to tell.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';
import { orWhy, whyNot } from '../support/optional.ts';
import { operatorHeaders, startTestService, type TestService } from '../support/service.ts';
import { ROWS } from './anywhere/walk.ts';

const fileOf = (name: string): string => fileURLToPath(new URL(`anywhere/${name}`, import.meta.url));
const run = promisify(execFile);

/** A site of its own: its pages are foreign to the server, which must let them in by name. */
const site = createServer();
let origin: string;
let server: TestService;
/** What Node tells. */
let told: Record<string, unknown>;

beforeAll(async () => {
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  origin = `http://127.0.0.1:${(site.address() as { port: number }).port}`;
  const rows = { model: './careful-rows.ts', batchSize: 2 };
  server = await startTestService({
    endpoints: { rows, later: { ...rows, mode: 'async' }, anything: { model: './anything.ts' } },
    corsOrigins: [origin],
  });
  told = await inProcess(process.execPath, []);
});
afterAll(async () => {
  site.close();
  await server.stop();
});

async function inProcess(program: string, flags: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout } = await run(program, [...flags, fileOf('in-process.ts'), server.url]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

test('Node tells what is so', () => {
  const marked = { id: 2, inference_error: expect.stringContaining('Row 2 is bad.') as string };
  expect(told).toMatchObject({
    inference: ROWS,
    asynchronous: ROWS,
    attached: ROWS,
    empty: [],
    marked: [{ id: 1, inference_error: null }, marked, { id: 3, inference_error: null }],
    dropped: [{ id: 1 }, { id: 3 }],
    arrow: { ranks: [5, 6, 7], texts: ['a', 'b', 'c'] },
    json: { deep: [1, 'two', null] },
    oneJob: 1,
    cached: { rows: ROWS.toReversed().map((row) => row['text']), hits: true },
    aborted: { name: 'AbortError', ours: false },
    cancelled: 'cancelled',
    missing: { name: 'EndpointNotFoundError', ours: true, status: 404, retryable: false },
    failed: { name: 'ModelError', ours: true },
    mistaken: { name: 'InvalidRequestError', ours: true, status: 422 },
  });
});

const noBun = whyNot('bun', ['--eval', 'console.log(6 * 7)'], { prints: '42' });
test.skipIf(noBun !== null)(`Bun tells the same${orWhy(noBun)}`, async () => {
  expect(await inProcess('bun', ['run'])).toEqual(told);
});

const noDeno = whyNot('deno', ['eval', 'console.log(6 * 7)'], { prints: '42' });
test.skipIf(noDeno !== null)(`Deno tells the same${orWhy(noDeno)}`, async () => {
  expect(await inProcess('deno', ['run', '--quiet', '--allow-net', '--allow-env', '--allow-read'])).toEqual(told);
});

/** What it needs in a container, where it is often root. */
const CHROMIUM = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
const noChromium = whyNot('chromium', [...CHROMIUM, '--dump-dom', 'data:text/html,<p>42</p>'], { prints: '<p>42</p>' });

test.skipIf(noChromium !== null)(
  `a page in Chromium tells the same, of a server that lets its site in${orWhy(noChromium)}`,
  async () => {
    const bundle = await rolldown({ input: fileOf('in-page.ts'), platform: 'browser', external: ['nodejs-polars'] });
    const { output } = await bundle.generate({ format: 'esm', codeSplitting: false });
    await bundle.close();
    const heard = new Promise<object>((resolve, reject) => {
      site.on('request', (request, response) => {
        if (request.method === 'POST') {
          text(request).then((body) => resolve(JSON.parse(body) as object), reject);
          response.end();
        } else if (request.url === '/walk.js') {
          response.setHeader('content-type', 'text/javascript').end(output[0].code);
        } else {
          response.setHeader('content-type', 'text/html').end('<script type="module" src="/walk.js"></script>');
        }
      });
    });
    const profile = `--user-data-dir=${await folderForTest()}`;
    const token = operatorHeaders(server.data).authorization!.replace('Bearer ', '');
    const page = `${origin}/?${new URLSearchParams({ server: server.url, token }).toString()}`;
    const browser = spawn('chromium', [...CHROMIUM, profile, page], { stdio: 'ignore', detached: true });
    const gone = once(browser, 'exit').then(([code]) => ({ error: `Chromium ended with ${code}.` }));
    onTestFinished(async () => {
      if (browser.exitCode === null) process.kill(-browser.pid!, 'SIGKILL');
      await gone;
    });
    expect(await Promise.race([heard, gone])).toEqual({ facts: told });
  },
);
