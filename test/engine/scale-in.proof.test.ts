// Replicas that are stopped for being idle, while runs come at that very moment.

import { expect, test } from 'vitest';
import { FIXTURES, serviceForTest } from '../support/service.ts';

/** Runs that race the end of an idle replica. */
const RUNS = 200;
const LANES = 4;

test('no run is lost or started twice because its replica was about to be stopped for being idle', async () => {
  const model = [process.execPath, `${FIXTURES}takes-its-time.js`];
  const replicas = { max: LANES, idle: '5ms' };
  const server = await serviceForTest({ endpoints: { racy: { model, mode: 'async', replicas } } });
  const used = new Set<string>();
  await Promise.all(
    Array.from({ length: LANES }, async (_, lane) => {
      for (let count = 0; count < RUNS / LANES; count += 1) {
        // Every third run is much longer than a replica may be idle.
        const ended = await server.ended(await server.submit('racy', { ms: count % 3 === 0 ? 60 : lane }));
        expect(ended).toMatchObject({ status: 'succeeded', attempts: [{ attempt: 1, outcome: 'succeeded' }] });
        expect(ended.attempts).toHaveLength(1);
        used.add(ended.attempts[0].replica);
        // A gap that differs, so that runs come before the end of an idle replica, at it and after
        // it.
        for (let look = 0; look < count % 8; look += 1) await server.endpoint('racy');
      }
    }),
  );
  // Replicas were stopped and started all the while: otherwise nothing was raced.
  expect(used.size).toBeGreaterThan(LANES);
});
