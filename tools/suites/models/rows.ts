import { defineModel } from 'claimcheck/model';

// Hands its rows through.
export const model = defineModel({ predict: (rows) => rows });
