-- Carrying deliveries out: to which host each goes, since when it is tried, and what every attempt came to. Nothing has carried any out
-- before this, so there is none with an attempt yet. The same as migrations/sqlite/0005_delivery_attempts.sql.

ALTER TABLE claimcheck.deliveries
  -- What stands between the scheme and the path: receivers share nothing but a host, so it is hosts that take turns.
  ADD COLUMN host        TEXT    GENERATED ALWAYS AS (split_part(url, '/', 3)) STORED,
  -- Attempts before the series that goes on now; raised when somebody asks for another one.
  ADD COLUMN series_from INTEGER NOT NULL DEFAULT 0 CHECK (series_from BETWEEN 0 AND attempt);

-- With the host, so that what is due for one that is busy is walked past in the index alone.
DROP INDEX claimcheck.deliveries_due;
CREATE INDEX deliveries_due ON claimcheck.deliveries (due_at_ms, host) WHERE outcome IS NULL;

CREATE TABLE claimcheck.delivery_attempts (
  delivery_id    TEXT    NOT NULL REFERENCES claimcheck.deliveries (delivery_id),
  attempt        INTEGER NOT NULL CHECK (attempt >= 1),
  started_at_ms  BIGINT  NOT NULL,
  -- Empty while it is on its way, and for good where its server died.
  finished_at_ms BIGINT,
  -- What the receiver answered, where it did.
  status         INTEGER,
  latency_ms     BIGINT,
  detail         TEXT,
  PRIMARY KEY (delivery_id, attempt),
  CHECK ((finished_at_ms IS NULL) = (detail IS NULL) AND (finished_at_ms IS NULL) = (latency_ms IS NULL))
);
