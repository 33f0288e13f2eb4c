-- The rest of a run's life: whose it is and whose turn it is, who is told of its end, and when it is let go of. The same tables and
-- columns as migrations/sqlite/0002_whole_life.sql, but for this: a run that has ended leaves the table that claims are made from
-- (docs/decisions/010-ended-runs-leave-the-hot-table.md).

ALTER TABLE claimcheck.endpoints ADD COLUMN concurrency_limit INTEGER CHECK (concurrency_limit >= 1);
-- A line is what waits at an endpoint with one priority, batches apart from the rest; claims go by its turns. The turn that was served
-- last: a tenant that comes anew begins there, and not at the end of everybody's line.
CREATE TABLE claimcheck.lines (
  endpoint    TEXT    NOT NULL,
  batches     BOOLEAN NOT NULL,
  priority    INTEGER NOT NULL,
  served_turn BIGINT  NOT NULL,
  PRIMARY KEY (endpoint, batches, priority)
) WITH (fillfactor = 20);

-- The last turn that each tenant has drawn in a line: so tenants alternate, however many runs each has waiting.
CREATE TABLE claimcheck.turns (
  endpoint  TEXT    NOT NULL,
  batches   BOOLEAN NOT NULL,
  priority  INTEGER NOT NULL,
  tenant    TEXT    NOT NULL,
  last_turn BIGINT  NOT NULL,
  PRIMARY KEY (endpoint, batches, priority, tenant)
) WITH (fillfactor = 20);

-- Where runs lie in two tables, no key can point at them: what these four promised, the audit checks.
ALTER TABLE claimcheck.inputs   DROP CONSTRAINT inputs_run_seq_fkey;
ALTER TABLE claimcheck.outputs  DROP CONSTRAINT outputs_run_seq_fkey;
ALTER TABLE claimcheck.attempts DROP CONSTRAINT attempts_run_seq_fkey;
ALTER TABLE claimcheck.runs     DROP CONSTRAINT runs_parent_seq_fkey;
ALTER TABLE claimcheck.runs     RENAME TO runs_until_now;

CREATE SEQUENCE claimcheck.run_seqs;
SELECT setval('claimcheck.run_seqs', coalesce(max(seq), 0) + 1, false) FROM claimcheck.runs_until_now;

