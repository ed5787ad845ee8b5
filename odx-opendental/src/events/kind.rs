//! Which table, or which click, a delivery is about.

/// What the vendor calls it, as `WatchTable` or `UiEventType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Appointment,
    AppointmentDeleted,
    Patient,
    PatField,
    Provider,
    Operatory,
    Schedule,
    /// Somebody has opened a patient's chart. Nothing need have changed.
    PatientSelected,
}

/// Longer ones are not the vendor's.
const LONGEST: usize = 40;

impl Kind {
    const ALL: [(&'static str, Self); 8] = [
        ("Appointment", Self::Appointment),
        ("AppointmentDeleted", Self::AppointmentDeleted),
        ("Patient", Self::Patient),
        ("PatField", Self::PatField),
        ("Provider", Self::Provider),
        ("Operatory", Self::Operatory),
        ("Schedule", Self::Schedule),
        ("PatientSelected", Self::PatientSelected),
    ];

    /// The kind of this name, in whatever case.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, kind)| *kind)
    }

    /// As the vendor spells it.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }
}

/// The one word of a header or a URL that names a kind, as the vendor spells it
/// where it is known. Empty: it names nothing.
///
/// `WatchTable: Appointment`, `UiEventType: PatientSelected`, `appointment`.
#[cfg_attr(not(feature = "events"), allow(dead_code, reason = "the receiver's"))]
pub(crate) fn normal(text: &str) -> String {
    let word = text.rsplit(':').next().unwrap_or_default().trim();
    if let Some(kind) = Kind::of(word) {
        return kind.name().to_owned();
    }
    let is_name = word.len() <= LONGEST && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_name {
        word.to_owned()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_the_last_word_in_the_vendors_spelling() {
        for (text, kind) in [
            ("WatchTable: Appointment", "Appointment"),
            ("WatchTable:appointmentdeleted", "AppointmentDeleted"),
            ("UiEventType: PatientSelected", "PatientSelected"),
            (" PATFIELD ", "PatField"),
            ("WatchTable: ToothInitial", "ToothInitial"),
            ("", ""),
            ("WatchTable: ../../etc", ""),
            ("WatchTable: a b", ""),
        ] {
            assert_eq!(normal(text), kind, "{text}");
        }
        assert_eq!(normal(&"x".repeat(41)), "");
    }

    #[test]
    fn every_kind_is_the_one_of_its_name() {
        for (name, kind) in Kind::ALL {
            assert_eq!(Kind::of(name), Some(kind));
            assert_eq!(kind.name(), name);
        }
        assert_eq!(Kind::of("ToothInitial"), None);
    }
}
