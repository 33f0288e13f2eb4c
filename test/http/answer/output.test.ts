import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { sha256 } from '../../../src/domain/digest.ts';
import { milliseconds } from '../../../src/domain/time.ts';
import { someBytes } from '../../stores/blobs/conformance.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const SMALL = Buffer.from('0123456789');
const LARGE = Buffer.from(someBytes(3_000_000));
let server: TestService;
let small: string;
let large: string;
let empty: string;

beforeAll(async () => {
  server = await startTestService({
    endpoints: { pipe: { model: ['node', './pipe.js'], mode: 'async' } },
    limits: { bodyBytes: 64_000_000, readerIdle: milliseconds(300) },
  });
  const [one, two, three] = await Promise.all(
    [SMALL, LARGE, Buffer.alloc(0)].map((body) =>
      server.postRaw('/endpoints/pipe/invoke', 'application/x-thing', body),
    ),
  );
  [small, large, empty] = [one!, two!, three!].map(({ json }) => json.run_id as string) as [string, string, string];
  for (const runId of [small, large, empty]) expect(await server.ended(runId)).toMatchObject({ status: 'succeeded' });
});
afterAll(() => server.stop());

const output = (runId: string, headers: Record<string, string> = {}) => server.get(`/runs/${runId}/output`, headers);
const tagOf = (bytes: Uint8Array): string => `"${sha256(bytes)}"`;

/** The file that holds an output. */
function fileOf(runId: string): string {
  const files = readdirSync(join(server.data, 'blobs'), { withFileTypes: true, recursive: true });
  const { parentPath, name } = files.find((entry) => entry.name.startsWith(`${runId}.output`))!;
  return join(parentPath, name);
}

describe.each([
  ['held', () => small, SMALL],
  ['streamed', () => large, LARGE],
] as const)('an output that is %s', (_, runId, bytes) => {
  test('comes whole, with its length, its type and a tag of its bytes', async () => {
    const answer = await output(runId());
    expect(answer.status).toBe(200);
    expect(Buffer.compare(answer.bytes, bytes)).toBe(0);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/x-thing',
      'content-length': String(bytes.length),
      'accept-ranges': 'bytes',
      etag: tagOf(bytes),
      'content-disposition': `attachment; filename="${runId()}.bin"`,
    });
  });

  test.each([
    ['bytes=0-0', 0, 1],
    ['bytes=3-6', 3, 7],
    ['bytes=-4', -4, undefined],
    ['bytes=5-', 5, undefined],
    ['bytes=5-99999999', 5, undefined],
  ])('comes in part for %s', async (range, from, to) => {
    const part = bytes.subarray(from, to);
    const first = from < 0 ? bytes.length + from : from;
    const answer = await output(runId(), { range });
    expect(answer.status).toBe(206);
    expect(Buffer.compare(answer.bytes, part)).toBe(0);
    expect(answer.headers).toMatchObject({
      'content-range': `bytes ${first}-${first + part.length - 1}/${bytes.length}`,
      'content-length': String(part.length),
      'content-type': 'application/x-thing',
      etag: tagOf(bytes),
    });
  });

  test('comes whole for several ranges, for another unit and for what is no range', async () => {
    for (const range of ['bytes=0-1,3-4', 'rows=0-1', 'bytes=2-1', 'bytes=x']) {
      const answer = await output(runId(), { range });
      expect(answer.status).toBe(200);
      expect(Buffer.compare(answer.bytes, bytes)).toBe(0);
      expect(answer.headers).not.toHaveProperty('content-range');
    }
  });

  test('has no range after its last byte, and says how many bytes there are', async () => {
    for (const range of [`bytes=${bytes.length}-`, 'bytes=-0']) {
      const answer = await output(runId(), { range });
      expect(answer.status).toBe(416);
      expect(answer.headers['content-range']).toBe(`bytes */${bytes.length}`);
      expect(answer.json).toMatchObject({
        type: 'https://claimcheck.dev/problems/range-not-satisfiable',
        run_id: runId(),
      });
    }
  });

  test('comes in part only of the bytes that If-Range names', async () => {
    const partial = await output(runId(), { range: 'bytes=0-0', 'if-range': tagOf(bytes) });
    expect(partial.status).toBe(206);
    for (const ifRange of ['"other"', `W/${tagOf(bytes)}`, 'Sat, 21 Nov 2026 18:00:00 GMT'])
      expect((await output(runId(), { range: 'bytes=0-0', 'if-range': ifRange })).status).toBe(200);
  });

  test('is not sent to a client that has it, for any range', async () => {
    const tag = tagOf(bytes);
    for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const answer = await output(runId(), { 'if-none-match': known, range: 'bytes=0-0' });
      expect(answer.status).toBe(304);
      expect(answer.text).toBe('');
      expect(answer.headers['etag']).toBe(tag);
    }
    expect((await output(runId(), { 'if-none-match': '"other"' })).status).toBe(200);
  });

  test('has a HEAD with everything but its bytes', async () => {
    const answer = await server.send('HEAD', `/runs/${runId()}/output`);
    expect(answer.status).toBe(200);
    expect(answer.text).toBe('');
    expect(answer.headers).toMatchObject({ 'content-length': String(bytes.length), etag: tagOf(bytes) });
    // RFC 9110: a range is of a GET alone.
    const ranged = await server.send('HEAD', `/runs/${runId()}/output`, { headers: { range: 'bytes=1-4' } });
    expect([ranged.status, ranged.headers['content-length'], ranged.headers['content-range']]).toEqual([
      200,
      answer.headers['content-length'],
      undefined,
    ]);
  });
});

test('an output of no bytes is answered whole, for any range', async () => {
  for (const range of [undefined, 'bytes=0-', 'bytes=-1', 'bytes=5-6']) {
    const answer = await output(empty, range === undefined ? {} : { range });
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({ 'content-length': '0', etag: tagOf(Buffer.alloc(0)) });
    expect(answer.text).toBe('');
  }
});

test('an output with other bytes than were stored never comes to a clean end, nor does a range of it begin', async () => {
  const { json } = await server.postRaw('/endpoints/pipe/invoke', 'application/x-thing', LARGE);
  await server.ended(json.run_id);
  const file = fileOf(json.run_id);
  const bytes = readFileSync(file);
  bytes[2_900_000]! ^= 1;
  writeFileSync(file, bytes);
  await expect(output(json.run_id)).rejects.toThrow('aborted');
  expect((await output(json.run_id, { range: 'bytes=0-0' })).status).toBe(500);
  writeFileSync(file, bytes.subarray(0, -1));
  expect((await output(json.run_id)).status).toBe(500);
});

/** Whether this process has a file open; the server runs in it. */
const isOpen = (file: string): boolean =>
  readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      // It was closed since the folder was read.
      return false;
    }
  });

test('a reader that takes nothing of what is there for it is cut off, and holds no file open', async () => {
  const body = Buffer.alloc(32_000_000, 'x');
  const { json } = await server.postRaw('/endpoints/pipe/invoke', 'application/x-thing', body);
  await server.ended(json.run_id);
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.write(`GET /runs/${json.run_id}/output HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  socket.pause();
  const file = fileOf(json.run_id);
  await until('it is cut off', () => !isOpen(file));
  // What the machine had taken for it on the way is all that it still gets.
  let heard = head.length;
  socket.on('data', (part: Buffer) => (heard += part.length));
  await once(socket.resume(), 'close');
  expect(heard).toBeLessThan(body.length);
});
