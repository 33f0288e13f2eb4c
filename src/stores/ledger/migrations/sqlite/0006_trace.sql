-- The trace that a run belongs to, as JSON of the headers in which that travels, so that an attempt joins it on whatever server.

ALTER TABLE runs ADD COLUMN trace TEXT;
