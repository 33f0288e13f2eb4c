// Breakages of the room engine.

import type { Mutation } from './mutation.ts';

/** What is broken in it. */
export const ENGINE_MUTATIONS: readonly Mutation[] = [];
