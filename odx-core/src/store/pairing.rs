//! Offices never mix: which sink belongs to which source.

use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::broken;
use crate::id::{IdScheme, SinkId, SourceId};
use crate::sink::Account;

/// Refuses a sink that was opened before with another source or other names.
pub(super) fn check(
    sink: &SinkId,
    source: &SourceId,
    account: &Account,
    known_source: &SourceId,
    known: &Account,
) -> Result<()> {
    if known_source != source && !broken("broken.pairing") {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "the sink {sink} belongs to the source {known_source}, not to {source}: give every office its own id"
            ),
        ));
    }
    if known.scheme != account.scheme {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "the records of {sink} were named with {:?} external ids; with {:?} ones every record would be created again: \
                 set external_ids back, or start with a new state file and an empty crm",
                known.scheme, account.scheme
            ),
        ));
    }
    Ok(())
}

/// Refuses a gateway of another source, and a sink that looks at households.
pub(super) fn check_gateway(id: &SinkId, of_this_source: bool, gateway: bool) -> Result<()> {
    let message = if !of_this_source {
        format!(
            "the gateway {id} belongs to another source in this state: give each office its own"
        )
    } else if !gateway {
        format!("{id} is a crm in this state, and no gateway: give the gateway an id of its own")
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Config, message))
}

/// Refuses a sink that is known as a gateway: nobody would be brought to it.
pub(super) fn check_no_gateway(id: &SinkId, gateway: bool) -> Result<()> {
    if gateway {
        return Err(Error::new(
            ErrorKind::Config,
            format!("{id} is a gateway in this state, and no crm: give the crm an id of its own"),
        ));
    }
    Ok(())
}

/// Refuses a second source on an account where ids do not name their database.
pub(super) fn check_shared(
    source: &SourceId,
    account: &Account,
    known_source: &SourceId,
    known: &Account,
) -> Result<()> {
    let shared = known_source != source && known.name == account.name;
    if shared && (account.scheme == IdScheme::Bare || known.scheme == IdScheme::Bare) {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "{source} and {known_source} write to the same crm account, and bare external ids would mix their patients: \
                 set external_ids = \"scoped\" for both"
            ),
        ));
    }
    Ok(())
}
