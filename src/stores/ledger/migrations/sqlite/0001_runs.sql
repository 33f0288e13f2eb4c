-- Endpoints, runs, attempts and small payloads. The CHECKs restate src/domain/run.ts, so that no statement can break them.
-- On runs they compare one by one and not with IN: SQLite builds a table for every IN list of every row it checks, which took
-- 4 of the 12.5 µs of an insert.

CREATE TABLE endpoints (
  name           TEXT    PRIMARY KEY,
  version        INTEGER NOT NULL CHECK (version >= 1),
  fingerprint    TEXT    NOT NULL,
  deployed_at_ms INTEGER NOT NULL,
  queue_limit    INTEGER NOT NULL CHECK (queue_limit >= 0),
  -- Top-level runs with status 'queued'. Raised on enqueue only while it is below queue_limit: that is what makes the limit exact.
  queued         INTEGER NOT NULL DEFAULT 0 CHECK (queued >= 0)
) STRICT;

CREATE TABLE runs (
  seq                INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id             TEXT    NOT NULL UNIQUE,
  endpoint           TEXT    NOT NULL REFERENCES endpoints (name),
  version            INTEGER NOT NULL,
  kind               TEXT    NOT NULL CHECK (kind = 'call' OR kind = 'batch' OR kind = 'chunk'),
  status             TEXT    NOT NULL CHECK (status = 'queued' OR status = 'running' OR status = 'succeeded' OR status = 'failed' OR status = 'cancelled'),
  run_name           TEXT,
  priority           INTEGER NOT NULL,
  attempt            INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  counted_attempts   INTEGER NOT NULL DEFAULT 0 CHECK (counted_attempts BETWEEN 0 AND attempt),
  created_at_ms      INTEGER NOT NULL,
  due_at_ms          INTEGER NOT NULL,
  queue_ttl_ms       INTEGER,
  queue_deadline_ms  INTEGER,
  started_at_ms      INTEGER,
  finished_at_ms     INTEGER,
  timeout_ms         INTEGER,
  lost_workers_max   INTEGER,
  owner              TEXT,
  lease_until_ms     INTEGER,
  metadata           TEXT    NOT NULL DEFAULT '{}',
  accept             TEXT,
  batch              TEXT,
  parent_seq         INTEGER REFERENCES runs (seq),
  row_from           INTEGER,
  row_to             INTEGER,
  progress_done      INTEGER,
  progress_total     INTEGER,
  progress_failed    INTEGER,
  input_type         TEXT,
  input_bytes        INTEGER,
  input_sha256       TEXT,
  input_blob         TEXT,
  output_type        TEXT,
  output_bytes       INTEGER,
  output_sha256      TEXT,
  output_blob        TEXT,
  error_type         TEXT,
  error_detail       TEXT,
  CONSTRAINT a_running_run_is_leased       CHECK ((status = 'running') = (lease_until_ms IS NOT NULL AND owner IS NOT NULL)),
  CONSTRAINT a_running_run_was_claimed     CHECK (status <> 'running' OR (attempt >= 1 AND started_at_ms IS NOT NULL)),
  CONSTRAINT an_ended_run_has_its_time     CHECK ((status = 'succeeded' OR status = 'failed' OR status = 'cancelled') = (finished_at_ms IS NOT NULL)),
  CONSTRAINT a_failed_run_says_why         CHECK ((status = 'failed') = (error_type IS NOT NULL)),
  CONSTRAINT a_succeeded_run_has_an_output CHECK ((status = 'succeeded') = (output_sha256 IS NOT NULL)),
  CONSTRAINT a_chunk_has_a_parent          CHECK ((kind = 'chunk') = (parent_seq IS NOT NULL AND row_from IS NOT NULL AND row_to > row_from)),
  CONSTRAINT all_but_chunks_have_an_input  CHECK ((kind = 'chunk') = (input_sha256 IS NULL)),
  CONSTRAINT a_batch_has_its_options       CHECK ((kind = 'batch') = (batch IS NOT NULL))
) STRICT;

-- Each index serves the query it is named for.
CREATE INDEX        runs_to_claim     ON runs (endpoint, (kind = 'batch'), priority DESC, seq) WHERE status = 'queued';
CREATE INDEX        runs_leased       ON runs (lease_until_ms) WHERE status = 'running';
CREATE INDEX        runs_to_expire    ON runs (queue_deadline_ms) WHERE status = 'queued' AND queue_deadline_ms IS NOT NULL;
CREATE UNIQUE INDEX runs_of_a_parent  ON runs (parent_seq, row_from, row_to) WHERE parent_seq IS NOT NULL;
CREATE INDEX        runs_of_endpoint  ON runs (endpoint, seq) WHERE parent_seq IS NULL;

-- Payloads lie apart from their runs: an UPDATE of a row in SQLite writes the whole row again.
CREATE TABLE inputs  (run_seq INTEGER PRIMARY KEY REFERENCES runs (seq), body BLOB NOT NULL) STRICT;
CREATE TABLE outputs (run_seq INTEGER PRIMARY KEY REFERENCES runs (seq), body BLOB NOT NULL) STRICT;

CREATE TABLE attempts (
  run_seq        INTEGER NOT NULL REFERENCES runs (seq),
  attempt        INTEGER NOT NULL CHECK (attempt >= 1),
  replica        TEXT,
  cold_start_ms  INTEGER,
  started_at_ms  INTEGER NOT NULL,
  finished_at_ms INTEGER,
  stopped_at_ms  INTEGER,
  outcome        TEXT CHECK (outcome = 'succeeded' OR outcome = 'failed' OR outcome = 'cancelled' OR outcome = 'lost' OR outcome = 'released'),
  error_type     TEXT,
  error_detail   TEXT,
  PRIMARY KEY (run_seq, attempt),
  CONSTRAINT an_ended_attempt_has_its_time CHECK ((outcome IS NULL) = (finished_at_ms IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
  key           TEXT    PRIMARY KEY,
  fingerprint   TEXT    NOT NULL,
  run_id        TEXT    NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The driver keeps PRAGMA user_version equal to the number of the last migration it applied.
