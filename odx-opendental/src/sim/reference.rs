//! The office's setup: definitions, recall types, clinics, providers, preferences.

use super::clock::stamp;
use super::error::SimError;
use super::operatories;
use super::settings::Settings;
use super::store::{Filter, Store};
use super::tables::{ClinicRow, DefinitionRow, PreferenceRow, ProviderRow, RecallTypeRow};
use super::wire::Lookups;

/// (category, name, value, hidden); numbers are the vendor's, names are the office's.
// apidefinitions; definitionscommlogtypes for the usages of category 27
const DEFINITIONS: [(i64, &str, &str, bool); 30] = [
    (1, "Sales Tax", "+", false),
    (1, "Professional Discount", "-", false),
    (1, "Cash Discount", "-", false),
    (2, "Not Called", "", false),
    (2, "Unconfirmed", "", false),
    (2, "Appointment Confirmed", "", false),
    (2, "eConfirmSent", "", false),
    (2, "Created from Web Sched", "", false),
    (2, "Arrived", "", false),
    (2, "Ready to go back", "", true),
    (4, "Standard Account", "", false),
    (4, "Payment Plan", "", false),
    (4, "No Finance Charges", "", false),
    (4, "Collections", "", true),
    (13, "Mailed Postcard", "", false),
    (13, "E-mailed", "", false),
    (13, "Texted", "", false),
    (13, "Called, left message", "", false),
    (13, "Patient will call", "", false),
    (13, "Needs Perio", "", false),
    (13, "2nd Notice", "", true),
    (27, "ApptRelated", "APPT", false),
    (27, "Financial", "FIN", false),
    (27, "Recall", "RECALL", false),
    (27, "Misc", "MISC", false),
    (27, "Text Message", "TEXT", false),
    (27, "Reactivation", "REACT", false),
    (27, "Insurance", "", false),
    (27, "Lab", "", true),
    (27, "FHIR", "FHIR", false),
];

/// (key, description, interval, pattern, procedures, rides along)
// apirecalltypes; recalltypes
const RECALL_TYPES: [(i64, &str, &str, &str, &str, bool); 7] = [
    (1, "Prophy", "6m1d", "/XXXX/", "D1110", false),
    (2, "Child Prophy", "", "XXX", "D1120,D1208", false),
    (3, "Perio", "3m", "/XXXX/", "D4910", false),
    (4, "4BW", "1y", "", "D0274", true),
    (5, "Pano", "5y", "", "D0330", true),
    (6, "FMX", "5y", "", "D0210", true),
    (7, "Exam", "6m1d", "", "D0120", true),
];

/// Types a patient can have besides Prophy or Perio.
pub(crate) const EXTRA_TYPES: [i64; 4] = [4, 7, 5, 6];
pub(crate) const PROPHY: i64 = 1;
pub(crate) const PERIO: i64 = 3;

pub(crate) fn default_interval(recall_type: i64) -> &'static str {
    RECALL_TYPES
        .iter()
        .find(|entry| entry.0 == recall_type)
        .map_or("", |entry| entry.2)
}

/// (key, abbreviation, last, first, hygienist, status)
const PROVIDERS: [(i64, &str, &str, &str, bool, &str); 5] = [
    (1, "DOC1", "Albrecht", "Brianna", false, "Active"),
    (2, "HYG1", "Jonas", "Tino", true, "Active"),
    (3, "DOC2", "Oyelaran", "Femi", false, "Active"),
    (4, "HYG2", "Bentley-Cruz", "Bruce", true, "Active"),
    (5, "HYG3", "Thomas", "Shirin", true, "Deleted"),
];

pub(crate) const DENTISTS: [i64; 2] = [1, 3];
pub(crate) const HYGIENISTS: [i64; 2] = [2, 4];

/// About as many as a real office has; the rest are placeholders.
const PREFERENCES_IN_ALL: i64 = 1000;

