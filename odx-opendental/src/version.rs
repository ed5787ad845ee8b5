//! The office's program version.

use std::fmt;

use crate::wire;

/// `25.3.12`: the fourth part is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u16, pub(crate) u16, pub(crate) u16);

impl Version {
    /// The version among these preferences. A server may ignore the filter and
    /// send others as well.
    pub(crate) fn of(preferences: &[wire::Preference<'_>]) -> Option<Self> {
        let row = preferences
            .iter()
            .find(|row| row.pref_name.get() == "ProgramVersion")?;
        Self::parse(row.value_string.get())
    }

    /// A version as it is written: two parts at least.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::parse);
        let mut next = || parts.next()?.ok();
        Some(Self(next()?, next()?, next().unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(json: &str) -> Option<Version> {
        Version::of(&wire::decode(json.as_bytes()).unwrap())
    }

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        let new = version(r#"[{"PrefName":"ProgramVersion","ValueString":"25.3.12.0"}]"#).unwrap();
        assert_eq!(new.to_string(), "25.3.12");
        assert!(new > Version(24, 1, 44));
        assert!(Version(22, 4, 9) < Version(22, 4, 40));
        assert_eq!(
            version(r#"[{"PrefName":"ProgramVersion","ValueString":"x"}]"#),
            None
        );
        assert_eq!(version("[]"), None);
    }
}
