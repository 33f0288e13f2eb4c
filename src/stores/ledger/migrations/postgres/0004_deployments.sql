-- Every version of every endpoint that was ever deployed, so that they can be listed and gone back to; and claims by version, so that a
-- run is executed by the version that it was submitted to. The same as migrations/sqlite/0004_deployments.sql.

CREATE TABLE claimcheck.deployments (
  endpoint          TEXT    NOT NULL,
  version           INTEGER NOT NULL CHECK (version >= 1),
  fingerprint       TEXT    NOT NULL,
  -- The specification as JSON; 'null' where an older server deployed it, which kept none.
  spec              TEXT    NOT NULL,
  source            TEXT    NOT NULL CHECK (source IN ('config', 'api')),
  state             TEXT    NOT NULL CHECK (state IN ('starting', 'active', 'superseded', 'failed')),
  reason            TEXT,
  deployed_at_ms    BIGINT  NOT NULL,
  queue_limit       INTEGER NOT NULL CHECK (queue_limit >= 0),
  concurrency_limit INTEGER CHECK (concurrency_limit >= 1),
  PRIMARY KEY (endpoint, version),
  CHECK ((state = 'failed') = (reason IS NOT NULL))
);
CREATE UNIQUE INDEX deployments_active         ON claimcheck.deployments (endpoint) WHERE state = 'active';
CREATE UNIQUE INDEX deployments_by_fingerprint ON claimcheck.deployments (endpoint, fingerprint);

INSERT INTO claimcheck.deployments (endpoint, version, fingerprint, spec, source, state, deployed_at_ms, queue_limit, concurrency_limit)
SELECT name, version, fingerprint, 'null', 'config', 'active', deployed_at_ms, queue_limit, concurrency_limit FROM claimcheck.endpoints;

-- What a configuration said last: a server that starts with the same one leaves alone what was deployed through a server since.
ALTER TABLE claimcheck.endpoints ADD COLUMN config_fingerprint TEXT;
UPDATE claimcheck.endpoints SET config_fingerprint = fingerprint;

DROP INDEX claimcheck.runs_to_claim;
CREATE INDEX runs_to_claim ON claimcheck.open_runs (endpoint, (kind = 'batch'), version, priority DESC, turn, seq) WHERE status = 'queued';