pub(crate) fn fill(store: &mut Store, settings: &Settings) -> Result<(), SimError> {
    // Keys differ between offices, even for built-in entries.
    let mut def_num = 100 + i64::try_from(settings.seed % 400).unwrap_or(0);
    let mut statuses = Vec::new();
    for (category, name, value, hidden) in DEFINITIONS {
        def_num += 1;
        if category == 13 {
            statuses.push(def_num);
        }
        store.put(&mut DefinitionRow {
            def_num,
            category,
            item_name: name.to_owned(),
            item_value: value.to_owned(),
            is_hidden: hidden,
        })?;
    }
    for (key, description, interval, pattern, procedures, rides) in RECALL_TYPES {
        store.put(&mut RecallTypeRow {
            recall_type_num: key,
            description: description.to_owned(),
            default_interval: interval.to_owned(),
            time_pattern: pattern.to_owned(),
            procedures: procedures.to_owned(),
            append_to_special: rides,
        })?;
    }
    let clinics = i64::try_from(settings.clinics).unwrap_or(0);
    for n in 1..=clinics {
        store.put(&mut ClinicRow {
            clinic_num: n,
            description: format!("Clinic{n}"),
            address: format!("{n}33 Blackwood St"),
            city: "Salem".to_owned(),
            state: "Oregon".to_owned(),
            zip: "97301".to_owned(),
            phone: format!("50355501{:02}", n % 100),
            abbr: format!("Clinic{n}"),
            is_hidden: false,
            time_zone: settings.clinic_zone.clone().unwrap_or_else(|| {
                settings
                    .zone
                    .map_or_else(String::new, |zone| zone.name().to_owned())
            }),
        })?;
    }
    operatories::fill(store, clinics)?;
    for (key, abbr, last, first, hygienist, status) in PROVIDERS {
        store.put(&mut ProviderRow {
            prov_num: key,
            abbr: abbr.to_owned(),
            l_name: last.to_owned(),
            f_name: first.to_owned(),
            ssn: format!("66600000{key}"),
            is_secondary: hygienist,
            prov_color: format!("{},255,164", 100 + key),
            is_hidden: status == "Deleted",
            date_t_stamp: stamp(settings.start - chrono::TimeDelta::days(40 * key)),
            prov_status: status.to_owned(),
            // One hygienist belongs to the first clinic, the others to all.
            clinic_num: i64::from(clinics > 0 && key == 4),
        })?;
    }
    preferences(store, settings, &statuses)
}

// apipreferences; values are raw stored text, flags are 0 and 1
fn preferences(store: &mut Store, settings: &Settings, statuses: &[i64]) -> Result<(), SimError> {
    let version = four_parts(&settings.version_text);
    let aged = stamp(settings.start - chrono::TimeDelta::hours(6));
    let status = |n: usize| statuses.get(n).copied().unwrap_or(0).to_string();
    let (mailed, emailed, texted) = (status(0), status(1), status(2));
    let named: [(&str, &str); 27] = [
        ("PracticeDefaultBillType", "40"),
        ("RecallDaysPast", "1095"),
        ("RecallDaysFuture", "7"),
        ("RecallTypesShowingInList", "1,3"),
        ("RecallExcludeIfAnyFutureAppt", "0"),
        ("RecallShowIfDaysFirstReminder", "30"),
        ("RecallShowIfDaysSecondReminder", "60"),
        ("RecallMaxNumberReminders", "-1"),
        ("RecallGroupByFamily", "0"),
        ("RecallUseEmailIfHasEmailAddress", "1"),
        ("RecallAgeAdult", "12"),
        ("RecallStatusMailed", &mailed),
        ("RecallStatusEmailed", &emailed),
        ("RecallStatusTexted", &texted),
        ("RecallTypeSpecialProphy", "1"),
        ("RecallTypeSpecialChildProphy", "2"),
        ("RecallTypeSpecialPerio", "3"),
        ("ReactivationContactInterval", "30"),
        ("ReactivationCountContactMax", "3"),
        ("TextMsgOkStatusTreatAsNo", "0"),
        ("BalancesDontSubtractIns", "0"),
        ("AppointmentTimeIncrement", "10"),
        ("DateLastAging", &aged),
        ("PracticeTitle", "Simulated Dental Group"),
        ("PracticePhone", "5035550100"),
        ("PracticeDefaultProv", "1"),
        ("ProgramVersion", &version),
    ];
    let mut num = 13;
    for (name, value) in named {
        num += 1;
        store.put(&mut PreferenceRow {
            pref_num: num,
            pref_name: name.to_owned(),
            value_string: value.to_owned(),
        })?;
    }
    while num < PREFERENCES_IN_ALL + 13 {
        num += 1;
        store.put(&mut PreferenceRow {
            pref_num: num,
            pref_name: format!("SimPlaceholder{num:04}"),
            value_string: "0".to_owned(),
        })?;
    }
    Ok(())
}

/// A version as the preference holds it, like `25.3.1.0`.
pub(crate) fn four_parts(version: &str) -> String {
    let mut version = version.to_owned();
    while version.split('.').count() < 4 {
        version.push_str(".0");
    }
    version
}

pub(crate) fn lookups(store: &Store) -> Result<Lookups, SimError> {
    let every = Filter::new();
    Ok(Lookups {
        providers: store
            .all::<ProviderRow>(&every)?
            .into_iter()
            .map(|row| (row.prov_num, row.abbr))
            .collect(),
        clinics: store
            .all::<ClinicRow>(&every)?
            .into_iter()
            .map(|row| (row.clinic_num, row.abbr))
            .collect(),
        // Hidden entries too: old rows still print their names.
        definitions: store
            .all::<DefinitionRow>(&every)?
            .into_iter()
            .map(|row| (row.def_num, row.item_name))
            .collect(),
    })
}

/// Keys of a definition category, in the office's order.
pub(crate) fn category(store: &Store, category: i64) -> Result<Vec<i64>, SimError> {
    let mut filter = Filter::new();
    filter.with("Category = ?", category);
    Ok(store
        .all::<DefinitionRow>(&filter)?
        .iter()
        .map(|row| row.def_num)
        .collect())
}
