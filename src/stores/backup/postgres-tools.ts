// PostgreSQL's own programs, which alone make and read a dump of a database of any version.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** What claimcheck keeps in a database. */
const SCHEMAS = ['claimcheck', 'claimcheck_vault', 'claimcheck_captures', 'claimcheck_cache'];

const BY_HAND =
  'Install the programs of at least the version of the server and have them on the PATH, or do it by your own means, with --without-database for the rest (docs/backup.md says in which order).';

/**
 * Writes all that claimcheck keeps in a database into a file, as of one moment.
 *
 * @throws Error when pg_dump is not there or cannot: the message says what to do
 */
export async function dump(url: string, file: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const schemas = SCHEMAS.map((name) => `--schema=${name}`);
  await run(
    'pg_dump',
    ['--format=custom', '--no-owner', '--no-privileges', ...schemas, `--file=${file}`],
    url,
    environment,
  );
}

/**
 * Puts such a file into a database that has nothing of claimcheck's, all of it or nothing.
 *
 * @throws Error when pg_restore is not there or cannot
 */
export async function restoreDump(url: string, file: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await run(
    'pg_restore',
    ['--exit-on-error', '--single-transaction', '--no-owner', '--no-privileges', file],
    url,
    environment,
  );
}

/** The password goes by the environment: a list of processes shows their arguments. */
async function run(
  program: 'pg_dump' | 'pg_restore',
  args: readonly string[],
  url: string,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const place = new URL(url);
  const password = decodeURIComponent(place.password);
  place.password = '';
  const child = spawn(program, [...args, `--dbname=${place.href}`], {
    env: { ...environment, ...(password !== '' && { PGPASSWORD: password }) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    await once(child, 'spawn');
  } catch (error) {
    // Then it may have no streams.
    throw new Error(`${program} cannot be started: ${(error as Error).message}. ${BY_HAND}`, { cause: error });
  }
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${said.trim().replaceAll('\n', ' ')}. ${BY_HAND}`);
}
