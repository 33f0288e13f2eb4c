// One model in three ways: a script as SageMaker runs them, a file in TypeScript, and a program of
// its own. Their tables are the same.

import { defineConfig } from 'claimcheck';

const regression = {
  // A script and a program take anything; with a batch size, a table goes to them in chunks.
  batchSize: 500,
  features: ['Sex', 'Length', 'Diameter', 'Height', 'Whole_weight', 'Shucked_weight', 'Viscera_weight', 'Shell_weight'],
  tags: ['regression'],
  target: 'Class_number_of_rings',
  prediction: 'predicted_rings',
  idColumn: 'id',
  evaluation: './data/evaluation.csv',
};

export const config = defineConfig({
  logLevel: 'warn',
  endpoints: {
    'abalone-rings': {
      ...regression,
      model: './inference.py',
      mode: 'sync',
      default: true,
      description: 'The number of rings in the shell of an abalone, by ordinary least squares',
    },
    'abalone-rings-file': {
      ...regression,
      model: './rings.ts',
      mode: 'sync',
      description: 'The same model as a file in TypeScript',
    },
    'abalone-rings-program': {
      ...regression,
      model: ['python3', 'serve.py'],
      mode: 'sync',
      description: 'The same model as a program that answers on $PORT',
    },
  },
});
