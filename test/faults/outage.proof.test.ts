import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StoppablePostgres, startStoppablePostgres } from '../support/postgres.ts';
import { type Outage, outageRound } from './outage-round.ts';

let postgres: StoppablePostgres;
beforeAll(async () => {
  postgres = await startStoppablePostgres();
});
afterAll(() => postgres.stop());

// The outages that ended acknowledged batches. `npm run outages` has shorter and longer ones of
// both kinds.
test.for<[Outage, number]>([
  ['shut down', 17],
  ['frozen', 17],
])(
  'a Postgres that is %s for %i s fails no acknowledged run, call or batch; submits are told to come again, and /ready says so within seconds',
  async ([outage, lasts]) => {
    expect(await outageRound(postgres, outage, lasts)).toMatchObject({ lost: [], untrue: [] });
  },
);
