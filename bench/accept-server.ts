// The server of `accept`: claimcheck as it is served, with an endpoint whose model never becomes ready, so that accepting is all it does.
// Prints where it listens; on SIGTERM prints how the ledger has been writing.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../src/config/config.ts';
import { resolveEndpoint } from '../src/config/endpoint.ts';
import { startService } from '../src/service.ts';

const data = await mkdtemp(join(tmpdir(), 'claimcheck-bench-'));
const { spec } = resolveEndpoint(
  'noop',
  { model: ['sleep', '3600'], mode: 'async', queueLimit: 100_000_000, replicas: { startTimeout: '1h' } },
  data,
);
const config: Config = {
  file: 'bench',
  host: '127.0.0.1',
  port: 0,
  data,
  logLevel: 'warn',
  bodyBytesMax: 2 ** 20,
  endpoints: [spec!],
  environment: process.env,
};
const service = await startService(config);
process.stdout.write(`${service.url}/endpoints/noop/invoke\n`);
process.once('SIGTERM', () => {
  process.stdout.write(`${JSON.stringify(service.stats())}\n`);
  void service.stop().then(() => rm(data, { recursive: true }));
});
