-- Answers by the keys of their rows, how much there is of them, and claims on keys that are being computed.
-- Entries have row ids: answers are appended however random their keys are, and the index over the keys stays small.

CREATE TABLE places (
  place    INTEGER PRIMARY KEY,
  tenant   TEXT    NOT NULL,
  endpoint TEXT    NOT NULL,
  hits     INTEGER NOT NULL DEFAULT 0,
  misses   INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, endpoint)
) STRICT;
CREATE TABLE entries (
  entry      INTEGER PRIMARY KEY,
  place      INTEGER NOT NULL,
  key        BLOB    NOT NULL,
  version    INTEGER NOT NULL,
  used_at_ms INTEGER NOT NULL,
  answer     TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX a_key_has_one_answer ON entries (place, key, version);
CREATE INDEX entries_by_use ON entries (used_at_ms);
CREATE TABLE totals (
  place   INTEGER NOT NULL,
  version INTEGER NOT NULL,
  rows    INTEGER NOT NULL,
  bytes   INTEGER NOT NULL,
  PRIMARY KEY (place, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE claims (
  place        INTEGER NOT NULL,
  key          BLOB    NOT NULL,
  version      INTEGER NOT NULL,
  caller       TEXT    NOT NULL,
  lapses_at_ms INTEGER NOT NULL,
  PRIMARY KEY (place, key, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_of_a_caller ON claims (caller);
