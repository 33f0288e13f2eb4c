import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Dispatcher, request } from 'undici';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HELD_PAYLOAD_BYTES_MAX, type Payload } from '../../src/domain/payload.ts';
import { keepAnswer, OwnFault, readAnswer, TooLong } from '../../src/replicas/answer-body.ts';
import { until } from '../support/until.ts';

/** More than is held, and few enough for a test. */
const MANY = 2 * HELD_PAYLOAD_BYTES_MAX;

/** What a replica that does this answers, and whether its connection is closed. */
async function answerOf(
  answer: (response: ServerResponse) => void,
): Promise<{ response: Dispatcher.ResponseData; isClosed: () => boolean }> {
  let isClosed = false;
  const replica = createServer((_request, response) => {
    response.on('close', () => (isClosed = true));
    answer(response);
  });
  await new Promise<void>((resolve) => void replica.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => replica.close().closeAllConnections());
  const url = `http://127.0.0.1:${(replica.address() as AddressInfo).port}`;
  // A guard: an answer that is waited for in vain fails with another error.
  return { response: await request(url, { bodyTimeout: 10_000 }), isClosed: () => isClosed };
}

/** Goes on for as long as anybody listens. */
const endless = (response: ServerResponse): void => {
  const more = (): void => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
  };
  response.on('drain', more);
  more();
};
/** Says that so many bytes come, and sends none. */
const announcing =
  (bytes: number) =>
  (response: ServerResponse): void =>
    response.writeHead(200, { 'content-length': bytes }).flushHeaders();

const PAYLOAD: Payload = { contentType: 'text/plain', bytes: 0, sha256: '', body: { inline: Buffer.of() } };

/** Stores nothing, and knows how much came. */
async function hashOf(chunks: AsyncIterable<Uint8Array>): Promise<Payload> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { ...PAYLOAD, bytes, sha256: hash.digest('hex') };
}

const keepingNothing = (): Promise<Payload> => Promise.reject(new Error('This is not to be stored.'));

describe.each([
  ['read', readAnswer],
  ['kept', (response: Dispatcher.ResponseData, bytesMax: number) => keepAnswer(response, bytesMax, keepingNothing)],
] as const)('an answer that is %s', (_how, take) => {
  test('has all its bytes where they are as many as the limit says', async () => {
    const { response } = await answerOf((to) => void to.end('12345678'));
    expect(Buffer.from((await take(response, 8)) as Uint8Array).toString()).toBe('12345678');
    const { response: chunked } = await answerOf((to) => {
      to.write('1234');
      to.end('5678');
    });
    expect(Buffer.from((await take(chunked, 8)) as Uint8Array).toString()).toBe('12345678');
  });

  test('is refused where it has no end, and its connection is closed', async () => {
    const { response, isClosed } = await answerOf(endless);
    await expect(take(response, 100_000)).rejects.toBeInstanceOf(TooLong);
    await until('the connection is closed', isClosed);
  });

  test('is refused before it comes where it says that it is too long, and its connection is closed', async () => {
    for (const bytes of [9, MANY]) {
      const { response, isClosed } = await answerOf(announcing(bytes));
      await expect(take(response, 8)).rejects.toBeInstanceOf(TooLong);
      await until('the connection is closed', isClosed);
    }
  });
});

describe('a long answer', () => {
  test('is stored while it comes, whole', async () => {
    const text = 'y'.repeat(MANY);
    const { response } = await answerOf((to) => void to.end(text));
    const sha256 = createHash('sha256').update(text).digest('hex');
    expect(await keepAnswer(response, MANY, hashOf)).toMatchObject({ bytes: MANY, sha256 });
  });

  test('that has no end is refused though some of it was stored', async () => {
    const { response, isClosed } = await answerOf(endless);
    await expect(keepAnswer(response, MANY, hashOf)).rejects.toBeInstanceOf(TooLong);
    await until('the connection is closed', isClosed);
  });

  test('that cannot be stored is our own fault, and its connection is closed', async () => {
    const { response, isClosed } = await answerOf(endless);
    const error = await keepAnswer(response, Infinity, keepingNothing).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OwnFault);
    expect(error).toMatchObject({ of: 'output', cause: { message: 'This is not to be stored.' } });
    await until('the connection is closed', isClosed);
  });

  test('that breaks off while it is stored is not our fault', async () => {
    const { response } = await answerOf((to) => {
      to.writeHead(200, { 'content-length': 2 * MANY });
      to.write('x'.repeat(MANY), () => to.destroy());
    });
    const error = await keepAnswer(response, 2 * MANY, hashOf).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(OwnFault);
  });
});
