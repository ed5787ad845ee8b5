-- 0: a crm, or whoever else looks at households; 1: a gateway, known for its stops only
ALTER TABLE sink ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
-- What decided when everybody was last looked at.
ALTER TABLE sink ADD COLUMN fingerprint BLOB;

-- How the office stands with reaching people.
ALTER TABLE source ADD COLUMN outreach TEXT;

-- The contact that a task hangs from at the sink.
ALTER TABLE ledger ADD COLUMN contact TEXT;

-- It was brought to the sink at least once, whatever is on its way now.
ALTER TABLE route ADD COLUMN brought INTEGER NOT NULL DEFAULT 0;
UPDATE route SET brought = 1 WHERE seen > 0;

ALTER TABLE suppression ADD COLUMN lifted_at INTEGER;
ALTER TABLE suppression ADD COLUMN lifted_why TEXT;
CREATE INDEX suppression_digest ON suppression (digest);

ALTER TABLE parked ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
-- Nobody wrote down when: it was by the end of the last run.
UPDATE parked SET since = coalesce(
    (SELECT max(run.at) FROM run JOIN sink ON sink.source = run.source WHERE sink.id = parked.sink), 0);

-- What an effect tells whom.
ALTER TABLE effect ADD COLUMN purpose INTEGER;
ALTER TABLE effect ADD COLUMN channel INTEGER;
ALTER TABLE effect ADD COLUMN patient TEXT;
ALTER TABLE effect ADD COLUMN recipient TEXT;
ALTER TABLE effect ADD COLUMN household TEXT;
ALTER TABLE effect ADD COLUMN address BLOB;
ALTER TABLE effect ADD COLUMN destination TEXT;
ALTER TABLE effect ADD COLUMN fields TEXT;
-- how far the message came, by its provider's word, and why no further
ALTER TABLE effect ADD COLUMN status INTEGER;
-- when it was claimed first
ALTER TABLE effect ADD COLUMN begun_at INTEGER;
-- how often it was claimed again although nobody knew what had become of the time before
ALTER TABLE effect ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0;
ALTER TABLE effect ADD COLUMN status_why TEXT;
CREATE INDEX effect_recipient ON effect (outlet, recipient) WHERE recipient NOTNULL;
CREATE INDEX effect_household ON effect (outlet, household) WHERE household NOTNULL;
CREATE INDEX effect_address ON effect (outlet, address) WHERE address NOTNULL;
CREATE INDEX effect_at ON effect (outlet, claimed_at) WHERE recipient NOTNULL;
CREATE INDEX effect_receipt ON effect (outlet, receipt) WHERE receipt NOTNULL;

-- Which occurrences an effect tells, its own and those it speaks for.
CREATE TABLE episode (
    outlet INTEGER NOT NULL REFERENCES outlet,
    subject TEXT NOT NULL,
    purpose INTEGER NOT NULL,
    -- days since year 1, 0: none
    cycle INTEGER NOT NULL,
    -- '': one sequence for all segments
    segment TEXT NOT NULL,
    key TEXT NOT NULL,
    -- 0: the effect's own, else one that it speaks for
    place INTEGER NOT NULL,
    PRIMARY KEY (outlet, subject, purpose, cycle, segment, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX episode_key ON episode (outlet, key, place);

-- The last decision about each occurrence and channel: no name, no address.
CREATE TABLE decision (
    source INTEGER NOT NULL REFERENCES source,
    episode TEXT NOT NULL,
    channel INTEGER NOT NULL,
    patient TEXT NOT NULL,
    recipient TEXT,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (source, episode, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX decision_patient ON decision (source, patient);
CREATE INDEX decision_recipient ON decision (source, recipient) WHERE recipient NOTNULL;

-- The last plan, and what else is kept by name.
CREATE TABLE kept (
    source INTEGER NOT NULL REFERENCES source,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (source, name)
) STRICT, WITHOUT ROWID;

-- Statuses that nobody has mapped.
CREATE TABLE unmapped (
    source INTEGER NOT NULL REFERENCES source,
    status TEXT NOT NULL,
    since INTEGER NOT NULL,
    told_at INTEGER NOT NULL,
    PRIMARY KEY (source, status)
) STRICT, WITHOUT ROWID;

-- Who was told what about whom: names of fields, never values. Each row's hash is over the one before.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject BLOB NOT NULL,
    fields TEXT NOT NULL,
    destination TEXT NOT NULL,
    outcome TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_source ON audit (source, number);
CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'disclosures are kept'); END;
CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'disclosures are kept as they are'); END;
