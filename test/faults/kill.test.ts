import { expect, test } from 'vitest';
import { killRound } from './kill-round.ts';

// Three moments: while runs are being accepted, while replicas start, while they work. `npm run faults` tries random ones.
test.for([40, 300, 900])(
  'a server killed %i ms after the first submit loses no acknowledged run, ends each once, and leaves no replica behind',
  async (killAfterMs) => {
    const { wrong, leftBehind } = await killRound(killAfterMs);
    expect(wrong).toEqual([]);
    expect(leftBehind).toEqual([]);
  },
);
