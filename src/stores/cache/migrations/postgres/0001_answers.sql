-- Answers by the keys of their rows, how much there is of them, and claims on keys that are being computed.

CREATE TABLE claimcheck_cache.places (
  place    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant   TEXT   NOT NULL,
  endpoint TEXT   NOT NULL,
  hits     BIGINT NOT NULL DEFAULT 0,
  misses   BIGINT NOT NULL DEFAULT 0,
  UNIQUE (tenant, endpoint)
);
CREATE TABLE claimcheck_cache.entries (
  entry      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  place      BIGINT NOT NULL,
  key        BYTEA  NOT NULL,
  version    BIGINT NOT NULL,
  used_at_ms BIGINT NOT NULL,
  answer     TEXT   NOT NULL,
  UNIQUE (place, key, version)
);
CREATE INDEX entries_by_use ON claimcheck_cache.entries (used_at_ms);
CREATE TABLE claimcheck_cache.totals (
  place   BIGINT NOT NULL,
  version BIGINT NOT NULL,
  rows    BIGINT NOT NULL,
  bytes   BIGINT NOT NULL,
  PRIMARY KEY (place, version)
);
CREATE TABLE claimcheck_cache.claims (
  place        BIGINT NOT NULL,
  key          BYTEA  NOT NULL,
  version      BIGINT NOT NULL,
  caller       TEXT   NOT NULL,
  lapses_at_ms BIGINT NOT NULL,
  PRIMARY KEY (place, key, version)
);
CREATE INDEX claims_of_a_caller ON claimcheck_cache.claims (caller);
