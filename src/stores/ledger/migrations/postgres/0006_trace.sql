-- The trace that a run belongs to, as JSON of the headers in which that travels, so that an attempt joins it on whatever server.
-- The same column as migrations/sqlite/0006_trace.sql, in both tables and in the view over them.

ALTER TABLE claimcheck.open_runs  ADD COLUMN trace TEXT;
ALTER TABLE claimcheck.ended_runs ADD COLUMN trace TEXT;
CREATE OR REPLACE VIEW claimcheck.runs AS SELECT * FROM claimcheck.open_runs UNION ALL SELECT * FROM claimcheck.ended_runs;
