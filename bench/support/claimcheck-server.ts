// claimcheck as it is served, for a bench: node claimcheck-server.ts '<ServerOptions as JSON>'
// Prints where it listens; on SIGTERM prints how the ledger has been writing, and stops.

import { fileURLToPath } from 'node:url';
import { readDeploySettings } from '../../src/config/deploy-rules.ts';
import type { Config } from '../../src/config/config.ts';
import type { EndpointFile } from '../../src/config/config-file.ts';
import { resolveEndpoint } from '../../src/config/endpoint.ts';
import { days } from '../../src/domain/time.ts';
import { startService } from '../../src/service.ts';

/** What a bench may choose. */
export interface ServerOptions {
  /** Data folder; the bench removes it. */
  readonly data: string;
  /** URL of a Postgres database for the ledger; null for the embedded one. */
  readonly database: string | null;
  /**
   * `noop` answers its input, 64 at a time; `never` does not become ready, so that what is accepted
   * stays queued. Or endpoints of the bench's own.
   */
  readonly model: 'noop' | 'never' | Readonly<Record<string, EndpointFile>>;
}

/** Beyond what any bench queues. */
const QUEUE_LIMIT = 100_000_000;
const MODELS: Readonly<Record<'noop' | 'never', Pick<EndpointFile, 'model' | 'replicas'>>> = {
  noop: {
    model: fileURLToPath(new URL('./noop-model.ts', import.meta.url)),
    replicas: { min: 1, max: 1, concurrency: 64 },
  },
  never: { model: ['sleep', '86400'], replicas: { startTimeout: '24h' } },
};

const options = JSON.parse(process.argv[2]!) as ServerOptions;
const written =
  typeof options.model === 'string' ? { noop: { ...MODELS[options.model], mode: 'async' as const } } : options.model;
const endpoints = Object.entries(written).map(([name, endpoint]) => {
  const { spec, mistakes } = resolveEndpoint(
    name,
    { queueLimit: QUEUE_LIMIT, queueTtl: '7d', ...endpoint },
    options.data,
  );
  if (spec === null) throw new Error(`The bench's endpoint has mistakes: ${JSON.stringify(mistakes)}`);
  return spec;
});
const config: Config = {
  file: 'bench',
  host: '127.0.0.1',
  insecure: false,
  hosts: [],
  publicUrl: null,
  trustProxy: false,
  port: 0,
  data: options.data,
  database: options.database,
  // A bench that kills servers makes them warn of every run that they take back.
  logLevel: 'error',
  egress: { httpsOnly: false, allow: [] },
  corsOrigins: [],
  // A bench has as many clients as it likes, all of them on one address.
  limits: { connections: 1_000_000, connectionsPerAddress: 1_000_000 },
  deploy: readDeploySettings({}, options.data),
  cacheUnusedFor: days(30),
  firstUid: null,
  endpoints,
  environment: process.env,
};
const service = await startService(config);
process.stdout.write(`${service.url}\n`);
process.once('SIGTERM', () => {
  process.stdout.write(`${JSON.stringify(service.stats())}\n`);
  void service.stop();
});
