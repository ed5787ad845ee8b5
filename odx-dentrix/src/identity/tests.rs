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

#[test]
fn by_id_people_are_called_as_the_practice_calls_them() {
    let rows = [
        row(&[
            (Field::PatientGuid, "d3470065-5d1c"),
            (Field::PatientId, "101"),
            (Field::Privacy, "0"),
        ]),
        row(&[
            (Field::PatientGuid, ""),
            (Field::PatientId, "102"),
            (Field::GuarantorId, "101"),
            (Field::Privacy, "0"),
        ]),
        row(&[(Field::Chart, "MA0103"), (Field::Privacy, "0")]),
    ];
    let mut gathering = People::gather(
        Identity::Id,
        &Secret::new("k"),
        crate::convert::tests::today(),
    );
    rows.iter().for_each(|row| gathering.add(row));
    let people = gathering.finish();
    let key = |row| match people.of_patient(row) {
        Whose::Of(person) => (
            people.key(person).native().to_owned(),
            people.household(person).native().to_owned(),
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(key(&rows[0]).0, "d3470065-5d1c");
    assert_eq!(
        key(&rows[1]),
        ("102".to_owned(), "d3470065-5d1c".to_owned())
    );
    assert!(matches!(
        people.of_patient(&rows[2]),
        Whose::Unidentified(_)
    ));
}

#[test]
fn in_reports_a_guarantor_is_found_by_a_name_that_only_one_person_has() {
    let person = |chart, last, first, born, guarantor| {
        row(&[
            (Field::Chart, chart),
            (Field::LastName, last),
            (Field::FirstName, first),
            (
                Field::MiddleInitial,
                if born < "05" || last == "Smith" {
                    "A"
                } else {
                    ""
                },
            ),
            (Field::BirthDate, born),
            (Field::GuarantorName, guarantor),
            (Field::Privacy, "0"),
        ])
    };
    let rows = [
        person(
            "MA0101",
            "Marchetti",
            "Linda",
            "04/12/1979",
            "Marchetti, Linda A",
        ),
        person(
            "MA0103",
            "Marchetti",
            "Sofia",
            "06/05/2012",
            "Marchetti, Linda A",
        ),
        person("SM0110", "Smith", "John", "01/15/1970", "Smith, John A"),
        person("SM0112", "Smith", "John", "10/15/1970", "Smith, John A"),
        person("SM0199", "Smith", "Kid", "10/15/2015", "Smith, John A"),
    ];
    let people = crate::convert::tests::people(&rows);
    let household = |row| match people.of_patient(row) {
        Whose::Of(person) => people.household(person),
        other => panic!("{other:?}"),
    };
    assert_eq!(household(&rows[1]), household(&rows[0]));
    // Two are called so: nobody knows which, and the child stands alone.
    for john in &rows[2..4] {
        assert_ne!(household(&rows[4]), household(john));
    }
}
