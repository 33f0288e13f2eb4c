-- The rest of a run's life: whose it is and whose turn it is, who is told of its end, and when it is let go of.

ALTER TABLE endpoints ADD COLUMN concurrency_limit INTEGER CHECK (concurrency_limit >= 1);

-- A line is what waits at an endpoint with one priority, batches apart from the rest; claims go by its turns. The turn that was served
-- last: a tenant that comes anew begins there, and not at the end of everybody's line.
CREATE TABLE lines (
  endpoint    TEXT    NOT NULL REFERENCES endpoints (name),
  batches     INTEGER NOT NULL CHECK (batches = 0 OR batches = 1),
  priority    INTEGER NOT NULL,
  served_turn INTEGER NOT NULL,
  PRIMARY KEY (endpoint, batches, priority)
) STRICT, WITHOUT ROWID;

-- The last turn that each tenant has drawn in a line: so tenants alternate, however many runs each has waiting.
CREATE TABLE turns (
  endpoint  TEXT    NOT NULL REFERENCES endpoints (name),
  batches   INTEGER NOT NULL CHECK (batches = 0 OR batches = 1),
  priority  INTEGER NOT NULL,
  tenant    TEXT    NOT NULL,
  last_turn INTEGER NOT NULL,
  PRIMARY KEY (endpoint, batches, priority, tenant)
) STRICT, WITHOUT ROWID;

ALTER TABLE runs ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default';
ALTER TABLE runs ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
-- Whether its worker was lost before, so that it runs with nothing beside it.
ALTER TABLE runs ADD COLUMN alone INTEGER NOT NULL DEFAULT 0 CHECK (alone = 0 OR alone = 1);
ALTER TABLE runs ADD COLUMN concurrency_key TEXT;
ALTER TABLE runs ADD COLUMN retry_of TEXT;
ALTER TABLE runs ADD COLUMN callback_url TEXT;
-- A JSON list of names.
ALTER TABLE runs ADD COLUMN callback_events TEXT CHECK ((callback_events IS NULL) = (callback_url IS NULL));
ALTER TABLE runs ADD COLUMN retention_ms INTEGER NOT NULL DEFAULT 604800000;
ALTER TABLE runs ADD COLUMN payloads_kept INTEGER NOT NULL DEFAULT 1 CHECK (payloads_kept = 1 OR (payloads_kept = 0 AND finished_at_ms IS NOT NULL));
-- When its payloads are dropped, and once they are, when its line is.
ALTER TABLE runs ADD COLUMN kept_until_ms INTEGER CHECK (kept_until_ms IS NULL OR finished_at_ms IS NOT NULL);
UPDATE runs SET kept_until_ms = finished_at_ms + retention_ms WHERE finished_at_ms IS NOT NULL;

DROP INDEX runs_to_claim;
CREATE INDEX        runs_to_claim           ON runs (endpoint, (kind = 'batch'), priority DESC, turn, seq) WHERE status = 'queued';
CREATE INDEX        runs_queued_by_age      ON runs (endpoint, seq) WHERE status = 'queued' AND parent_seq IS NULL;
CREATE INDEX        runs_to_run_alone       ON runs (endpoint) WHERE status = 'queued' AND alone = 1;
CREATE INDEX        runs_to_let_go          ON runs (kept_until_ms) WHERE kept_until_ms IS NOT NULL;
CREATE UNIQUE INDEX runs_of_concurrency_key ON runs (endpoint, tenant, concurrency_key)
  WHERE concurrency_key IS NOT NULL AND (status = 'queued' OR status = 'running');

-- Written in the transaction that ends the run. A claim moves due_at_ms to the end of its lease, so one that lapses is due again.
CREATE TABLE deliveries (
  delivery_id   TEXT    PRIMARY KEY,
  run_seq       INTEGER NOT NULL REFERENCES runs (seq),
  event         TEXT    NOT NULL,
  url           TEXT    NOT NULL,
  created_at_ms INTEGER NOT NULL,
  due_at_ms     INTEGER NOT NULL,
  attempt       INTEGER NOT NULL DEFAULT 0,
  outcome       TEXT    CHECK (outcome = 'delivered' OR outcome = 'abandoned'),
  detail        TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due    ON deliveries (due_at_ms) WHERE outcome IS NULL;
CREATE INDEX deliveries_of_run ON deliveries (run_seq);

-- A key is a tenant's own.
CREATE TABLE tenants_idempotency_keys (
  tenant        TEXT    NOT NULL,
  key           TEXT    NOT NULL,
  fingerprint   TEXT    NOT NULL,
  run_id        TEXT    NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
INSERT INTO tenants_idempotency_keys SELECT 'default', key, fingerprint, run_id, created_at_ms FROM idempotency_keys;
DROP TABLE idempotency_keys;
ALTER TABLE tenants_idempotency_keys RENAME TO idempotency_keys;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at_ms);
