use super::*;
use crate::convert::tests::{people, row};

#[test]
fn a_person_has_one_key_over_odbc_and_in_reports() {
    let odbc = row(&[
        (Field::PatientId, "105"),
        (Field::PatientGuid, "d3470069-5d1c-4b7e-9a3f-000000000069"),
        (Field::LastName, "O'Connor-Smythe"),
        (Field::FirstName, "Maureen"),
        (Field::Chart, "000105              "),
        (Field::BirthDate, "1952-02-29"),
    ]);
    let sheet = row(&[
        (Field::PatientName, "O'Connor-Smythe, Maureen"),
        (Field::Chart, "105"),
        (Field::BirthDate, "02/29/1952"),
    ]);
    let key = |row: &Row| {
        let people = people(std::slice::from_ref(row));
        match people.of_patient(row) {
            Whose::Of(person) => people.key(person),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(key(&odbc), key(&sheet));
}

#[test]
fn two_people_who_would_get_one_key_are_both_refused() {
    let of = |id| {
        row(&[
            (Field::PatientId, id),
            (Field::Chart, "7"),
            (Field::BirthDate, "1970-01-15"),
        ])
    };
    let rows = [of("1"), of("2")];
    let people = people(&rows);
    for row in &rows {
        assert!(matches!(people.of_patient(row), Whose::Clash(..)));
    }
}

#[test]
fn without_a_day_of_birth_a_report_identifies_nobody() {
    let row = row(&[
        (Field::PatientName, "Smith, John A"),
        (Field::Chart, "SM0110"),
    ]);
    let people = people(&[row.clone(), row.clone()]);
    assert!(matches!(people.of_patient(&row), Whose::Unidentified(_)));
}
