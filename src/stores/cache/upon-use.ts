// Answers that are opened with the first call that needs them: a server of which nobody asks for a
// cache has neither a file nor a thread for one.

import type { CacheStore } from '../../cache/port.ts';

/**
 * A store that is opened when something is looked for, kept or asked of it. Before the
 * first use, eviction and compaction do nothing, since there is nothing.
 *
 * @param open opens it; what it throws is thrown by the call that needed it, and the next call
 *   tries again
 */
export function openUponUse(open: () => Promise<CacheStore>): CacheStore {
  let opening: Promise<CacheStore> | null = null;
  const opened = (): Promise<CacheStore> => {
    opening ??= open().catch((error: unknown) => {
      opening = null;
      throw error;
    });
    return opening;
  };
  return {
    lookUp: async (...asked) => (await opened()).lookUp(...asked),
    keep: async (...asked) => (await opened()).keep(...asked),
    renew: async (...asked) => (await opened()).renew(...asked),
    release: async (...asked) => (await opened()).release(...asked),
    info: async (...asked) => (await opened()).info(...asked),
    clear: async (...asked) => (await opened()).clear(...asked),
    deleteEntries: async (...asked) => (await opened()).deleteEntries(...asked),
    evict: async (unusedSince) => (opening === null ? 0 : (await opening).evict(unusedSince)),
    compact: async () => (opening === null ? 0 : (await opening).compact()),
    close: async () => {
      if (opening !== null) await (await opening).close();
    },
  };
}
