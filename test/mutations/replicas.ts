// Breakages of the room replicas.

import type { Mutation } from './mutation.ts';

/** What is broken in it. */
export const REPLICAS_MUTATIONS: readonly Mutation[] = [];
