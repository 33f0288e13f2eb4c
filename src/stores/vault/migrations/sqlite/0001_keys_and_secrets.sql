-- API keys, by the digest of each, and the secrets that webhooks are signed with.

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
