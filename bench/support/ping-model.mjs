// A program that answers /ping and /invocations on $PORT with nothing but what Node brings along.
import { createServer } from 'node:http';

createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  request.pipe(response);
}).listen(Number(process.env.PORT), '127.0.0.1');
