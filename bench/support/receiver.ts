// A receiver of webhooks in a process of its own: node receiver.ts <milliseconds that it takes for
// each, or "never">

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const takes = process.argv[2]!;

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    if (takes === 'never') return;
    setTimeout(() => response.writeHead(204).end(), Number(takes));
  });
});
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`),
);
