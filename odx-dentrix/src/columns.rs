//! Which column is which field: names that an office's templates use, accepted in
//! order, and what is wrong where they do not fit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::convert::hex;
use crate::table::{Field, Table};

/// Names under which a field is accepted, the first that is there counts.
pub type Names = BTreeMap<Field, Vec<String>>;

/// The columns of one table: names, and what must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Which table.
    pub table: Table,
    /// Accepted names.
    pub names: Names,
    /// One of each of these groups must be there.
    pub required: Vec<Vec<Field>>,
    /// One of each of these must be there too: without it nobody knows who must
    /// not be contacted.
    pub suppression: Vec<Vec<Field>>,
}

/// Which column of a header is which field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The fields that were found.
    pub fields: Vec<Field>,
    /// The column of each.
    pub places: Vec<usize>,
    /// Names of columns that are no field of ours.
    pub unknown: Vec<String>,
}

/// What is wrong with a header. Names columns, which are the practice's own words
/// for them and nobody's data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadHeader {
    /// A field that is needed has no column.
    #[error(
        "{} has no column for {field} (accepted: {}); its columns are: {}; rename one, or add its name to columns.{}.{field}",
        table.name(), accepted.join(", "), found.join(", "), table.name()
    )]
    Missing {
        /// Which table.
        table: Table,
        /// Which field, by its name in settings; alternatives with `or`.
        field: String,
        /// What it may be called.
        accepted: Vec<String>,
        /// What there is.
        found: Vec<String>,
    },
    /// Who must not be contacted cannot be told.
    #[error(
        "{} has no column for {field} (accepted: {}), so nobody knows who must not be contacted; its columns are: {}; put \
         it back into the template, or add its name to columns.{}.{field}",
        table.name(), accepted.join(", "), found.join(", "), table.name()
    )]
    NoSuppression {
        /// Which table.
        table: Table,
        /// Which field, by its name in settings; alternatives with `or`.
        field: String,
        /// What it may be called.
        accepted: Vec<String>,
        /// What there is.
        found: Vec<String>,
    },
    /// Two columns have the name of one field.
    #[error("{} has more than one column called {column}, and nobody knows which is meant: remove or rename one", table.name())]
    Ambiguous {
        /// Which table.
        table: Table,
        /// The name that is there twice.
        column: String,
    },
}

/// A name as it is compared: lower case, letters and digits only, so that
/// `Patient Name`, `patient_name` and `PATIENT NAME:` are one.
pub fn folded(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric() || *c == '#')
        .flat_map(char::to_lowercase)
        .collect()
}

impl Columns {
    /// The names that the vendor's objects and reports have.
    pub fn default_for(table: Table) -> Self {
        let (rows, required, suppression) = defaults(table);
        let names = rows
            .iter()
            .map(|(field, names)| {
                let names = names.iter().map(|name| (*name).to_owned());
                (*field, names.collect())
            })
            .collect();
        Self {
            table,
            names,
            required,
            suppression,
        }
    }

    /// Every name that any field may have, folded.
    pub fn all(&self) -> std::collections::BTreeSet<String> {
        self.names
            .values()
            .flatten()
            .map(|name| folded(name))
            .collect()
    }

