// A model that takes a tenth of a second and no processor time: what is measured is whether there
// is always a replica for the next run.

import { setTimeout as sleep } from 'node:timers/promises';
import { defineModel } from '../../src/model/index.ts';

export const model = defineModel({
  async invoke(input) {
    await sleep(100);
    return input;
  },
});
