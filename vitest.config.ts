import { spawnSync } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Every server that a test starts has a thread, and many tests start programs: what Node has
// compiled for one is kept for all that come after.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/compile/', import.meta.url));

// A version manager's `python3` is a script that starts a dozen programs before Python: tests start
// the interpreter itself.
const { stdout: python } = spawnSync('python3', ['-c', 'import sys; print(sys.executable, end="")'], {
  encoding: 'utf8',
});
if (python) process.env['PATH'] = [dirname(python), process.env['PATH']].join(delimiter);

// Tests run in forks because many of them start worker threads and child processes of their own,
// and the timeout is a guard against a hang, never a measurement: it is longer than what any test
// waits for by itself, and than what a busy machine needs for the slowest. What takes long, because
// it kills, cuts off, waits or sends a lot, is called *.proof.test.ts: `npm test` leaves it out,
// `npm run proofs` runs it.
export const config = defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
    // `npm run test:postgres` is for those: most need a Postgres, which takes a while to start.
    exclude: process.env['CLAIMCHECK_TEST_LEDGER'] === 'postgres' ? [] : ['test/stores/ledger/postgres*'],
    globalSetup: 'test/support/every-postgres.ts',
    pool: 'forks',
    // The files that one worker runs share what they import, since no module keeps anything that a
    // test could notice.
    isolate: false,
    // Four on two cores, where one would be the default: these tests wait for processes and disks
    // more than they compute.
    maxWorkers: 4,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});

// Vitest reads its configuration from the default export.
export default config;