    /// Finds the fields in a header.
    ///
    /// # Errors
    /// A field that must be there is not, or a name is there twice.
    pub fn bind(&self, header: &[String]) -> Result<Binding, BadHeader> {
        let folded_header: Vec<String> = header.iter().map(|name| folded(name)).collect();
        let mut binding = Binding::default();
        let mut used = vec![false; header.len()];
        for (field, names) in &self.names {
            for name in names {
                let name = folded(name);
                let mut places = folded_header
                    .iter()
                    .enumerate()
                    .filter(|(_, column)| **column == name)
                    .map(|(place, _)| place);
                let Some(place) = places.next() else { continue };
                if places.next().is_some() {
                    return Err(BadHeader::Ambiguous {
                        table: self.table,
                        column: header.get(place).cloned().unwrap_or_default(),
                    });
                }
                // A column is one field: the first that claims it.
                if let Some(used) = used.get_mut(place)
                    && !std::mem::replace(used, true)
                {
                    binding.fields.push(*field);
                    binding.places.push(place);
                }
                break;
            }
        }
        let found: Vec<String> = header
            .iter()
            .filter(|name| !name.trim().is_empty())
            .cloned()
            .collect();
        for (groups, suppresses) in [(&self.required, false), (&self.suppression, true)] {
            for group in groups {
                if group.iter().any(|field| binding.fields.contains(field)) {
                    continue;
                }
                let field: Vec<_> = group.iter().map(|field| field.name()).collect();
                let field = field.join(" or ");
                let accepted = group
                    .iter()
                    .filter_map(|field| self.names.get(field))
                    .flatten()
                    .cloned()
                    .collect();
                let (table, found) = (self.table, found.clone());
                return Err(if suppresses {
                    BadHeader::NoSuppression {
                        table,
                        field,
                        accepted,
                        found,
                    }
                } else {
                    BadHeader::Missing {
                        table,
                        field,
                        accepted,
                        found,
                    }
                });
            }
        }
        binding.unknown = header
            .iter()
            .zip(&used)
            .filter(|(name, used)| !**used && !name.trim().is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        Ok(binding)
    }

    /// How many fields a line of cells would bind: to find a header among titles.
    pub fn hits(&self, cells: &[String]) -> usize {
        let all = self.all();
        cells
            .iter()
            .filter(|cell| all.contains(&folded(cell)))
            .count()
    }
}

/// What settings would bind this header, as TOML to paste: what is bound, and in
/// comments every other column with the field that is closest to its name, and the
/// fields that are needed and have none.
pub fn suggestion(columns: &Columns, header: &[String]) -> String {
    let table = columns.table.name();
    let mut text = format!("[office.source.columns.{table}]\n");
    let mut names: Vec<String> = Vec::new();
    let mut twice: Vec<&str> = Vec::new();
    for name in header.iter().filter(|name| !name.trim().is_empty()) {
        if names.iter().any(|known| folded(known) == folded(name)) {
            twice.push(name);
        } else {
            names.push(name.clone());
        }
    }
    let lenient = Columns {
        required: Vec::new(),
        suppression: Vec::new(),
        ..columns.clone()
    };
    let binding = lenient.bind(&names).unwrap_or_default();
    for (field, place) in binding.fields.iter().zip(&binding.places) {
        if let Some(name) = names.get(*place) {
            text.push_str(&format!("{} = [{}]\n", field.name(), quoted(name)));
        }
    }
    let free: Vec<Field> = columns
        .names
        .keys()
        .copied()
        .filter(|field| !binding.fields.contains(field))
        .collect();
    let lacking: Vec<&Vec<Field>> = columns
        .required
        .iter()
        .chain(&columns.suppression)
        .filter(|group| !group.iter().any(|field| binding.fields.contains(field)))
        .collect();
    for name in &binding.unknown {
        let closest = free
            .iter()
            .map(|field| (likeness(columns, *field, name), *field))
            .max_by_key(|(likeness, field)| (*likeness, lacking.iter().any(|g| g.contains(field))))
            .filter(|(likeness, _)| *likeness >= LIKE)
            .map(|(_, field)| field);
        let field = closest.or_else(|| lacking.first().and_then(|group| group.first().copied()));
        let name = quoted(name);
        text.push_str(&match field {
            Some(field) => format!("# {} = [{name}]\n", field.name()),
            None => format!("# {name} is read by nobody\n"),
        });
    }
    for name in twice {
        let name = quoted(name);
        text.push_str(&format!(
            "# {name} stands there more than once: remove or rename one\n"
        ));
    }
    for group in lacking {
        let fields: Vec<_> = group.iter().map(|field| field.name()).collect();
        text.push_str(&format!(
            "# needed, and bound to no column: {}\n",
            fields.join(" or ")
        ));
    }
    text
}

/// A name as TOML takes it. It is the practice's own, and may hold anything.
fn quoted(name: &str) -> String {
    let mut text = String::from("\"");
    for c in name.trim().chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            c if c.is_control() => text.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Less alike is not worth a suggestion, of a hundred.
const LIKE: usize = 55;

/// How alike a name is to one of those that a field may have, of a hundred.
fn likeness(columns: &Columns, field: Field, name: &str) -> usize {
    let name: Vec<char> = folded(name).chars().collect();
    let known = columns.names.get(&field).into_iter().flatten();
    known
        .map(|known| folded(known))
        .chain([folded(field.name())])
        .map(|known| alike(&known.chars().collect::<Vec<_>>(), &name))
        .max()
        .unwrap_or(0)
}

/// By how many letters must change, of a hundred. One inside the other is close.
fn alike(one: &[char], other: &[char]) -> usize {
    let longest = one.len().max(other.len());
    if longest == 0 {
        return 0;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, a) in one.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(n + 1);
        for ((b, above), corner) in other.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or(0);
            let change = corner + usize::from(a != b);
            next.push(change.min(above + 1).min(left + 1));
        }
        row = next;
    }
    let changes = row.last().copied().unwrap_or(longest);
    let share = 100 * longest.saturating_sub(changes) / longest;
    let (short, long) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    let inside = short.len() >= 4 && long.windows(short.len()).any(|part| part == short);
    if inside { share.max(LIKE + 10) } else { share }
}

