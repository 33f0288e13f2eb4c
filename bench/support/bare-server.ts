// The yardstick of `accept`: a bare node:http server that parses the body, makes an id, and answers
// 202. It stores nothing.

import { randomUUIDv7 } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    JSON.parse(Buffer.concat(parts).toString());
    const runId = randomUUIDv7();
    const body = JSON.stringify({ run_id: runId, status: 'queued' });
    response.writeHead(202, {
      'content-type': 'application/json',
      location: `/runs/${runId}`,
      'content-length': Buffer.byteLength(body),
    });
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`),
);
