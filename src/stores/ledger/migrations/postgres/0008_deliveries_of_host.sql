-- What is due for one host is found without walking past what is due for all others. The same as migrations/sqlite/0008_deliveries_of_host.sql.

CREATE INDEX deliveries_of_host ON claimcheck.deliveries (host, due_at_ms) WHERE outcome IS NULL;
