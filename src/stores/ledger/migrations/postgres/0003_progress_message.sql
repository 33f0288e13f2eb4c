-- What a run says beside its progress. A batch counts rows and says nothing; a call may count anything, and its total may be unknown.
-- The same column as migrations/sqlite/0003_progress_message.sql, in both tables and in the view over them.

ALTER TABLE claimcheck.open_runs  ADD COLUMN progress_message TEXT;
ALTER TABLE claimcheck.ended_runs ADD COLUMN progress_message TEXT;
CREATE OR REPLACE VIEW claimcheck.runs AS SELECT * FROM claimcheck.open_runs UNION ALL SELECT * FROM claimcheck.ended_runs;
