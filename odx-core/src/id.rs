//! Typed ids, and the one place that builds external ids.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::broken;
use crate::hash::LedgerHash;
use crate::outreach::Episode;

fn checked(what: &'static str, text: String) -> Result<String> {
    let fine = !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fine {
        Ok(text)
    } else {
        Err(Error::new(
            ErrorKind::Config,
            format!("{what} must be 1 to 64 letters, digits, '.', '_' or '-'"),
        ))
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(String);

        impl $name {
            /// Checks the text and wraps it.
            ///
            /// # Errors
            /// [`ErrorKind::Config`] unless it is 1 to 64 letters, digits, `.`, `_` or `-`.
            pub fn new(text: impl Into<String>) -> Result<Self> {
                checked($what, text.into()).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// An office as the configuration names it.
    OfficeId,
    "an office id"
);

/// One practice database: which kind of system, and which database of that kind.
///
/// Written `od:main-st`; both parts stand in every scoped external id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SourceId {
    system: String,
    database: String,
}

impl SourceId {
    /// A source of `system` (a short lower-case word the adapter owns, such as
    /// `od`) reading `database`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for text that cannot stand in an external id.
    pub fn new(system: impl Into<String>, database: impl Into<String>) -> Result<Self> {
        let system = checked("a system", system.into())?;
        let plain = system.len() <= 8
            && system
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && system.starts_with(|c: char| c.is_ascii_lowercase());
        if !plain {
            return Err(Error::new(
                ErrorKind::Config,
                "a system must be at most 8 lower-case letters and digits, a letter first",
            ));
        }
        Ok(Self {
            system,
            database: checked("a database", database.into())?,
        })
    }

    /// The kind of system.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The database, usually named after the office.
    pub fn database(&self) -> &str {
        &self.database
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.system, self.database)
    }
}

/// One configured destination of one office, such as `rest:main-st`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SinkId(String);

impl SinkId {
    /// A sink of this kind for this office.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for text outside letters, digits, `.`, `_`, `-`.
    pub fn new(kind: impl Into<String>, office: impl Into<String>) -> Result<Self> {
        let kind = checked("a kind of sink", kind.into())?;
        let office = checked("an office id", office.into())?;
        Ok(Self(format!("{kind}:{office}")))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One way by which odx does what cannot be taken back: tells a practice, sends
/// messages. It belongs to one source, as everything of an office does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct OutletId {
    source: SourceId,
    name: String,
}

impl OutletId {
    /// The outlet of this name of a source.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] unless the name is 1 to 64 letters, digits, `.`, `_` or `-`.
    pub fn new(source: SourceId, name: impl Into<String>) -> Result<Self> {
        Ok(Self {
            source,
            name: checked("an outlet", name.into())?,
        })
    }

    /// Whose it is.
    pub const fn source(&self) -> &SourceId {
        &self.source
    }

    /// Its name, one of its kind per source.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for OutletId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.name)
    }
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the native id, as text.
            pub fn new(native: impl Into<String>) -> Self {
                Self(native.into())
            }

            /// The id as the source knows it.
            pub fn native(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

key!(
    /// A patient within one [`SourceId`]. Native ids are text: they reach 64
    /// bits in one system and are GUIDs in another.
    PatientKey
);
key!(
    /// A recall within one [`SourceId`].
    RecallKey
);
key!(
    /// An appointment within one [`SourceId`].
    AppointmentKey
);
key!(
    /// A reminder within one [`SourceId`].
    ReminderKey
);
key!(
    /// A household within one [`SourceId`]: the key of its guarantor.
    HouseholdKey
);

/// How external ids are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdScheme {
    /// `od:main-st:12345`: right everywhere, because native ids restart in
    /// every database.
    #[default]
    Scoped,
    /// `od:12345`: only where a CRM account will ever see one database. A
    /// second source on the same account is refused.
    Bare,
}

/// The name a record has in a CRM, for ever. Compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExternalId(String);

impl ExternalId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads back what a store or a CRM kept. Builds nothing.
    pub fn from_kept(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Builds the external ids of one source: the only place that does.
#[derive(Debug, Clone)]
pub struct ExternalIds {
    source: SourceId,
    scheme: IdScheme,
}

impl ExternalIds {
    /// For this source, in this scheme.
    pub const fn new(source: SourceId, scheme: IdScheme) -> Self {
        Self { source, scheme }
    }

    /// The scheme in use.
    pub const fn scheme(&self) -> IdScheme {
        self.scheme
    }

    /// The ids of the same source in another scheme.
    #[must_use]
    pub fn in_scheme(&self, scheme: IdScheme) -> Self {
        Self {
            source: self.source.clone(),
            scheme,
        }
    }

    /// `od:main-st:12345`
    pub fn patient(&self, key: &PatientKey) -> ExternalId {
        self.build("", key.native())
    }

    /// `odrecall:main-st:987`
    pub fn recall(&self, key: &RecallKey) -> ExternalId {
        self.build("recall", key.native())
    }

    /// `odfam:main-st:12345`
    pub fn household(&self, key: &HouseholdKey) -> ExternalId {
        self.build("fam", key.native())
    }

    /// `odapt:main-st:912`: a visit, as the subject of a review request.
    pub fn appointment(&self, key: &AppointmentKey) -> ExternalId {
        self.build("apt", key.native())
    }

    /// `odreact:main-st:12345`: the task about a patient not seen for long.
    pub fn reactivation(&self, key: &PatientKey) -> ExternalId {
        self.build("react", key.native())
    }

    /// `odenroll:main-st:` and a digest: one occurrence, as a CRM's sequence is
    /// told. Opaque, because a CRM shows it.
    pub fn episode(&self, episode: &Episode) -> ExternalId {
        let digest = LedgerHash::of(episode.name().as_bytes());
        let name = crate::hash::hex(digest.as_bytes());
        self.build("enroll", &name)
    }

    fn build(&self, kind: &str, native: &str) -> ExternalId {
        let fine = !native.is_empty()
            && native.len() <= 64
            && native
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        let hashed;
        let native = if fine {
            native
        } else {
            hashed = format!(
                "h{}",
                crate::hash::hex(LedgerHash::of(native.as_bytes()).as_bytes())
            );
            &hashed
        };
        let SourceId { system, database } = &self.source;
        if broken("broken.id.office") {
            return ExternalId(format!("{system}{kind}:{native}"));
        }
        if broken("broken.id.stable") {
            return ExternalId(format!(
                "{system}{kind}:{database}:{native}-{}",
                fastrand::u32(..)
            ));
        }
        ExternalId(match self.scheme {
            IdScheme::Scoped => format!("{system}{kind}:{database}:{native}"),
            IdScheme::Bare => format!("{system}{kind}:{native}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(scheme: IdScheme) -> ExternalIds {
        ExternalIds::new(SourceId::new("od", "main-st").unwrap(), scheme)
    }

    #[test]
    fn ids_name_system_database_and_native_id() {
        let ids = ids(IdScheme::Scoped);
        assert_eq!(
            ids.patient(&PatientKey::new("12345")).as_str(),
            "od:main-st:12345"
        );
        assert_eq!(
            ids.recall(&RecallKey::new("987")).as_str(),
            "odrecall:main-st:987"
        );
        assert_eq!(
            ids.household(&HouseholdKey::new("1")).as_str(),
            "odfam:main-st:1"
        );
    }

    #[test]
    fn bare_ids_leave_the_database_out() {
        let ids = ids(IdScheme::Bare);
        assert_eq!(ids.patient(&PatientKey::new("12345")).as_str(), "od:12345");
        assert_eq!(ids.recall(&RecallKey::new("987")).as_str(), "odrecall:987");
    }

    #[test]
    fn a_native_id_that_cannot_stand_in_a_path_is_hashed_and_stays_distinct() {
        let ids = ids(IdScheme::Scoped);
        let odd = ids.patient(&PatientKey::new("a b/c"));
        let other = ids.patient(&PatientKey::new("a b/d"));
        assert_ne!(odd, other);
        let tail = odd.as_str().strip_prefix("od:main-st:h").unwrap();
        assert_eq!(tail.len(), 32);
    }

    #[test]
    fn case_is_kept() {
        let ids = ids(IdScheme::Scoped);
        assert_ne!(
            ids.patient(&PatientKey::new("SM0012")),
            ids.patient(&PatientKey::new("sm0012"))
        );
    }
}
