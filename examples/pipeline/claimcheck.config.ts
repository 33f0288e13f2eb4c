// One endpoint: a pipeline of four steps, of 30 seconds each unless its input says otherwise.

import { defineConfig } from 'claimcheck';

export const config = defineConfig({
  logLevel: 'warn',
  endpoints: {
    pipeline: {
      model: './pipeline.ts',
      mode: 'async',
      description: 'Splits a text into words, counts them, ranks them and reports the most frequent ones',
      timeout: '10m',
    },
  },
});
