// The rooms that are broken on purpose, and the tests that must notice.

import { BLOBS_MUTATIONS } from './blobs.ts';
import { CACHE_MUTATIONS } from './cache.ts';
import { TABLES_MUTATIONS } from './client-tables.ts';
import { CLIENT_MUTATIONS } from './client.ts';
import { BATCH_MUTATIONS } from './engine-batch.ts';
import { WORK_MUTATIONS } from './engine-work.ts';
import { ENGINE_MUTATIONS } from './engine.ts';
import { ANSWERS_MUTATIONS } from './http-answers.ts';
import { HTTP_MUTATIONS } from './http.ts';
import type { Room } from './mutation.ts';
import { POSTGRES_MUTATIONS } from './postgres.ts';
import { PROCESSES_MUTATIONS } from './replicas-processes.ts';
import { REPLICAS_MUTATIONS } from './replicas.ts';
import { SQLITE_MUTATIONS } from './sqlite.ts';
import { WEBHOOKS_MUTATIONS } from './webhooks.ts';

/**
 * A room whose test files mirror its files; `folder` says where it is, if it is not called as it is
 * here.
 */
const mirrored = (name: Room['name'], mutations: Room['mutations'], folder: string = name): Room => ({
  name,
  sources: `src/${folder}`,
  tests: `test/${folder}`,
  usual: null,
  mutations,
});

/** A ledger driver, whose conformance suite notices most. */
const driver = (name: 'sqlite' | 'postgres', mutations: Room['mutations']): Room => ({
  name,
  sources: `src/stores/ledger/${name}`,
  tests: 'test/stores/ledger',
  usual: [name, `${name}-states`],
  mutations,
});

/** Every room that can be broken. */
export const ROOMS: readonly Room[] = [
  driver('sqlite', SQLITE_MUTATIONS),
  driver('postgres', POSTGRES_MUTATIONS),
  mirrored('engine', [...ENGINE_MUTATIONS, ...WORK_MUTATIONS, ...BATCH_MUTATIONS]),
  mirrored('blobs', BLOBS_MUTATIONS, 'stores/blobs'),
  mirrored('cache', CACHE_MUTATIONS),
  mirrored('replicas', [...REPLICAS_MUTATIONS, ...PROCESSES_MUTATIONS]),
  mirrored('http', [...HTTP_MUTATIONS, ...ANSWERS_MUTATIONS]),
  mirrored('client', [...CLIENT_MUTATIONS, ...TABLES_MUTATIONS]),
  mirrored('webhooks', WEBHOOKS_MUTATIONS),
];
