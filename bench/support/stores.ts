// The stores that a bench measures on: a folder for SQLite, a Postgres, a Redis; each is gone when
// the bench is.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, type PostgresServer, startPostgres } from '../../test/support/postgres.ts';
import { freePort } from '../../test/support/free-port.ts';

/** What is stopped and removed when a bench ends, in reverse order. */
export type CleanUp = AsyncDisposableStack;

/** A new empty folder. */
export async function folderFor(cleanUp: CleanUp): Promise<string> {
  return cleanUp.adopt(await mkdtemp(join(tmpdir(), 'claimcheck-bench-')), (folder) =>
    rm(folder, { recursive: true, force: true }),
  );
}

/**
 * A Postgres with its defaults, which are durable (fsync and synchronous_commit on); the one that
 * the tests use.
 */
export async function postgresFor(cleanUp: CleanUp): Promise<PostgresServer> {
  return cleanUp.adopt(await startPostgres(), (server) => server.stop());
}

/** Whether a database has been taken for a ledger. */
export async function isLedger(database: string): Promise<boolean> {
  const [found] = await ask(database, `SELECT to_regclass('claimcheck.runs') IS NOT NULL AS found`);
  return found!['found'] === true;
}

/** Whether there is a redis-server on the PATH. */
export const hasRedis = (): boolean => spawnSync('redis-server', ['--version']).status === 0;

/**
 * Starts a Redis that has every write on disk before it answers (append-only file, fsynced always);
 * answers its port.
 */
export async function redisFor(cleanUp: CleanUp): Promise<number> {
  const [folder, port] = [await folderFor(cleanUp), await freePort()];
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
  const server = spawn('redis-server', ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', folder, ...durable], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const closed = once(server, 'close');
  cleanUp.defer(async () => {
    server.kill('SIGTERM');
    await closed;
  });
  while (!(await answers(port))) await sleep(20);
  return port;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
