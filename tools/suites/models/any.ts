import { defineModel } from 'claimcheck/model';

// Hands its input through.
export const model = defineModel({ invoke: (input) => input });
