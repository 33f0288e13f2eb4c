import { afterAll, beforeAll } from 'vitest';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { describeCombinations } from './combinations.ts';
import { describeCorners } from './corners.ts';
import { postgres } from './drivers.ts';
import { describeInterleavings } from './interleavings.ts';
import { describeLimits } from './limits.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

const POSTGRES = postgres(() => server);
describeCombinations(POSTGRES);
describeCorners(POSTGRES);
describeInterleavings(POSTGRES);
describeLimits(POSTGRES);
