-- Which ledger this is, and which data folder it belongs to: payloads lie in the folder, and a server that has the folder of another ledger
-- takes their payloads for what nobody names.

CREATE TABLE identity (
  one    INTEGER PRIMARY KEY CHECK (one = 1),
  ledger TEXT    NOT NULL,
  folder TEXT,
  -- Another one with every start and every stop of a server, here and in the folder: so an older copy of either is told from the newest.
  mark   TEXT    CHECK ((mark IS NULL) = (folder IS NULL))
) STRICT;
INSERT INTO identity (one, ledger) VALUES (1, lower(hex(randomblob(16))));
