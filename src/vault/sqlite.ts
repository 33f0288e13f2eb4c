// The vault in a file of its own in the data folder, which servers and commands have open at the same time. In the thread of its caller:
// it is read in microseconds and hardly ever written.

import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Instant } from '../domain/time.ts';
import { makeFolder } from '../folders.ts';
import { assertLocal } from '../ledger/sqlite/file-system.ts';
import { Query } from '../ledger/sqlite/query.ts';
import { KEY_COLUMNS, type KeyRow, keyValues, type SecretRow, toKeyRecord, toSigningSecret } from './rows.ts';
import { newSigningSecret } from './signing-secret.ts';
import type { KeyRecord, Revoked, SigningSecret, Vault } from './vault.ts';

/** Marks the file as ours: the letters "clmv". The ledger's says "clmc". */
const APPLICATION_ID = 0x63_6c_6d_76;
/** Raised with every change of the schema. */
const SCHEMA_VERSION = 1;
/** How long a write waits for another process to end its own, in milliseconds; each takes two fsyncs. */
const BUSY_TIMEOUT_MS = 5_000;

const SCHEMA = `
  CREATE TABLE keys (
    key_id        TEXT    PRIMARY KEY,
    digest        TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    tenant        TEXT    NOT NULL,
    scopes        TEXT    NOT NULL,
    endpoints     TEXT,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    revoked_at_ms INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE signing_secrets (
    endpoint      TEXT    NOT NULL,
    secret        TEXT    NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    PRIMARY KEY (endpoint, secret)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX an_endpoint_has_one_newest_secret ON signing_secrets (endpoint) WHERE expires_at_ms IS NULL;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION}`;

const ADD_KEY = `INSERT INTO keys (${KEY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const KEY = `SELECT ${KEY_COLUMNS} FROM keys WHERE key_id = $keyId`;
const KEYS = `SELECT ${KEY_COLUMNS} FROM keys ORDER BY created_at_ms, key_id`;
const REVOKE = `UPDATE keys SET revoked_at_ms = $at WHERE key_id = $keyId AND revoked_at_ms IS NULL`;
const SECRETS = `
  SELECT endpoint, secret, created_at_ms, expires_at_ms FROM signing_secrets
  WHERE endpoint = $endpoint AND (expires_at_ms IS NULL OR expires_at_ms > $now)
  ORDER BY expires_at_ms IS NULL DESC, created_at_ms DESC, expires_at_ms DESC`;
const ADD_SECRET = `INSERT INTO signing_secrets (endpoint, secret, created_at_ms) VALUES ($endpoint, $secret, $now)`;
const EXPIRE_SECRET = `UPDATE signing_secrets SET expires_at_ms = $until WHERE endpoint = $endpoint AND expires_at_ms IS NULL`;

/**
 * Opens the vault in a file, which is made for this user alone where it is not there.
 *
 * @throws Error when the file lies on another machine, is no vault, or was written by a newer claimcheck
 */
export async function openSqliteVault(file: string): Promise<Vault> {
  return new SqliteVault(openFile(file));
}

class SqliteVault implements Vault {
  readonly #db: DatabaseSync;
  readonly #addKey;
  readonly #key;
  readonly #keys;
  readonly #revoke;
  readonly #secrets;
  readonly #addSecret;
  readonly #expireSecret;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#addKey = db.prepare(ADD_KEY);
    this.#key = new Query<KeyRow>(db, KEY);
    this.#keys = new Query<KeyRow>(db, KEYS);
    this.#revoke = db.prepare(REVOKE);
    this.#secrets = new Query<SecretRow>(db, SECRETS);
    this.#addSecret = db.prepare(ADD_SECRET);
    this.#expireSecret = db.prepare(EXPIRE_SECRET);
  }

  async addKey(key: KeyRecord): Promise<void> {
    this.#addKey.run(...keyValues(key));
  }

  async key(keyId: string): Promise<KeyRecord | null> {
    const row = this.#key.first({ keyId });
    return row === undefined ? null : toKeyRecord(row);
  }

  async keys(): Promise<readonly KeyRecord[]> {
    return this.#keys.all().map(toKeyRecord);
  }

  async revokeKey(keyId: string, at: Instant): Promise<Revoked> {
    if (this.#revoke.run({ keyId, at }).changes === 1) return 'revoked';
    return this.#key.first({ keyId }) === undefined ? 'unknown' : 'already-revoked';
  }

  async signingSecrets(endpoint: string, now: Instant): Promise<readonly SigningSecret[]> {
    const there = this.#secretsOf(endpoint, now);
    if (there[0]?.expiresAt === null) return there;
    return transaction(this.#db, () => {
      // Another process may have made it meanwhile.
      if (this.#secretsOf(endpoint, now)[0]?.expiresAt !== null)
        this.#addSecret.run({ endpoint, secret: newSigningSecret(), now });
      return this.#secretsOf(endpoint, now);
    });
  }

  async rotateSigningSecret(endpoint: string, now: Instant, until: Instant): Promise<SigningSecret> {
    const secret = newSigningSecret();
    transaction(this.#db, () => {
      this.#expireSecret.run({ endpoint, until });
      this.#addSecret.run({ endpoint, secret, now });
    });
    return { endpoint, secret, createdAt: now, expiresAt: null };
  }

  async close(): Promise<void> {
    this.#db.close();
  }

  #secretsOf(endpoint: string, now: Instant): SigningSecret[] {
    return this.#secrets.all({ endpoint, now }).map(toSigningSecret);
  }
}

/** With the right to write from its start: one that asked for it in the middle would be refused where another has written since. */
function transaction<Result>(db: DatabaseSync, work: () => Result): Result {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function openFile(file: string): DatabaseSync {
  makeFolder(dirname(file));
  assertLocal(dirname(file));
  makePrivate(file);
  const db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    db.exec('PRAGMA journal_mode = WAL');
    db.exec('PRAGMA synchronous = FULL');
    transaction(db, () => prepare(db, file));
    return db;
  } catch (cause) {
    db.close();
    throw cause instanceof NoVault
      ? cause
      : new Error(`${file} cannot be used as a vault: ${(cause as Error).message}.`, { cause });
  }
}

/** SQLite would make it readable for everybody; what it makes beside it has the rights that this one has. */
function makePrivate(file: string): void {
  if (existsSync(file)) return;
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
}

/** The file is something else; the message says what, and what to do. */
class NoVault extends Error {}

function prepare(db: DatabaseSync, file: string): void {
  const owner = pragma(db, 'application_id');
  const tables = (db.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as { tables: number }).tables;
  if (owner === 0 && tables === 0) return db.exec(SCHEMA);
  if (owner !== APPLICATION_ID)
    throw new NoVault(`${file} is another program's database; choose another folder with --data.`);
  const version = pragma(db, 'user_version');
  if (version > SCHEMA_VERSION)
    throw new NoVault(
      `${file} was written by a newer claimcheck (schema ${version}; this one knows ${SCHEMA_VERSION}). Use that version, or another folder with --data.`,
    );
}

function pragma(db: DatabaseSync, name: 'application_id' | 'user_version'): number {
  return (db.prepare(`PRAGMA ${name}`).get() as Record<string, number>)[name]!;
}
