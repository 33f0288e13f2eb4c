-- Predictions that are saved under a name.

CREATE TABLE claimcheck_captures.captures (
  sequence      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  version       INTEGER NOT NULL,
  tenant        TEXT    NOT NULL,
  endpoint      TEXT    NOT NULL,
  name          TEXT    NOT NULL,
  run_id        TEXT    NOT NULL,
  created_at_ms BIGINT  NOT NULL,
  content       TEXT    NOT NULL,
  UNIQUE (tenant, endpoint, name, version),
  UNIQUE (tenant, endpoint, name, run_id)
);
CREATE INDEX captures_of_an_endpoint ON claimcheck_captures.captures (tenant, endpoint, sequence);
CREATE TABLE claimcheck_captures.deleted_versions (
  tenant   TEXT    NOT NULL,
  endpoint TEXT    NOT NULL,
  name     TEXT    NOT NULL,
  newest   INTEGER NOT NULL,
  PRIMARY KEY (tenant, endpoint, name)
);
