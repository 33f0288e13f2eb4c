// The vault in a file of its own in the data folder, which servers and commands have open at the
// same time. In the thread of its caller: it is read in microseconds and hardly ever written.

import type { DatabaseSync } from 'node:sqlite';
import { SCOPES } from '../../domain/access.ts';
import type { Instant } from '../../domain/time.ts';
import { Query } from '../sqlite/query.ts';
import { migrationsIn } from '../migrations.ts';
import { openStoreFile, type StoreFile } from '../sqlite/file.ts';
import { transaction } from '../sqlite/transaction.ts';
import { KEY_COLUMNS, type KeyRow, keyValues, type SecretRow, toKeyRecord, toSigningSecret } from './rows.ts';
import { newSigningSecret } from './signing-secret.ts';
import type { KeyRecord, Revoked, SigningSecret, Vault } from './vault.ts';

/** The file of a vault. */
export const VAULT_FILE: StoreFile = {
  what: 'a vault',
  // The letters "clmv". The ledger's says "clmc".
  applicationId: 0x63_6c_6d_76,
  migrations: migrationsIn(new URL('./migrations/sqlite/', import.meta.url)),
  settings: ['journal_mode = WAL', 'synchronous = FULL'],
  // Each write takes two fsyncs.
  busyTimeoutMs: 5_000,
  instead: 'choose another folder with --data',
  checks: [
    `SELECT 'key ' || key_id || ': its scopes or endpoints are no JSON list' AS place FROM keys
     WHERE NOT json_valid(scopes) OR json_type(scopes) <> 'array' OR (endpoints IS NOT NULL AND (NOT json_valid(endpoints) OR json_type(endpoints) <> 'array'))`,
    `SELECT 'key ' || k.key_id || ': it has a scope that there is not' AS place FROM keys k
     WHERE json_valid(k.scopes) AND EXISTS (SELECT 1 FROM json_each(k.scopes) s WHERE s.value NOT IN (${SCOPES.map((scope) => `'${scope}'`).join(', ')}))`,
    `SELECT 'key ' || key_id || ': what it is told by is no sha-256' AS place FROM keys WHERE length(digest) <> 64 OR digest GLOB '*[^0-9a-f]*'`,
    `SELECT 'key ' || key_id || ': it has no tenant' AS place FROM keys WHERE tenant = ''`,
    `SELECT 'signing secret of ' || endpoint || ': it is none' AS place FROM signing_secrets WHERE secret NOT LIKE 'whsec\\_%' ESCAPE '\\'`,
  ],
};

const ADD_KEY = `INSERT INTO keys (${KEY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const KEY = `SELECT ${KEY_COLUMNS} FROM keys WHERE key_id = $keyId`;
const KEYS = `SELECT ${KEY_COLUMNS} FROM keys ORDER BY created_at_ms, key_id`;
const REVOKE = `UPDATE keys SET revoked_at_ms = $at WHERE key_id = $keyId AND revoked_at_ms IS NULL`;
const SECRETS = `
  SELECT endpoint, secret, created_at_ms, expires_at_ms FROM signing_secrets
  WHERE endpoint = $endpoint AND (expires_at_ms IS NULL OR expires_at_ms > $now)
  ORDER BY expires_at_ms IS NULL DESC, created_at_ms DESC, expires_at_ms DESC`;
const ENDPOINTS = `SELECT DISTINCT endpoint FROM signing_secrets ORDER BY endpoint`;
const ADD_SECRET = `INSERT INTO signing_secrets (endpoint, secret, created_at_ms) VALUES ($endpoint, $secret, $now)`;
const EXPIRE_SECRET = `UPDATE signing_secrets SET expires_at_ms = $until WHERE endpoint = $endpoint AND expires_at_ms IS NULL`;

/**
 * Opens the vault in a file, which is made for this user alone where it is not there.
 *
 * @param ledger as `openStoreFile` takes it
 * @throws Error when the file lies on another machine, is no vault, or was written by a newer
 *   claimcheck
 */
export async function openSqliteVault(file: string, ledger: string | null = null): Promise<Vault> {
  return new SqliteVault(openStoreFile(file, VAULT_FILE, ledger));
}

class SqliteVault implements Vault {
  readonly #db: DatabaseSync;
  readonly #addKey;
  readonly #key;
  readonly #keys;
  readonly #revoke;
  readonly #secrets;
  readonly #endpoints;
  readonly #addSecret;
  readonly #expireSecret;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#addKey = db.prepare(ADD_KEY);
    this.#key = new Query<KeyRow>(db, KEY);
    this.#keys = new Query<KeyRow>(db, KEYS);
    this.#revoke = db.prepare(REVOKE);
    this.#secrets = new Query<SecretRow>(db, SECRETS);
    this.#endpoints = new Query<{ endpoint: string }>(db, ENDPOINTS);
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

  async signingEndpoints(): Promise<readonly string[]> {
    return this.#endpoints.all().map(({ endpoint }) => endpoint);
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
