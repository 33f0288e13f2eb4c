// Clients that leave while their request is still looked up: what is held for their answers is let
// go of.

import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { PassThrough } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { ServiceError } from '../../../src/domain/errors.ts';
import { bodyReader } from '../../../src/http/request/incoming-body.ts';
import { DEFAULT_LIMITS } from '../../../src/http/limits.ts';
import { whenHalfClosed, whenOver } from '../../../src/http/answer/over.ts';
import { until } from '../../support/until.ts';

/** The answers to so many requests on one connection, whose client is gone. */
async function abandonedAnswers(count: number): Promise<ServerResponse[]> {
  const answers: ServerResponse[] = [];
  const server = createServer((_request, answer) => void answers.push(answer));
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(count));
  await until('all were asked', () => answers.length === count);
  socket.destroy();
  await until('the client is gone', () => answers.every(({ closed }) => closed));
  return answers;
}

test('an answer that is over before anybody asks is over, also behind another on the same connection', async () => {
  for (const answer of await abandonedAnswers(3)) {
    let told = 0;
    whenOver(answer, () => (told += 1));
    expect(told).toBe(1);
  }
});

test('a client that has said that it sends nothing more is heard, also where it said so before anybody asks', async () => {
  const answers: ServerResponse[] = [];
  const server = createServer((_request, answer) => void answers.push(answer));
  (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const answer = await until('it was asked', () => answers[0] ?? null);
  let told = 0;
  whenHalfClosed(answer, () => (told += 1));
  expect(told).toBe(0);
  socket.end();
  await until('it is heard', () => told === 1);
  whenHalfClosed(answer, () => (told += 1));
  expect(told).toBe(2);
});

test('a body whose client hung up before it was read is not waited for', () => {
  const payload = new PassThrough();
  payload.destroy();
  const request = { headers: {}, routeOptions: { config: { route: { body: { bytesMax: 100 } } } } };
  const ends: (Error | null)[] = [];
  bodyReader(DEFAULT_LIMITS)(request as FastifyRequest, payload, (error) => ends.push(error));
  expect(ends).toMatchObject([{ slug: 'malformed-body' }]);
  expect(ends[0]).toBeInstanceOf(ServiceError);
});
