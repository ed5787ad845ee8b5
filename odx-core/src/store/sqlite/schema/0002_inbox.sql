-- The practice's own clock, in seconds, at the newest delivery that told this record.
ALTER TABLE record ADD COLUMN told INTEGER;

-- Deliveries that were answered and are not applied yet. They hold PHI, and go once applied.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source,
    delivery BLOB NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    received_at INTEGER NOT NULL
) STRICT;
CREATE INDEX inbox_source ON inbox (source, id);
CREATE INDEX inbox_delivery ON inbox (source, delivery);

-- Digests of deliveries of the last days: what comes twice is known.
CREATE TABLE delivered (
    source INTEGER NOT NULL REFERENCES source,
    delivery BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (source, delivery)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivered_at ON delivered (at);
