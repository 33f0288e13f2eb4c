import { defineConfig } from 'vitest/config';

// Tests run in forks because many of them start worker threads and child processes of their own,
// and the timeout is a guard against a hang, never a measurement. What takes long, because it kills, cuts off, waits or sends a lot, is
// called *.proof.test.ts: `npm test` leaves it out, `npm run proofs` runs it.
export const config = defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
    // `npm run test:postgres` is for those: most need a Postgres, which takes a while to start.
    exclude: process.env['CLAIMCHECK_TEST_LEDGER'] === 'postgres' ? [] : ['test/ledger/postgres*'],
    globalSetup: 'test/support/every-postgres.ts',
    pool: 'forks',
    // Three on two cores, where one would be the default: these tests wait for processes and disks more than they compute.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

// Vitest reads its configuration from the default export.
export default config;
