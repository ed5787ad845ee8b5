CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE source (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    cursor TEXT,
    epoch INTEGER NOT NULL DEFAULT 0,
    imported INTEGER NOT NULL DEFAULT 0,
    -- when a page was stored, when one that ended a pass, when one that held something new
    page_at INTEGER,
    success_at INTEGER,
    change_at INTEGER
) STRICT;

CREATE TABLE sink (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    source INTEGER NOT NULL REFERENCES source,
    account TEXT NOT NULL,
    scheme TEXT NOT NULL,
    cursor TEXT
) STRICT;
CREATE INDEX sink_source ON sink (source);

-- The mirror. `parent` is the household of a patient and the patient of the rest.
CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source,
    kind INTEGER NOT NULL,
    native TEXT NOT NULL,
    parent TEXT NOT NULL,
    hash BLOB NOT NULL,
    -- days since year 1
    changed_on INTEGER NOT NULL,
    missed INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX record_native ON record (source, kind, native);
CREATE INDEX record_parent ON record (source, parent, kind);

-- How many live records a kind has, and the number of the listing under way.
CREATE TABLE listing (
    source INTEGER NOT NULL REFERENCES source,
    kind INTEGER NOT NULL,
    number INTEGER NOT NULL DEFAULT 1,
    live INTEGER NOT NULL DEFAULT 0,
    -- milliseconds since 1970, as every time here
    swept_at INTEGER,
    PRIMARY KEY (source, kind)
) STRICT, WITHOUT ROWID;

-- Which records the listing under way has shown: one bit per record id.
CREATE TABLE seen (
    source INTEGER NOT NULL REFERENCES source,
    kind INTEGER NOT NULL,
    block INTEGER NOT NULL,
    bits BLOB NOT NULL,
    PRIMARY KEY (source, kind, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE unreadable (
    source INTEGER NOT NULL REFERENCES source,
    kind INTEGER NOT NULL,
    native TEXT NOT NULL,
    reason TEXT NOT NULL,
    hash BLOB NOT NULL,
    since INTEGER NOT NULL,
    listing INTEGER NOT NULL,
    PRIMARY KEY (source, kind, native)
) STRICT, WITHOUT ROWID;

-- Which generation of a household a sink has seen, and when to look again.
CREATE TABLE route (
    sink INTEGER NOT NULL REFERENCES sink,
    household TEXT NOT NULL,
    generation INTEGER NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0,
    again INTEGER,
    -- what was on its way when it was last looked at, until that look has ended
    tried BLOB,
    PRIMARY KEY (sink, household)
) STRICT, WITHOUT ROWID;
CREATE INDEX route_due ON route (sink, household) WHERE generation > seen;
CREATE INDEX route_again ON route (sink, again) WHERE again IS NOT NULL;

CREATE TABLE ledger (
    sink INTEGER NOT NULL REFERENCES sink,
    external_id TEXT NOT NULL,
    hash BLOB NOT NULL,
    generation INTEGER NOT NULL,
    remote_id TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (sink, external_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE parked (
    sink INTEGER NOT NULL REFERENCES sink,
    external_id TEXT NOT NULL,
    household TEXT NOT NULL,
    hash BLOB NOT NULL,
    generation INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    -- 0: until not_before, 1: refused, 2: blocked
    hold INTEGER NOT NULL,
    not_before INTEGER,
    doubtful INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (sink, external_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX parked_household ON parked (sink, household);
CREATE INDEX parked_waiting ON parked (sink, not_before) WHERE not_before IS NOT NULL;

-- Stops, as keyed digests: equal addresses can be found, none can be read.
CREATE TABLE suppression (
    sink INTEGER NOT NULL REFERENCES sink,
    channel INTEGER NOT NULL,
    digest BLOB NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (sink, channel, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source,
    at INTEGER NOT NULL,
    report TEXT NOT NULL
) STRICT;
