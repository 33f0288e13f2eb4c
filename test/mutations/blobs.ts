// Breakages of the room blobs.

import type { Mutation } from './mutation.ts';

/** What is broken in it. */
export const BLOBS_MUTATIONS: readonly Mutation[] = [];
