-- API keys, by the digest of each, and the secrets that webhooks are signed with.

CREATE TABLE claimcheck_vault.keys (
  key_id        TEXT   PRIMARY KEY,
  digest        TEXT   NOT NULL,
  name          TEXT   NOT NULL,
  tenant        TEXT   NOT NULL,
  scopes        TEXT   NOT NULL,
  endpoints     TEXT,
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT,
  revoked_at_ms BIGINT
);
CREATE TABLE claimcheck_vault.signing_secrets (
  endpoint      TEXT   NOT NULL,
  secret        TEXT   NOT NULL,
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT,
  PRIMARY KEY (endpoint, secret)
);
CREATE UNIQUE INDEX an_endpoint_has_one_newest_secret
  ON claimcheck_vault.signing_secrets (endpoint) WHERE expires_at_ms IS NULL;
