// Breakages of the room webhooks.

import type { Mutation } from './mutation.ts';

/** What is broken in it. */
export const WEBHOOKS_MUTATIONS: readonly Mutation[] = [];
