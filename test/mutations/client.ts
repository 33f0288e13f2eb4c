// Breakages of the room client.

import type { Mutation } from './mutation.ts';

/** What is broken in it. */
export const CLIENT_MUTATIONS: readonly Mutation[] = [];
