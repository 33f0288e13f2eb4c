// Two endpoints on the same input: one whose rows take a millisecond, one whose rows take seconds.

import { defineConfig } from 'claimcheck';

export const config = defineConfig({
  logLevel: 'warn',
  endpoints: {
    'smiles-to-2d': {
      model: './models/smiles-to-2d.ts',
      mode: 'sync',
      default: true,
      description: "RDKit's 43 two-dimensional descriptors of a molecule",
      batchSize: 50,
      features: ['smiles'],
      idColumn: 'Compound ID',
      evaluation: './data/esol-delaney.csv',
      tags: ['smiles', '2d'],
      replicas: { max: 2 },
    },
    'smiles-to-3d': {
      model: './models/smiles-to-3d.ts',
      mode: 'async',
      description: 'Shape descriptors of MMFF94 conformers, averaged at room temperature',
      // A row takes about a second, so a chunk of one costs nothing and keeps both replicas busy to
      // the end.
      batchSize: 1,
      timeout: '10m',
      features: ['smiles'],
      tags: ['smiles', '3d'],
      replicas: { max: 2 },
    },
  },
});
