// The 2D model as a program of its own: GET /ping and POST /invocations on $PORT, JSON records in
// and out, with Node's own HTTP server.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Row } from 'claimcheck/model';
import { RDKit } from './models/rdkit.ts';
import { describeRows } from './models/smiles-to-2d.ts';

const rdkit = await RDKit.load();

// It listens once the model is loaded, so any answer to a ping says that it is ready.
createServer((request, response) => {
  if (request.url === '/ping') response.end();
  else void answer(request, response);
}).listen(Number(process.env['PORT']), '127.0.0.1');

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A run that is cancelled is a connection that is closed.
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  try {
    if (request.headers['content-type'] !== 'application/json')
      throw new Error('Send JSON records: [{"smiles": "CCO"}].');
    const rows = JSON.parse(Buffer.concat(await request.toArray()).toString()) as Row[];
    const described = await describeRows(rows, rdkit, gone.signal);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(described));
  } catch (error) {
    response.writeHead(422, { 'content-type': 'text/plain' }).end(String(error));
  }
}
