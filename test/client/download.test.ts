// Large inputs and outputs: sent from files, fetched as streams, over connections that break.

import { createHash } from 'node:crypto';
import { openAsBlob, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { connect, ModelError } from '../../src/index.ts';
import { folderForTest } from '../support/folder.ts';
import { cuttable } from './cuttable.ts';
import { type RunningServer, startServer } from './server.ts';
import { startShakyProxy } from './shaky-proxy.ts';

/** More than fits into the buffers of a connection between two processes of a machine. */
const ROWS = 3_000;
const LINES = Array.from({ length: ROWS }, (_, id) => `${String(id).padStart(5, '0')},${'x'.repeat(5_000)}\n`);
const CSV = `id,value\n${LINES.join('')}`;

/** With it, the first connections are cut in the middle of what is sent. */
const SEED = 2;

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

let file: string;
beforeEach(async () => {
  file = join(await folderForTest(), 'in.csv');
  writeFileSync(file, CSV);
});

const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

async function finished(): Promise<string> {
  const bytes = await openAsBlob(file);
  const input = { bytes, contentType: 'text/csv' };
  const run = await connect({ url: server.url }).endpoint('rows').submit(input, { batch: true, batchSize: 500 });
  await run.wait();
  return run.id;
}

/** A run that succeeded, as a server tells of it. */
const SUCCEEDED = {
  run_id: 'r1',
  status: 'succeeded',
  done: true,
  error: null,
  output: { content_type: 'text/plain', bytes: 10, sha256: sha256('0123456789') },
};

describe('an output as a stream', () => {
  test('is the output, also where the connection breaks in the middle, and again', async () => {
    const id = await finished();
    const whole = await connect({ url: server.url }).run(id).output();
    const { client, cut } = await cuttable(server.url);
    const { stream, bytes, contentType, sha256: hash } = await client.run(id).outputStream();
    const parts: Uint8Array[] = [];
    let got = 0;
    let cuts = 0;
    for await (const part of stream) {
      parts.push(part);
      got += part.length;
      if (got > (cuts + 1) * (bytes / 4)) {
        cuts += 1;
        cut();
      }
    }
    expect(cuts).toBeGreaterThanOrEqual(3);
    expect(contentType).toBe('text/csv');
    expect([got, bytes]).toEqual([whole.bytes.length, whole.bytes.length]);
    expect([sha256(Buffer.concat(parts)), hash]).toEqual([sha256(whole.bytes), sha256(whole.bytes)]);
  });

  test('closes its connection when it is cancelled', async () => {
    const { client } = await cuttable(server.url);
    const { stream } = await client.run(await finished()).outputStream();
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel();
    expect(await reader.read()).toEqual({ done: true, value: undefined });
  });

  test('of a run that failed is its error', async () => {
    const run = await connect({ url: server.url }).endpoint('anything').submit({ fail: 'no' });
    await expect(run.outputStream()).rejects.toBeInstanceOf(ModelError);
  });

  test('has every byte once where what stands between breaks off, and knows no ranges', async () => {
    const downloads: ((response: ServerResponse) => void)[] = [
      (response) => void response.write('0123', () => response.destroy()),
      (response) => void response.write('012345', () => response.destroy()),
      (response) => void response.end('0123456789'),
    ];
    const forgetful = createServer(({ url }, response) => {
      if (!url!.endsWith('/output')) return void response.end(JSON.stringify(SUCCEEDED));
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '10' });
      downloads.shift()!(response);
    });
    await new Promise<void>((resolve) => void forgetful.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => forgetful.close().closeAllConnections());
    const url = `http://127.0.0.1:${(forgetful.address() as AddressInfo).port}`;
    const { stream } = await connect({ url }).run('r1').outputStream();
    expect(await new Response(stream).text()).toBe('0123456789');
    expect(downloads).toEqual([]);
  });

  test('fails where ten more connections in a row have brought nothing', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    let opened = 0;
    const fetch = async (url: unknown): Promise<Response> => {
      if (!String(url).endsWith('/output')) return Response.json(SUCCEEDED);
      opened += 1;
      return new Response('');
    };
    const { stream } = await connect({ url: 'http://broken', fetch }).run('r1').outputStream();
    const read = new Response(stream).text().catch((error: unknown) => error);
    // Far longer than all the pauses together: none of them is waited for.
    await vi.advanceTimersByTimeAsync(600_000);
    expect(opened).toBe(11);
    expect(await read).toMatchObject({
      message: expect.stringContaining('broke 11 times after 0 of 10 bytes') as unknown,
    });
  });
});

describe('an input from a file', () => {
  test('is sent again, whole, where the connection breaks in the middle of it, and makes one run', async () => {
    const proxy = await startShakyProxy(server.url, SEED, CSV.length);
    const client = connect({ url: proxy.url });
    proxy.shaky = true;
    const input = { bytes: await openAsBlob(file), contentType: 'text/csv' };
    const run = await client.endpoint('rows').submit(input, { batch: true, batchSize: 500, runName: 'from a file' });
    expect(proxy.cuts.requests).toBeGreaterThan(0);
    const runs = await Array.fromAsync(connect({ url: server.url }).runs({ runName: 'from a file' }));
    expect(runs).toMatchObject([{ run_id: run.id }]);
    const { bytes } = await connect({ url: server.url }).run(run.id).output();
    expect(
      new TextDecoder()
        .decode(bytes)
        .split('\n')
        .map((line) => line.slice(0, 5))
        .slice(1, -1),
    ).toEqual(LINES.map((line) => line.slice(0, 5)));
  });

  test('may be JSON, which goes into its envelope unread', async () => {
    writeFileSync(file, '{"big": 90071992547409931}');
    const input = { bytes: await openAsBlob(file), contentType: 'application/json' };
    const run = await connect({ url: server.url })
      .endpoint('anything')
      .submit(input, { metadata: { a: 1 } });
    expect(await run.result()).toEqual({ input: { big: 90_071_992_547_409_940 } });
    expect((await run.status()).metadata).toEqual({ a: 1 });
  });

  test('that is changed before it is sent is no run, but an error that says so', async () => {
    const bytes = await openAsBlob(file);
    writeFileSync(file, 'id\n1\n');
    const submitted = connect({ url: server.url }).endpoint('rows').submit({ bytes, contentType: 'text/csv' });
    await expect(submitted).rejects.toThrow('its file was changed or removed while it was sent');
  });
});
