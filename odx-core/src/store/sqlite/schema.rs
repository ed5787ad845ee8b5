//! Tables and their migrations.

use rusqlite::{Connection, TransactionBehavior};

use super::{failed, refuse};
use crate::error::Result;
use crate::store::view::DigestKey;

/// `odx1` in ASCII: says whose file it is.
const APPLICATION_ID: i32 = 0x6f64_7831;

/// One step per schema version, oldest first. Never edit one that was released.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002_inbox.sql"),
    include_str!("schema/0003_effect.sql"),
    include_str!("schema/0004_outreach.sql"),
];

/// Refuses a file that this odx has not brought to its own schema.
pub(super) fn check(db: &Connection) -> Result<()> {
    let pragma = |name: &str| {
        db.pragma_query_value(None, name, |row| row.get::<_, i32>(0))
            .map_err(failed)
    };
    let version = usize::try_from(pragma("user_version")?).unwrap_or(usize::MAX);
    if pragma("application_id")? != APPLICATION_ID {
        return Err(refuse(
            "the state file is a database of another program, or empty; name another file",
        ));
    }
    match version.cmp(&MIGRATIONS.len()) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(refuse(
            "the state file was written by an older odx; let this one run once, which brings it up to date",
        )),
        std::cmp::Ordering::Greater => Err(refuse(
            "the state file was written by a newer odx; use that version",
        )),
    }
}

/// Brings the file to the newest schema, or refuses it with a sentence.
pub(super) fn migrate(db: &mut Connection) -> Result<()> {
    let transaction = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let pragma = |name: &str| {
        transaction
            .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
            .map_err(failed)
    };
    let version = usize::try_from(pragma("user_version")?).unwrap_or(usize::MAX);
    let application = pragma("application_id")?;
    let tables: i64 = transaction
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(refuse(
            "the state file is a database of another program; name another file",
        ));
    }
    if version > MIGRATIONS.len() {
        return Err(refuse(
            "the state file was written by a newer odx; run that version, or name another file",
        ));
    }
    for step in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(failed)?;
    let newest = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    transaction
        .pragma_update(None, "user_version", newest)
        .map_err(failed)?;
    transaction
        .execute(
            "INSERT INTO meta (name, value) VALUES ('digest_key', ?1) ON CONFLICT DO NOTHING",
            [DigestKey::random().0.as_slice()],
        )
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}
