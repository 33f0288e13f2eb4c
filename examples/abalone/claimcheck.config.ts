// A SageMaker script as an endpoint: the file is all there is to it.

import { defineConfig } from 'claimcheck';

export const config = defineConfig({
  logLevel: 'warn',
  endpoints: {
    'abalone-rings': {
      model: './inference.py',
      mode: 'sync',
      default: true,
      description: 'The number of rings in the shell of an abalone, by ordinary least squares',
      // A script takes anything; with a batch size, a table goes to it in chunks.
      batchSize: 500,
      features: [
        'Sex',
        'Length',
        'Diameter',
        'Height',
        'Whole_weight',
        'Shucked_weight',
        'Viscera_weight',
        'Shell_weight',
      ],
      tags: ['regression'],
    },
  },
});
