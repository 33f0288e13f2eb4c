-- Predictions that are saved under a name.

CREATE TABLE captures (
  sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
  version       INTEGER NOT NULL,
  tenant        TEXT    NOT NULL,
  endpoint      TEXT    NOT NULL,
  name          TEXT    NOT NULL,
  run_id        TEXT    NOT NULL,
  created_at_ms INTEGER NOT NULL,
  content       TEXT    NOT NULL,
  UNIQUE (tenant, endpoint, name, version),
  UNIQUE (tenant, endpoint, name, run_id)
) STRICT;
CREATE INDEX captures_of_an_endpoint ON captures (tenant, endpoint, sequence);
-- The newest version of a name that was deleted, so that its number is not given again.
CREATE TABLE deleted_versions (
  tenant   TEXT    NOT NULL,
  endpoint TEXT    NOT NULL,
  name     TEXT    NOT NULL,
  newest   INTEGER NOT NULL,
  PRIMARY KEY (tenant, endpoint, name)
) STRICT, WITHOUT ROWID;
