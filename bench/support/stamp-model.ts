// Gives rows back with the time at which it was done with them, in milliseconds of the machine's
// clock.

import { defineModel } from 'claimcheck/model';

export const model = defineModel({
  predict(rows) {
    const endedAt = performance.timeOrigin + performance.now();
    return rows.map((row) => ({ ...row, ended_at: endedAt }));
  },
});