/// What identifies columns from one read to the next: their names, in order. A
/// change is told, and never a reason to guess.
pub fn fingerprint(header: &[String]) -> String {
    let names: Vec<String> = header.iter().map(|name| folded(name)).collect();
    let hash = sha2::Sha256::digest(names.join("\u{1f}").as_bytes());
    hex(hash.get(..8).unwrap_or_default())
}

type Defaults = (
    &'static [(Field, &'static [&'static str])],
    Vec<Vec<Field>>,
    Vec<Vec<Field>>,
);

/// Names of the vendor's views and procedures (reference 3.1 to 3.4) first, then
/// those of its reports (7), then what people call them.
fn defaults(table: Table) -> Defaults {
    use Field::*;
    match table {
        Table::Patients => (
            &[
                (PatientId, &["patient_id", "Patient ID", "Pat ID"]),
                (PatientGuid, &["patient_guid", "Patient GUID"]),
                (PatientName, &["Patient Name", "Patient", "Name"]),
                (LastName, &["last_name", "Patient Last Name"]),
                (FirstName, &["first_name", "Patient First Name"]),
                (MiddleInitial, &["mi", "Middle Initial", "Patient MI"]),
                (PreferredName, &["preferred_name", "Preferred", "Nickname"]),
                (
                    Chart,
                    &[
                        "chart_num",
                        "Chart #",
                        "Chart",
                        "Chart Number",
                        "Chart No",
                        "Patient Chart #",
                    ],
                ),
                (
                    BirthDate,
                    &[
                        "birth_date",
                        "Birthdate",
                        "Birthday",
                        "Date of Birth",
                        "DOB",
                    ],
                ),
                (GuarantorId, &["guar_id", "Guarantor ID"]),
                (GuarantorGuid, &["guar_guid", "Guarantor GUID"]),
                (GuarantorName, &["Guarantor", "Guarantor Name", "Guar Name"]),
                (Status, &["status", "Patient Status", "Pat Status"]),
                (
                    Privacy,
                    &[
                        "privacy_flags",
                        "Privacy Request",
                        "Privacy Requests",
                        "Privacy",
                    ],
                ),
                (
                    HomePhone,
                    &["home_phone", "Phone (H)", "Home", "Home Ph", "Phone"],
                ),
                (WorkPhone, &["work_phone", "Phone (W)", "Work", "Work Ph"]),
                (
                    MobilePhone,
                    &[
                        "mobile_phone",
                        "Cell",
                        "Cell Phone",
                        "Mobile",
                        "Cell/Pager",
                        "Phone (C)",
                    ],
                ),
                (Email, &["email", "Email Address", "E-mail Address"]),
                (
                    FirstVisit,
                    &["first_visit_date", "First Visit", "First Visit Date"],
                ),
                (
                    LastVisit,
                    &[
                        "last_visit_date",
                        "Last Visit",
                        "Last Visit Date",
                        "Patient Last Visit Date",
                    ],
                ),
                (
                    Provider,
                    &[
                        "pri_provider_id",
                        "Prov1",
                        "Provider",
                        "Prov",
                        "Primary Provider",
                    ],
                ),
            ],
            vec![vec![PatientName, LastName], vec![Status]],
            vec![vec![Privacy]],
        ),
        Table::Recalls => (
            &[
                (PatientId, &["patient_id", "Patient ID", "Pat ID"]),
                (PatientGuid, &["patient_guid", "Patient GUID"]),
                (PatientName, &["Patient Name", "Patient", "Name"]),
                (LastName, &["last_name", "Patient Last Name"]),
                (FirstName, &["first_name", "Patient First Name"]),
                (MiddleInitial, &["mi", "Middle Initial"]),
                (
                    Chart,
                    &["chart_num", "Chart #", "Chart", "Chart Number", "Chart No"],
                ),
                (
                    BirthDate,
                    &[
                        "birth_date",
                        "Birthdate",
                        "Birthday",
                        "Date of Birth",
                        "DOB",
                    ],
                ),
                (
                    RecallType,
                    &[
                        "recall_type",
                        "Type",
                        "CC Type",
                        "Continuing Care Type",
                        "Recall Type",
                    ],
                ),
                (
                    RecallDescription,
                    &["recall_description", "Type Description"],
                ),
                (RecallTypeId, &["recall_type_id"]),
                (
                    DueDate,
                    &[
                        "due_date",
                        "Due Date",
                        "Due",
                        "Next Due",
                        "CC Due Date",
                        "Recall Date",
                    ],
                ),
                (
                    PriorDate,
                    &[
                        "prior_date",
                        "Prior Treat.",
                        "Prior Treatment",
                        "Prior Date",
                    ],
                ),
                (Booked, &["Appt?", "Appt", "Next Appt"]),
                (RecallStatus, &["CC Status", "Status", "Contact Status"]),
                (Provider, &["prov_id", "Provider", "Prov"]),
                (Status, &["Patient Status", "Pat Status"]),
                (
                    Privacy,
                    &[
                        "privacy_flags",
                        "Privacy Request",
                        "Privacy Requests",
                        "Privacy",
                    ],
                ),
                (
                    HomePhone,
                    &["home_phone", "Phone (H)", "Home", "Home Ph", "Phone"],
                ),
                (WorkPhone, &["work_phone", "Phone (W)", "Work"]),
                (
                    MobilePhone,
                    &["mobile_phone", "Cell", "Cell Phone", "Mobile", "Phone (C)"],
                ),
                (Email, &["email", "Email Address", "E-mail Address"]),
                (LastVisit, &["last_visit_date", "Last Visit"]),
            ],
            vec![
                vec![PatientGuid, PatientId, PatientName, LastName],
                vec![RecallType, RecallTypeId],
                vec![DueDate],
            ],
            // Where people come from a table of their own, it is asked for there (`source.rs`).
            Vec::new(),
        ),
        Table::Appointments => (
            &[
                (AppointmentId, &["appointment_id", "Appt ID"]),
                (PatientId, &["patient_id", "Patient ID", "Pat ID"]),
                (PatientGuid, &["patient_guid", "Patient GUID"]),
                (
                    PatientName,
                    &["patient_name", "Patient Name", "Patient", "Name"],
                ),
                (Chart, &["chart_num", "Chart #", "Chart", "Chart Number"]),
                (BirthDate, &["birth_date", "Birthdate", "DOB"]),
                (
                    AppointmentDate,
                    &["appointment_date", "Appt Date", "Date", "Appointment Date"],
                ),
                (AppointmentTime, &["Time", "Appt Time", "Appointment Time"]),
                (StartHour, &["start_hour"]),
                (StartMinute, &["start_minute"]),
                (Length, &["length", "Len", "Minutes"]),
                (Status, &["status_id", "Status", "Appt Status"]),
                (Broken, &["broken", "appt_broken_class"]),
                (BrokenDate, &["broken_date"]),
                (Pinboard, &["onpindboard", "pinboard"]),
                (Provider, &["provider_id", "Provider", "Prov"]),
                (Operatory, &["operatory_id", "Op", "Operatory"]),
                (Reason, &["reason", "Appt Reason"]),
                (Changed, &["modified_time_stamp", "Last Changed"]),
                (ServerTime, &["servertime"]),
            ],
            vec![
                vec![PatientGuid, PatientId, Chart, PatientName],
                vec![AppointmentDate],
                vec![Status, Broken],
            ],
            Vec::new(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_header_of_the_vendors_binds_by_name_and_not_by_place() {
        let columns = Columns::default_for(Table::Recalls);
        let binding = columns
            .bind(&header(&[
                "DUE_DATE",
                "balance",
                "recall_type ",
                "patient_guid",
            ]))
            .unwrap();
        let place = |field| {
            let at = binding.fields.iter().position(|known| *known == field);
            binding.places[at.unwrap()]
        };
        assert_eq!(place(Field::DueDate), 0);
        assert_eq!(place(Field::RecallType), 2);
        assert_eq!(place(Field::PatientGuid), 3);
        assert_eq!(binding.unknown, ["balance"]);
    }

    #[test]
    fn a_missing_column_is_named_with_what_there_is() {
        let columns = Columns::default_for(Table::Recalls);
        let why = columns
            .bind(&header(&["Patient Name", "Type", "When"]))
            .unwrap_err();
        assert!(matches!(&why, BadHeader::Missing { field, .. } if field == "due_date"));
        assert!(
            why.to_string().contains("Patient Name, Type, When"),
            "{why}"
        );
    }

    #[test]
    fn patients_without_a_privacy_column_are_refused_not_taken_for_free() {
        let columns = Columns::default_for(Table::Patients);
        let why = columns
            .bind(&header(&["Last Name", "First Name", "Status"]))
            .unwrap_err();
        assert!(matches!(why, BadHeader::NoSuppression { .. }), "{why}");
    }

    #[test]
    fn a_name_that_is_there_twice_is_nobodys() {
        let columns = Columns::default_for(Table::Recalls);
        let why = columns
            .bind(&header(&["Patient Name", "Type", "Due Date", "due date"]))
            .unwrap_err();
        assert!(matches!(why, BadHeader::Ambiguous { .. }), "{why}");
    }

    #[test]
    fn what_is_suggested_can_be_pasted_and_names_the_closest_field() {
        let columns = Columns::default_for(Table::Recalls);
        let text = suggestion(
            &columns,
            &header(&[
                "Patient Name",
                "Type",
                "Due Dat",
                "Fällig \"am\"",
                "Balance",
                "",
            ]),
        );
        for line in [
            "[office.source.columns.recalls]",
            "patient_name = [\"Patient Name\"]",
            "recall_type = [\"Type\"]",
            "# due_date = [\"Due Dat\"]",
            // Nothing is like it, so it may be what is lacking.
            "# due_date = [\"Fällig \\\"am\\\"\"]",
            "# needed, and bound to no column: due_date",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_header_that_fits_needs_nothing_and_its_strangers_are_named() {
        let columns = Columns::default_for(Table::Recalls);
        let text = suggestion(
            &columns,
            &header(&["Patient Name", "Type", "Due Date", "Ledger"]),
        );
        assert!(text.contains("# \"Ledger\" is read by nobody"), "{text}");
        assert!(!text.contains("needed"), "{text}");
    }

    #[test]
    fn a_column_that_is_there_twice_is_told_and_hides_nothing() {
        let columns = Columns::default_for(Table::Patients);
        let text = suggestion(&columns, &header(&["Name", "Status", "status", "Email"]));
        assert!(
            text.contains("\"status\" stands there more than once"),
            "{text}"
        );
        assert!(text.contains("email = [\"Email\"]"), "{text}");
        assert!(
            text.contains("needed, and bound to no column: privacy"),
            "{text}"
        );
    }
}