-- What waits and what runs.
CREATE TABLE claimcheck.open_runs (
  seq                BIGINT  NOT NULL DEFAULT nextval('claimcheck.run_seqs'),
  run_id             TEXT    NOT NULL,
  -- Taken from the counter's row when a run is stored, which is why NOT NULL does what a foreign key would. A key's locks on that row,
  -- shared by many, made transactions deadlock over it.
  endpoint           TEXT    NOT NULL,
  version            INTEGER NOT NULL,
  kind               TEXT    NOT NULL CHECK (kind IN ('call', 'batch', 'chunk')),
  status             TEXT    NOT NULL,
  run_name           TEXT,
  priority           INTEGER NOT NULL,
  attempt            INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  counted_attempts   INTEGER NOT NULL DEFAULT 0 CHECK (counted_attempts BETWEEN 0 AND attempt),
  created_at_ms      BIGINT  NOT NULL,
  due_at_ms          BIGINT  NOT NULL,
  queue_ttl_ms       BIGINT,
  queue_deadline_ms  BIGINT,
  started_at_ms      BIGINT,
  finished_at_ms     BIGINT,
  timeout_ms         BIGINT,
  lost_workers_max   INTEGER,
  owner              TEXT,
  lease_until_ms     BIGINT,
  metadata           TEXT    NOT NULL DEFAULT '{}',
  accept             TEXT,
  batch              TEXT,
  parent_seq         BIGINT,
  row_from           BIGINT,
  row_to             BIGINT,
  progress_done      BIGINT,
  progress_total     BIGINT,
  progress_failed    BIGINT,
  input_type         TEXT,
  input_bytes        BIGINT,
  input_sha256       TEXT,
  input_blob         TEXT,
  output_type        TEXT,
  output_bytes       BIGINT,
  output_sha256      TEXT,
  output_blob        TEXT,
  error_type         TEXT,
  error_detail       TEXT,
  tenant             TEXT    NOT NULL DEFAULT 'default',
  turn               BIGINT  NOT NULL DEFAULT 0,
  -- Whether its worker was lost before, so that it runs with nothing beside it.
  alone              BOOLEAN NOT NULL DEFAULT FALSE,
  concurrency_key    TEXT,
  retry_of           TEXT,
  callback_url       TEXT,
  -- A JSON list of names.
  callback_events    TEXT,
  retention_ms       BIGINT  NOT NULL DEFAULT 604800000,
  payloads_kept      BOOLEAN NOT NULL DEFAULT TRUE,
  -- When its payloads are dropped, and once they are, when its line is.
  kept_until_ms      BIGINT,
  CONSTRAINT a_chunk_has_a_parent         CHECK ((kind = 'chunk') = (parent_seq IS NOT NULL AND row_from IS NOT NULL AND row_to > row_from)),
  CONSTRAINT all_but_chunks_have_an_input CHECK ((kind = 'chunk') = (input_sha256 IS NULL)),
  CONSTRAINT a_batch_has_its_options      CHECK ((kind = 'batch') = (batch IS NOT NULL)),
  CONSTRAINT a_callback_has_its_events    CHECK ((callback_events IS NULL) = (callback_url IS NULL))
) WITH (
  -- Every run leaves two dead rows here; a server vacuums too (src/ledger/postgres/vacuum.ts), and Postgres is to do so whenever it looks.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
  vacuum_index_cleanup = on, vacuum_truncate = off
);

-- What has ended, as it ended.
CREATE TABLE claimcheck.ended_runs (LIKE claimcheck.open_runs INCLUDING DEFAULTS INCLUDING CONSTRAINTS);

ALTER TABLE claimcheck.open_runs
  ADD CONSTRAINT an_open_run_has_not_ended  CHECK (status IN ('queued', 'running') AND finished_at_ms IS NULL AND kept_until_ms IS NULL
                                              AND error_type IS NULL AND output_sha256 IS NULL AND payloads_kept),
  ADD CONSTRAINT a_running_run_is_leased    CHECK ((status = 'running') = (lease_until_ms IS NOT NULL AND owner IS NOT NULL)),
  ADD CONSTRAINT a_running_run_was_claimed  CHECK (status = 'queued' OR (attempt >= 1 AND started_at_ms IS NOT NULL));
ALTER TABLE claimcheck.ended_runs
  ADD CONSTRAINT an_ended_run_has_its_time  CHECK (status IN ('succeeded', 'failed', 'cancelled') AND finished_at_ms IS NOT NULL
                                              AND kept_until_ms IS NOT NULL AND owner IS NULL AND lease_until_ms IS NULL),
  ADD CONSTRAINT a_failed_run_says_why      CHECK ((status = 'failed') = (error_type IS NOT NULL)),
  ADD CONSTRAINT a_succeeded_run_has_an_output CHECK ((status = 'succeeded') = (output_sha256 IS NOT NULL));

-- The columns of 0001 alone: what is new has its default.
CREATE FUNCTION pg_temp.carry_over(into_table TEXT, statuses TEXT[]) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
  columns TEXT := (SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
    WHERE table_schema = 'claimcheck' AND table_name = 'runs_until_now');
