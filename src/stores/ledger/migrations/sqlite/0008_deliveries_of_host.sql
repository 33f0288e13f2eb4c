-- What is due for one host is found without walking past what is due for all others.

CREATE INDEX deliveries_of_host ON deliveries (host, due_at_ms) WHERE outcome IS NULL;
