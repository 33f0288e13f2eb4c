import { expect, test } from 'vitest';
import { databaseOf, dropDatabase, onPostgres } from '../support/database.ts';
import { killRound } from './kill-round.ts';

const faultless = { lost: [], endedTwice: [], leftBehind: [], broken: [] };

// Three moments: while runs are being accepted, while replicas start, while they work. `npm run
// faults` tries random ones.
test.skipIf(onPostgres).for([40, 300, 900])(
  'a server killed %i ms after its first acknowledgement loses no acknowledged run, ends each once, and leaves no replica behind',
  async (killAfterMs) => {
    expect(await killRound({ database: null, servers: 1, killsAfterMs: [killAfterMs] })).toMatchObject(faultless);
  },
);

test.runIf(onPostgres)(
  'of three servers on one database any may be killed: none loses or ends twice what any of them has acknowledged',
  async () => {
    const database = await databaseOf('kill');
    expect(await killRound({ database, servers: 3, killsAfterMs: [40, 300, 900] })).toMatchObject(faultless);
    await dropDatabase('kill');
  },
);
