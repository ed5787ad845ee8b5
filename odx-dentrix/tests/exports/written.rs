//! What the simulator writes is read as it was meant.

use chrono::NaiveDate;
use odx_dentrix::sim::export::{Appointment, Encoding, Export, Form, Person, Practice, Recall};
use odx_dentrix::table::{Field, Table};
use odx_dentrix::wire::Class;
use proptest::prelude::*;

use crate::{Told, read_bytes};

fn practice(people: usize) -> Practice {
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    let mut practice = Practice {
        name: "Canyon View Dental".into(),
        ..Practice::default()
    };
    for number in 0..people {
        let mut person = Person::new(format!("Ñandú{number}"), "José", format!("NA{number:04}"));
        person.birth_date = Some(day("1970-01-15"));
        person.mobile_phone = format!("(801)555-01{:02}", number % 100);
        person.privacy = [0, 1, 8, 63][number % 4];
        practice.people.push(person);
        practice
            .recalls
            .push(Recall::new(number, "PROPHY", day("2025-12-03")));
        let at = chrono::NaiveTime::from_hms_opt(9, 0, 0).unwrap();
        practice
            .appointments
            .push(Appointment::new(number, day("2025-11-18"), at));
    }
    practice
}

fn read(bytes: &[u8]) -> Told {
    read_bytes(bytes, |_| {}).unwrap()
}

#[test]
fn every_form_and_encoding_reads_the_same() {
    let practice = practice(40);
    let truth = read(&Export::default().recalls(&practice));
    assert_eq!(truth.report().counted, Some(40));
    for form in [Form::Csv, Form::Html, Form::Xlsx] {
        for encoding in [Encoding::Windows1252, Encoding::Utf8, Encoding::Utf16] {
            let mut export = Export::default();
            (export.form, export.encoding) = (form, encoding);
            export.printed = "2025-11-03T06:00:04".parse().ok();
            for (table, bytes) in [
                (Table::Recalls, export.recalls(&practice)),
                (Table::Patients, export.people(&practice)),
                (Table::Appointments, export.appointments(&practice)),
            ] {
                let told = read(&bytes);
                assert_eq!(
                    (told.table, told.rows.len()),
                    (Some(table), 40),
                    "{form:?} {encoding:?}"
                );
                assert_eq!(told.unreadable, []);
                assert_eq!(told.report().counted, Some(40));
            }
            let told = read(&export.recalls(&practice));
            for field in [
                Field::PatientName,
                Field::Chart,
                Field::MobilePhone,
                Field::Privacy,
            ] {
                assert_eq!(told.all(field), truth.all(field), "{form:?} {encoding:?}");
            }
        }
    }
}

#[test]
fn columns_may_be_called_and_placed_otherwise_but_not_be_missing() {
    let practice = practice(3);
    let mut export = Export::default();
    export.renamed = vec![
        ("Due Date".into(), "Next Due".into()),
        ("Type".into(), "CC Type".into()),
    ];
    export.first = vec!["Privacy Request".into(), "E-mail".into()];
    let told = read(&export.recalls(&practice));
    assert_eq!(told.header[..3], ["Privacy Request", "E-mail", "Next Due"]);
    assert_eq!(told.all(Field::DueDate), ["12/03/2025"; 3]);
    export.dropped = vec!["Privacy Request".into()];
    let why = read_bytes(&export.people(&practice), |_| {}).unwrap_err();
    assert_eq!(why.class, Class::Columns);
}

#[test]
fn a_thin_report_counts_its_own_rows_and_a_cut_one_is_refused() {
    let practice = practice(40);
    let mut export = Export::default();
    export.share = 0.5;
    assert_eq!(read(&export.recalls(&practice)).rows.len(), 20);
    export.cut = Some(1500);
    let why = read_bytes(&export.recalls(&practice), |_| {}).unwrap_err();
    assert_eq!(why.class, Class::Incomplete);
    export.cut = None;
    export.footer = false;
    assert!(read(&export.recalls(&practice)).report().counted.is_none());
    let why = read_bytes(&export.recalls(&practice), |job| job.require_footer = true).unwrap_err();
    assert_eq!(why.class, Class::Incomplete);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_people_type_arrives(
        notes in prop::collection::vec("[ -~À-ÿ€’“”\r\n\t]{0,30}", 1..20),
        form in prop::sample::select(vec![Form::Csv, Form::Html, Form::Xlsx]),
        encoding in prop::sample::select(vec![Encoding::Windows1252, Encoding::Utf8, Encoding::Utf16]),
    ) {
        let mut practice = practice(notes.len());
        for (person, note) in practice.people.iter_mut().zip(&notes) {
            person.email.clone_from(note);
        }
        let mut export = Export::default();
        (export.form, export.encoding) = (form, encoding);
        let told = read(&export.recalls(&practice));
        let tidy = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(told.rows.len(), notes.len());
        for (row, note) in told.rows.iter().zip(&notes) {
            prop_assert_eq!(tidy(row.get(Field::Email).unwrap_or("")), tidy(note));
        }
    }
}
