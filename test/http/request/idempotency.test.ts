import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { ServiceError } from '../../../src/domain/errors.ts';
import { idempotencyKeyOf } from '../../../src/http/request/idempotency.ts';

/** The headers that a server sees where these keys are sent. */
async function headersWith(keys: string[]): Promise<IncomingHttpHeaders> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingHttpHeaders>();
  const server = createServer(({ headers }, response) => {
    response.end();
    resolve(headers);
  });
  onTestFinished(() => server.close().closeAllConnections());
  await new Promise<void>((listening) => void server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const sent = request({ port, host: '127.0.0.1', headers: keys.length === 0 ? {} : { 'idempotency-key': keys } });
  sent.on('error', reject).end();
  return promise;
}

test.each([
  ['a word', 'k'],
  ['any printable ASCII', '~a b/c:d,e"f!'],
  ['as long as it may be', 'k'.repeat(255)],
])('a key is %s', async (_what, key) => {
  expect(idempotencyKeyOf(await headersWith([key]))).toBe(key);
});

test('a request without the header has no key', async () => {
  expect(idempotencyKeyOf(await headersWith([]))).toBeNull();
});

test.each([
  ['there twice', ['one', 'two']],
  ['there twice, the same', ['one', 'one']],
  ['empty', ['']],
  ['too long', ['k'.repeat(256)]],
  ['no ASCII', ['caf\u00e9']],
])('a key that is %s is refused, with its place', async (_what, keys) => {
  const headers = await headersWith(keys);
  const thrown = (() => {
    try {
      return idempotencyKeyOf(headers);
    } catch (error) {
      return error;
    }
  })();
  expect(thrown).toBeInstanceOf(ServiceError);
  expect(thrown).toMatchObject({
    slug: 'invalid-request',
    extras: { errors: [{ pointer: 'header:idempotency-key' }] },
  });
});
