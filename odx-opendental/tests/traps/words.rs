//! Names and keys of the office's own.

use std::collections::{BTreeMap, BTreeSet};

use odx_core::ErrorKind;
use odx_core::model::{Label, Record};
use odx_core::source::{Change, Extent};
use odx_opendental::sim::DefinitionRow;

use super::life::{
    Life, both, by_lists, confirmation, patients, recall_status, recalls, refused, visits,
    whole_life,
};

/// The labels of this field.
fn labels<'a>(all: impl IntoIterator<Item = &'a Vec<Label>>, field: &str) -> Vec<(String, String)> {
    let labels = all.into_iter().flatten();
    labels
        .filter(|label| label.field == field)
        .map(|label| (label.key.clone(), label.text.clone()))
        .collect()
}

fn recall_labels(changes: &[Change]) -> Vec<(String, String)> {
    labels(
        recalls(changes).iter().map(|one| &one.labels),
        "recall_status",
    )
}

#[tokio::test]
async fn trap_21_a_status_is_a_key_of_this_office_and_means_what_this_office_says() {
    for builder in both() {
        let life = Life::of(builder).await;
        let (patient, recall, visit) = life.somebody();
        let status = life.practice.recall(recall).unwrap().recall_status;
        let chosen = life.definition(13, "", status);
        life.practice
            .update_definition(chosen, |row| row.item_name = "Moved abroad".to_owned());
        life.practice
            .update_recall(recall, |row| row.recall_status = chosen);
        let (changes, _) = life.first().await;
        assert!(recall_labels(&changes).contains(&(chosen.to_string(), "Moved abroad".to_owned())));
        // The keys of the printed examples are nobody's here, or of another list.
        let here = life.practice.definitions();
        for key in [19, 142, 209, 312] {
            for (what, category) in [
                (recall_status(patient, recall, key), 13),
                (confirmation(visit, key), 2),
            ] {
                let known = here
                    .iter()
                    .any(|row| row.def_num == key && row.category == category && !row.is_hidden);
                if !known {
                    let error = refused(life.write(&what).await);
                    assert_eq!(error.kind(), ErrorKind::Config, "{key}");
                }
            }
        }
        assert_eq!(life.practice.recall(recall).unwrap().recall_status, chosen);
    }
}

#[tokio::test]
async fn trap_46_a_hidden_definition_still_has_its_name() {
    for builder in both() {
        let life = Life::of(builder).await;
        let (_, recall, visit) = life.somebody();
        let (retired, gone) = (90_001, 90_002);
        for (key, category, name) in [(retired, 13, "Retired word"), (gone, 2, "Gone word")] {
            life.practice.add_definition(DefinitionRow {
                def_num: key,
                category,
                item_name: name.to_owned(),
                item_value: String::new(),
                is_hidden: true,
            });
        }
        life.practice
            .update_recall(recall, |row| row.recall_status = retired);
        life.practice
            .update_appointment(visit, |row| row.confirmed = gone);
        let (changes, _) = life.first().await;
        let words = recall_labels(&changes);
        assert!(words.contains(&(retired.to_string(), "Retired word".to_owned())));
        let confirmed = labels(visits(&changes).iter().map(|one| &one.labels), "confirmed");
        assert!(confirmed.contains(&(gone.to_string(), "Gone word".to_owned())));
        let mut asked = life.practice.requests();
        asked.retain(|one| one.path == "/definitions");
        assert!(asked.len() >= 2);
        assert!(
            asked
                .iter()
                .all(|one| one.param("includeHidden") == Some("true"))
        );
    }
}

#[tokio::test]
async fn trap_48_a_billing_type_is_a_name_by_either_route() {
    let mut told = Vec::new();
    for builder in both() {
        let life = Life::of(builder).await;
        let (changes, _) = life.first().await;
        let read = patients(&changes);
        let words: BTreeMap<_, _> = read
            .iter()
            .map(|one| {
                (
                    one.key.native().to_owned(),
                    labels([&one.labels], "billing_type"),
                )
            })
            .collect();
        assert!(words.len() > 40);
        for (key, text) in words.values().flatten() {
            assert_eq!(key, text);
            assert!(key.parse::<i64>().is_err(), "{key} is a key, not a name");
        }
        let names: BTreeSet<_> = words.values().flatten().collect();
        assert!(names.len() > 1 && words.values().all(|one| one.len() == 1));
        told.push(words);
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn trap_45_a_note_is_never_held_so_it_cannot_be_written_back() {
    for builder in both() {
        let life = Life::of(builder.clone()).await;
        let canaries = life.practice.canaries();
        assert!(canaries.len() > 20);
        let (_, changes) = whole_life(builder).await;
        for record in super::life::records(&changes) {
            let text = match record {
                Record::Patient(one) => serde_json::to_string(one),
                Record::Recall(one) => serde_json::to_string(one),
                Record::Appointment(one) => serde_json::to_string(one),
                Record::OptOut(one) => serde_json::to_string(one),
                Record::Reminder(one) => serde_json::to_string(one),
            }
            .unwrap();
            for canary in &canaries {
                assert!(!text.contains(canary.as_str()), "{:?}", record.key());
            }
        }
    }
    // What we write has no line to lose, so it reads back as it was written.
    let (life, _) = whole_life(by_lists()).await;
    let (patient, ..) = life.somebody();
    let (_, _) = life.pass(None, Extent::Changes).await;
    let notes = life.practice.commlogs_of(patient);
    let ours = notes.iter().filter(|row| row.note.contains("come in."));
    let ours: Vec<_> = ours.collect();
    assert_eq!(ours.len(), 1);
    assert!(ours[0].note.starts_with("Asked to come in."));
    assert!(!ours[0].note.contains(['\r', '\n']));
}
