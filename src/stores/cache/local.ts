// A file with answers beside a program that uses the SDK. The SDK imports this only where a program
// asks for a file, by a name that is made up then: no bundle for a browser ever has it.

import { systemClock } from '../../system/clock.ts';
import { openSqliteCache } from './sqlite.ts';
import type { AnswerStore, CachePlace } from '../../cache/port.ts';

/** Opens a file as `openSqliteCache` does, by the machine's clock, for the answers of one place. */
export function openLocalCache(file: string, place: CachePlace): AnswerStore {
  const store = openSqliteCache(file, systemClock);
  return {
    lookUp: (question) => store.lookUp(place, question),
    keep: (kept) => store.keep(place, kept),
    renew: (caller, lease) => store.renew(place, caller, lease),
    release: (caller) => store.release(place, caller),
    info: () => store.info(place),
    clear: () => store.clear(place),
    deleteEntries: (keys) => store.deleteEntries(place, keys),
    compact: () => store.compact(),
    close: () => store.close(),
  };
}