BEGIN
  EXECUTE format('INSERT INTO claimcheck.%I (%s, kept_until_ms) SELECT %s, finished_at_ms + 604800000
    FROM claimcheck.runs_until_now WHERE status = ANY($1) ORDER BY seq', into_table, columns, columns) USING statuses;
END $$;
SELECT pg_temp.carry_over('open_runs', '{queued,running}'), pg_temp.carry_over('ended_runs', '{succeeded,failed,cancelled}');
DROP FUNCTION pg_temp.carry_over;
DROP TABLE claimcheck.runs_until_now;

-- Each index serves the query it is named for. A claim writes a new entry into each of the first table's but those of queued runs alone.
ALTER TABLE claimcheck.open_runs ADD PRIMARY KEY (seq), ADD CONSTRAINT a_run_id_is_used_once UNIQUE (run_id);
CREATE INDEX        runs_to_claim           ON claimcheck.open_runs (endpoint, (kind = 'batch'), priority DESC, turn, seq) WHERE status = 'queued';
CREATE INDEX        runs_queued_by_age      ON claimcheck.open_runs (endpoint, seq) WHERE status = 'queued' AND parent_seq IS NULL;
CREATE INDEX        runs_to_run_alone       ON claimcheck.open_runs (endpoint) WHERE status = 'queued' AND alone;
CREATE INDEX        runs_to_expire          ON claimcheck.open_runs (queue_deadline_ms) WHERE status = 'queued' AND queue_deadline_ms IS NOT NULL;
-- Not on lease_until_ms as in SQLite: a renewal would then write a new entry into every index.
CREATE INDEX        runs_running            ON claimcheck.open_runs (endpoint, (kind = 'batch'), seq) WHERE status = 'running';
CREATE UNIQUE INDEX runs_of_a_parent        ON claimcheck.open_runs (parent_seq, row_from, row_to) WHERE parent_seq IS NOT NULL;
-- The key comes first because keys are looked up by themselves, many at once.
CREATE UNIQUE INDEX a_concurrency_key_has_one_open_run ON claimcheck.open_runs (concurrency_key, tenant, endpoint) WHERE concurrency_key IS NOT NULL;

ALTER TABLE claimcheck.ended_runs ADD PRIMARY KEY (seq), ADD CONSTRAINT an_ended_run_id_is_used_once UNIQUE (run_id);
CREATE INDEX        ended_runs_of_endpoint  ON claimcheck.ended_runs (endpoint, seq) WHERE parent_seq IS NULL;
CREATE UNIQUE INDEX ended_runs_of_a_parent  ON claimcheck.ended_runs (parent_seq, row_from, row_to) WHERE parent_seq IS NOT NULL;
CREATE INDEX        ended_runs_to_let_go    ON claimcheck.ended_runs (kept_until_ms);

-- For whoever reads runs wherever they are. What is locked or written is one table or the other.
CREATE VIEW claimcheck.runs AS SELECT * FROM claimcheck.open_runs UNION ALL SELECT * FROM claimcheck.ended_runs;

-- Written in the transaction that ends the run. A claim moves due_at_ms to the end of its lease, so one that lapses is due again.
CREATE TABLE claimcheck.deliveries (
  delivery_id   TEXT    PRIMARY KEY,
  run_seq       BIGINT  NOT NULL,
  event         TEXT    NOT NULL,
  url           TEXT    NOT NULL,
  created_at_ms BIGINT  NOT NULL,
  due_at_ms     BIGINT  NOT NULL,
  attempt       INTEGER NOT NULL DEFAULT 0,
  outcome       TEXT    CHECK (outcome IN ('delivered', 'abandoned')),
  detail        TEXT
);
CREATE INDEX deliveries_due    ON claimcheck.deliveries (due_at_ms) WHERE outcome IS NULL;
CREATE INDEX deliveries_of_run ON claimcheck.deliveries (run_seq);

-- A key is a tenant's own; it comes first in the index because keys are looked up by themselves, many at once.
ALTER TABLE claimcheck.idempotency_keys
  ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default',
  DROP CONSTRAINT an_idempotency_key_is_used_once,
  ADD CONSTRAINT an_idempotency_key_is_used_once PRIMARY KEY (key, tenant);
ALTER TABLE claimcheck.idempotency_keys ALTER COLUMN tenant DROP DEFAULT;
CREATE INDEX idempotency_keys_by_age ON claimcheck.idempotency_keys (created_at_ms);
