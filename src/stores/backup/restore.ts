// Putting a backup back into a data folder that has nothing yet, and where the ledger is a database
// into one that has nothing either.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readIdentity } from '../belonging.ts';
import {
  blobFolder,
  cacheFile,
  capturesFile,
  capturesFolder,
  type Config,
  ledgerFile,
  logFolder,
  vaultFile,
} from '../../config/config.ts';
import { makeFolder, syncFolder } from '../../system/folders.ts';
import { dumpFile, type Manifest, manifestFile } from './backup.ts';
import { copyAll, copyDurably, filesIn, isWithin } from './files.ts';
import { assertItsLedger } from './its-ledger.ts';
import { restoreDump } from './postgres-tools.ts';

/** What is to be put back, and where. */
export interface RestoreOrder {
  readonly from: string;
  readonly place: Pick<Config, 'data' | 'database'>;
  /** Whether the database was put back before, by its owner. */
  readonly withoutDatabase: boolean;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * Copies a backup into its place. The ledger's file comes last: a folder without it starts no
 * server.
 *
 * @throws Error when the folder holds no backup, or its place is not empty
 */
export async function putBack({ from, place, withoutDatabase, environment }: RestoreOrder): Promise<Manifest> {
  const { data, database } = place;
  const manifest = readManifest(from);
  assertPlace(manifest, { from, place, withoutDatabase, environment });
  const said = readIdentity(from);
  if (said === null) throw new Error(`${from} does not say which ledger it belongs to: its identity.json is gone.`);
  if (database !== null && withoutDatabase) await assertItsLedger(database, from, said);
  makeFolder(data);
  if (database !== null && !withoutDatabase) {
    await restoreDump(database, dumpFile(from), environment);
    await assertItsLedger(database, from, said);
  }
  for (const folder of [blobFolder, capturesFolder, logFolder])
    await copyAll(folder(from), folder(data), await filesIn(folder(from)));
  for (const file of [cacheFile, vaultFile, capturesFile, ledgerFile])
    if (existsSync(file(from))) await copyDurably(file(from), file(data));
  await copyDurably(join(from, 'identity.json'), join(data, 'identity.json'));
  syncFolder(data);
  return manifest;
}

function readManifest(from: string): Manifest {
  if (!existsSync(manifestFile(from)))
    throw new Error(
      `${from} is no backup, or one that was cut off before it was whole: it has no ${manifestFile('')}. Name a folder that claimcheck backup has made.`,
    );
  try {
    return JSON.parse(readFileSync(manifestFile(from), 'utf8')) as Manifest;
  } catch (cause) {
    throw new Error(
      `${manifestFile(from)} cannot be read: ${(cause as Error).message}. It was written when the backup was whole, and damaged since.`,
      { cause },
    );
  }
}

function assertPlace({ kind, database: hasDump }: Manifest, { from, place, withoutDatabase }: RestoreOrder): void {
  const { data, database } = place;
  if (isWithin(data, from))
    throw new Error(`${data} is the backup itself, or lies in it. Name another folder with --data.`);
  if ((kind === 'postgres') !== (database !== null))
    throw new Error(
      kind === 'postgres'
        ? `${from} is of a ledger in Postgres: name an empty database in the configuration or in CLAIMCHECK_DATABASE_URL.`
        : `${from} is of a ledger in a file, and the configuration names a database.`,
    );
  if (kind === 'postgres' && hasDump !== true && !withoutDatabase)
    throw new Error(
      `${from} has no dump of the database: put that back by your own means first, then give --without-database.`,
    );
  const there = existsSync(data) ? readdirSync(data) : [];
  const ours = there.filter((name) =>
    /^(?:ledger|vault|captures|cache)\.sqlite|^(?:blobs|captures|logs)$|^identity\.json$/.test(name),
  );
  if (ours.length > 0)
    throw new Error(
      `${data} has been used: it holds ${ours.join(', ')}. Move that away first, or name another folder with --data.`,
    );
}
