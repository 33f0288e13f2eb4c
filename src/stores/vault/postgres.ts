// The vault in the database of the ledger, in a schema of its own: so that a command which makes a
// key never migrates the ledger under a server, and a role can be given the runs without the keys.

import { type Instant, seconds } from '../../domain/time.ts';
import { type Connections, type Statement, type Writer } from '../postgres/connections.ts';
import type { StoreConnections } from '../postgres/lent-connections.ts';
import { migrationsIn } from '../migrations.ts';
import { openStoreSchema, type StoreSchema } from '../postgres/schema.ts';
import { KEY_COLUMNS, type KeyRow, keyValues, type SecretRow, toKeyRecord, toSigningSecret } from './rows.ts';
import { newSigningSecret } from './signing-secret.ts';
import type { KeyRecord, Revoked, SigningSecret, Vault } from './vault.ts';

/**
 * A call that changes something has this lock until its transaction ends; the number is the letters
 * "clmv".
 */
const LOCK = `SELECT pg_advisory_xact_lock(x'636c6d76'::integer)`;

const ADD_KEY: Statement = {
  name: 'claimcheck_add_key',
  text: `INSERT INTO claimcheck_vault.keys (${KEY_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
};
const KEY: Statement = {
  name: 'claimcheck_key',
  text: `SELECT ${KEY_COLUMNS} FROM claimcheck_vault.keys WHERE key_id = $1`,
};
const KEYS: Statement = {
  name: 'claimcheck_keys',
  text: `SELECT ${KEY_COLUMNS} FROM claimcheck_vault.keys ORDER BY created_at_ms, key_id`,
};
const REVOKE: Statement = {
  name: 'claimcheck_revoke_key',
  text: `UPDATE claimcheck_vault.keys SET revoked_at_ms = $2 WHERE key_id = $1 AND revoked_at_ms IS NULL RETURNING key_id`,
};
const SECRETS: Statement = {
  name: 'claimcheck_signing_secrets',
  text: `
  SELECT endpoint, secret, created_at_ms, expires_at_ms FROM claimcheck_vault.signing_secrets
  WHERE endpoint = $1 AND (expires_at_ms IS NULL OR expires_at_ms > $2)
  ORDER BY expires_at_ms IS NULL DESC, created_at_ms DESC, expires_at_ms DESC`,
};
const ENDPOINTS: Statement = {
  name: 'claimcheck_signing_endpoints',
  text: `SELECT DISTINCT endpoint FROM claimcheck_vault.signing_secrets ORDER BY endpoint`,
};
const LOCK_VAULT: Statement = { name: 'claimcheck_lock_vault', text: LOCK };
const ADD_SECRET: Statement = {
  name: 'claimcheck_add_signing_secret',
  text: `INSERT INTO claimcheck_vault.signing_secrets (endpoint, secret, created_at_ms) VALUES ($1, $2, $3)`,
};
const EXPIRE_SECRET: Statement = {
  name: 'claimcheck_expire_signing_secret',
  text: `UPDATE claimcheck_vault.signing_secrets SET expires_at_ms = $2 WHERE endpoint = $1 AND expires_at_ms IS NULL`,
};

/** The schema of the vault. */
export const VAULT_SCHEMA: StoreSchema = {
  name: 'claimcheck_vault',
  migrations: migrationsIn(new URL('./migrations/postgres/', import.meta.url)),
  // The letters "clmv".
  lock: 0x63_6c_6d_76,
  unrecorded: 'claimcheck_vault.signing_secrets',
  // One connection to read with and one to write: a few keys are read every second, and hardly ever
  // written.
  connectionsMax: 1,
  // How long callers wait while Postgres is away, as the ledger's do.
  patience: seconds(10),
};

/**
 * Opens the vault in a Postgres database, and makes its schema `claimcheck_vault` where it is not
 * there.
 *
 * @param url as `openPostgresLedger` takes it
 * @param lender as `openStoreSchema` takes it
 * @throws Error when the database cannot be used: the message says why and what to do
 */
export async function openPostgresVault(url: string, lender: Connections | null = null): Promise<Vault> {
  return new PostgresVault(await openStoreSchema(url, VAULT_SCHEMA, lender));
}

class PostgresVault implements Vault {
  readonly #connections: StoreConnections;

  constructor(connections: StoreConnections) {
    this.#connections = connections;
  }

  async addKey(key: KeyRecord): Promise<void> {
    await this.#connections.write(ADD_KEY, keyValues(key));
  }

  async key(keyId: string): Promise<KeyRecord | null> {
    const [row] = await this.#connections.read<KeyRow>(KEY, [keyId]);
    return row === undefined ? null : toKeyRecord(row);
  }

  async keys(): Promise<readonly KeyRecord[]> {
    return (await this.#connections.read<KeyRow>(KEYS, [])).map(toKeyRecord);
  }

  /** Done again after a lost connection it answers 'already-revoked', which is as well. */
  async revokeKey(keyId: string, at: Instant): Promise<Revoked> {
    const rows = await this.#connections.untilKnown(() => this.#connections.write(REVOKE, [keyId, at]));
    if (rows.length === 1) return 'revoked';
    return (await this.key(keyId)) === null ? 'unknown' : 'already-revoked';
  }

  async signingEndpoints(): Promise<readonly string[]> {
    return (await this.#connections.read<{ endpoint: string }>(ENDPOINTS, [])).map(({ endpoint }) => endpoint);
  }

  async signingSecrets(endpoint: string, now: Instant): Promise<readonly SigningSecret[]> {
    const there = await secretsOf(endpoint, now, (statement, values) => this.#connections.read(statement, values));
    if (there[0]?.expiresAt === null) return there;
    return this.#connections.untilKnown(() =>
      this.#connections.transaction(async (writer) => {
        await writer.write(LOCK_VAULT, []);
        const read: Writer['write'] = (statement, values) => writer.write(statement, values);
        const standing = await secretsOf(endpoint, now, read);
        // Another server may have made it meanwhile.
        if (standing[0]?.expiresAt === null) return standing;
        await writer.write(ADD_SECRET, [endpoint, newSigningSecret(), now]);
        return secretsOf(endpoint, now, read);
      }),
    );
  }

  async rotateSigningSecret(endpoint: string, now: Instant, until: Instant): Promise<SigningSecret> {
    const secret = newSigningSecret();
    await this.#connections.transaction(async (writer) => {
      await writer.write(LOCK_VAULT, []);
      await writer.write(EXPIRE_SECRET, [endpoint, until]);
      await writer.write(ADD_SECRET, [endpoint, secret, now]);
    });
    return { endpoint, secret, createdAt: now, expiresAt: null };
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}

async function secretsOf(endpoint: string, now: Instant, read: Writer['write']): Promise<SigningSecret[]> {
  return (await read<SecretRow>(SECRETS, [endpoint, now])).map(toSigningSecret);
}
