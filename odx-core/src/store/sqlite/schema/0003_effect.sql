-- One way by which something is done that cannot be taken back.
CREATE TABLE outlet (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source,
    name TEXT NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    UNIQUE (source, name)
) STRICT;

-- Each thing once, for ever: claimed before it is done, settled after.
CREATE TABLE effect (
    outlet INTEGER NOT NULL REFERENCES outlet,
    key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    since INTEGER NOT NULL,
    -- 0: in doubt, 1: refused, 2: claimed, 3: waiting, 4: done
    state INTEGER NOT NULL,
    -- the other side's own id, once it is done
    receipt TEXT,
    reason TEXT,
    PRIMARY KEY (outlet, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX effect_open ON effect (outlet, state, since, key) WHERE state < 4;
