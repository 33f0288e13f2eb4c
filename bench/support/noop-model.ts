// A model that does nothing: what is measured is everything around it.

import { defineModel } from '../../src/model/index.ts';

export const model = defineModel({ invoke: (input) => input });
