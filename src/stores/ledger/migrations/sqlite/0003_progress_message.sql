-- What a run says beside its progress. A batch counts rows and says nothing; a call may count anything, and its total may be unknown.

ALTER TABLE runs ADD COLUMN progress_message TEXT;
