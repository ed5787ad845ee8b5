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

#[test]
fn people_take_less_than_a_hundred_bytes_each() {
    let mut gathering = People::gather(
        Identity::Chart,
        &Secret::new("k"),
        crate::convert::tests::today(),
    );
    let most = 20_000;
    for number in 1..=most {
        let text = number.to_string();
        gathering.add(&row(&[
            (Field::PatientId, &text),
            (
                Field::PatientGuid,
                &format!("d3470069-5d1c-4b7e-9a3f-{number:012}"),
            ),
            (Field::PatientName, &format!("Last{number}, First")),
            (Field::Chart, &text),
            (Field::BirthDate, "1970-01-15"),
        ]));
    }
    let people = gathering.finish();
    assert_eq!(people.len(), most);
    assert!(people.bytes() / most < 100, "{}", people.bytes() / most);
}

#[test]
fn a_row_of_the_database_finds_its_person_by_id_and_a_child_its_guarantor() {
    let of = |id: &str, guarantor: &str, chart: &str| {
        row(&[
            (Field::PatientId, id),
            (Field::GuarantorId, guarantor),
            (Field::Chart, chart),
            (Field::BirthDate, "1970-01-15"),
        ])
    };
    let people = people(&[
        of("123", "124", "B"),
        of("124", "124", "G"),
        of("125", "999", "S"),
    ]);
    let find = |id: &str| people.whose(Table::Recalls, &row(&[(Field::PatientId, id)]));
    let (Whose::Of(child), Whose::Of(parent), Whose::Of(other)) =
        (find("123"), find("124"), find("125.0"))
    else {
        panic!()
    };
    assert_eq!(
        people.household(child).native(),
        people.key(parent).native()
    );
    assert_eq!(people.household(other).native(), people.key(other).native());
    assert_eq!(find("77"), Whose::Unknown);
    let nobody = row(&[(Field::PatientId, "0")]);
    assert_eq!(people.whose(Table::Appointments, &nobody), Whose::NotOnFile);
}
