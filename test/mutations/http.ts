// Breakages of the room http.

import type { Mutation } from './mutation.ts';

/** What is broken in it. */
export const HTTP_MUTATIONS: readonly Mutation[] = [];
