//! Patients.

use odx_core::model::{
    Channel, Email, Label, Origin, Patient, PatientStatus, Permission, Phone, Record, RecordKind,
    Statement,
};
use odx_core::source::Change;
use odx_core::{HouseholdKey, PatientKey, Phi};
use serde_json::value::RawValue;

use super::{Fault, date, foreign_key, read};
use crate::reference::Reference;
use crate::wire;

/// A row of `/patients/Simple` or `/patients/{PatNum}`.
pub(crate) fn patient(raw: &RawValue, _reference: &Reference) -> Change {
    read(
        RecordKind::Patient,
        raw,
        |row: &wire::Patient<'_>| row.pat_num,
        convert,
    )
}

pub(crate) fn convert(row: wire::Patient<'_>, number: i64) -> Result<Record, Fault> {
    let key = PatientKey::new(number.to_string());
    let status = status(row.pat_status.get())?;
    let household = foreign_key("Guarantor", row.guarantor)?
        .map_or_else(|| HouseholdKey::new(key.native()), HouseholdKey::new);
    let mobile = Phone::parse(row.wireless_phone.get()).ok();
    // Parsing a number costs more than the rest of the row, and a number for
    // the voice is only wanted where none takes texts.
    let landline = if mobile.as_ref().is_some_and(Phone::takes_texts) {
        None
    } else {
        Phone::parse(row.hm_phone.get())
            .or_else(|_| Phone::parse(row.wk_phone.get()))
            .ok()
    };
    let (consent, needs_person) = consent(&row)?;
    let mut labels = vec![Label::new(
        "pat_status",
        row.pat_status.get(),
        row.pat_status.get(),
    )];
    // Unlike other references this one is a name, not a key.
    let billing_type = row.billing_type.get();
    if !billing_type.is_empty() {
        labels.push(Label::new("billing_type", billing_type, billing_type));
    }
    let born = date("Birthdate", &row.birthdate)?.map(Phi::new);
    let first_visit = date("DateFirstVisit", &row.date_first_visit)?;
    let clinic = foreign_key("ClinicNum", row.clinic_num)?;
    let provider = foreign_key("PriProv", row.pri_prov)?;
    let preferred = row.preferred.get();
    let preferred_name = (!preferred.is_empty() && preferred != row.f_name.get())
        .then(|| Phi::new(preferred.to_owned()));
    let language = row.language.get();
    let language = (!language.is_empty()).then(|| language.to_owned());
    // Two addresses in the field leave open whose is whose: none is used.
    let email = Email::parse(row.email.get()).ok();
    Ok(Record::Patient(Patient {
        key,
        household,
        status,
        first_name: Phi::new(row.f_name.into_owned()),
        last_name: Phi::new(row.l_name.into_owned()),
        preferred_name,
        born,
        mobile,
        landline,
        email,
        consent,
        needs_person,
        first_visit,
        clinic,
        provider,
        language,
        labels,
    }))
}

fn status(word: &str) -> Result<PatientStatus, Fault> {
    Ok(match word {
        "Patient" => PatientStatus::Active,
        "NonPatient" => PatientStatus::NonPatient,
        "Inactive" => PatientStatus::Inactive,
        "Archived" => PatientStatus::Archived,
        "Deceased" => PatientStatus::Deceased,
        "Prospective" => PatientStatus::Prospective,
        "Deleted" => PatientStatus::Deleted,
        _ => {
            return Err(Fault(
                "PatStatus",
                "holds a word this version does not know",
            ));
        }
    })
}

/// What the row says about being contacted, and whether a person must look
/// first. A word that is not known is never read as consent: it spoils the row.
fn consent(row: &wire::Patient<'_>) -> Result<(Vec<Statement>, bool), Fault> {
    let mut list = Vec::new();
    let mut say = |channel, permission| {
        list.push(Statement {
            channel,
            permission,
            origin: Origin::Practice,
            on: None,
        });
    };
    match row.txt_msg_ok.get() {
        "Yes" => say(Channel::Sms, Permission::Granted),
        "No" => say(Channel::Sms, Permission::Denied),
        "Unknown" | "" => {}
        _ => return Err(Fault("TxtMsgOk", "holds a word this version does not know")),
    }
    let contact = method("PreferContactMethod", row.prefer_contact_method.get())?;
    let recall = method("PreferRecallMethod", row.prefer_recall_method.get())?;
    if [contact, recall].contains(&Method::DoNotCall) {
        say(Channel::Voice, Permission::Denied);
    }
    let see_notes = [contact, recall].contains(&Method::SeeNotes);
    if see_notes {
        // The notes may take a yes back; odx does not read them.
        list.retain(|statement| statement.permission == Permission::Denied);
    }
    Ok((list, see_notes))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    DoNotCall,
    SeeNotes,
    Other,
}

fn method(field: &'static str, word: &str) -> Result<Method, Fault> {
    Ok(match word {
        "DoNotCall" => Method::DoNotCall,
        "SeeNotes" => Method::SeeNotes,
        "" | "None" | "HmPhone" | "WkPhone" | "WirelessPh" | "Email" | "Mail" | "TextMessage" => {
            Method::Other
        }
        _ => return Err(Fault(field, "holds a word this version does not know")),
    })
}

#[cfg(test)]
mod tests {
    use odx_core::model::ConsentState;
    use serde_json::{Value, json};

    use super::*;

    fn change(row: &Value) -> Change {
        let raw = serde_json::value::to_raw_value(row).unwrap();
        patient(&raw, &Reference::default())
    }

    fn with(fields: Value) -> Value {
        let mut row = json!({"PatNum": 48, "LName": "Canary-Last", "FName": "Canary-First",
            "PatStatus": "Patient", "Guarantor": 48, "TxtMsgOk": "Unknown"});
        row.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        row
    }

    fn good(fields: Value) -> Patient {
        match change(&with(fields)) {
            Change::Upsert(Record::Patient(patient)) => patient,
            other => panic!("{other:?}"),
        }
    }

    fn bad(fields: Value) -> String {
        match change(&with(fields)) {
            Change::Unreadable(bad) => {
                assert_eq!(bad.native, "48");
                bad.reason
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_documented_row_reads_whole() {
        let body = include_bytes!("../../tests/fixtures/patients.single.get.json");
        let rows = wire::rows(body).unwrap();
        let Change::Upsert(Record::Patient(patient)) = patient(rows[0], &Reference::default())
        else {
            panic!()
        };
        assert_eq!(patient.key.native(), "48");
        assert_eq!(patient.household.native(), "48");
        assert_eq!(patient.status, PatientStatus::Active);
        assert_eq!(patient.last_name.expose(), "Smith");
        assert_eq!(patient.born.unwrap().expose().to_string(), "1976-05-24");
        assert_eq!(
            patient.email.unwrap().address().expose(),
            "smithfam@yahoo.com"
        );
        assert_eq!(patient.first_visit.unwrap().to_string(), "2021-12-16");
        assert_eq!(patient.clinic, None);
        assert_eq!(patient.provider.as_deref(), Some("1"));
        assert_eq!(patient.language.as_deref(), Some("spa"));
        assert_eq!(patient.preferred_name, None);
        assert!(patient.consent.is_empty());
        assert!(!patient.needs_person);
        let labels: Vec<_> = patient
            .labels
            .iter()
            .map(|l| (&*l.field, &*l.text))
            .collect();
        assert_eq!(
            labels,
            [
                ("pat_status", "Patient"),
                ("billing_type", "Standard Account")
            ]
        );
    }

    #[test]
    fn an_unknown_status_is_unreadable_and_not_a_guess() {
        assert_eq!(
            bad(json!({"PatStatus": "Sleeping"})),
            "PatStatus holds a word this version does not know"
        );
        assert!(bad(json!({"PatStatus": ""})).starts_with("PatStatus"));
    }

    #[test]
    fn guarantor_zero_is_the_patient() {
        assert_eq!(good(json!({"Guarantor": 0})).household.native(), "48");
        assert_eq!(good(json!({"Guarantor": "7"})).household.native(), "7");
        assert!(bad(json!({"Guarantor": "x"})).starts_with("Guarantor"));
    }

    #[test]
    fn keys_of_64_bits_keep_every_digit() {
        let patient = good(json!({"Guarantor": 9_007_199_254_740_993_i64}));
        assert_eq!(patient.household.native(), "9007199254740993");
    }

    #[test]
    fn home_then_work_and_only_without_a_mobile() {
        let wireless = "(503) 555-0142";
        let home = "503-555-0111";
        let work = "(503)555-0122";
        let all = good(json!({"WirelessPhone": wireless, "HmPhone": home, "WkPhone": work}));
        assert_eq!(all.mobile.unwrap().e164().expose(), "+15035550142");
        assert_eq!(all.landline, None);
        let none = good(json!({"WirelessPhone": "none", "HmPhone": home, "WkPhone": work}));
        assert_eq!(none.mobile, None);
        assert_eq!(none.landline.unwrap().e164().expose(), "+15035550111");
        let work = good(json!({"HmPhone": "see note", "WkPhone": work}));
        assert_eq!(work.landline.unwrap().e164().expose(), "+15035550122");
    }

    #[test]
    fn two_addresses_in_one_field_are_none() {
        assert_eq!(
            good(json!({"Email": "a@example.org, b@example.org"})).email,
            None
        );
    }

    #[test]
    fn a_preferred_name_counts_when_it_differs() {
        let name = |text| good(json!({"Preferred": text})).preferred_name;
        assert_eq!(name(""), None);
        assert_eq!(name("Canary-First"), None);
        assert_eq!(name("Bo").unwrap().expose(), "Bo");
    }

    #[test]
    fn consent_is_what_the_row_says_and_unknown_is_silence() {
        use odx_core::model::consent;
        let sms = |word| consent(&good(json!({"TxtMsgOk": word})).consent, Channel::Sms);
        assert_eq!(sms("Yes"), ConsentState::Granted);
        assert_eq!(sms("No"), ConsentState::Denied);
        assert_eq!(sms("Unknown"), ConsentState::Unknown);
        assert!(bad(json!({"TxtMsgOk": "Maybe"})).starts_with("TxtMsgOk"));
        for field in ["PreferRecallMethod", "PreferContactMethod"] {
            let patient = good(json!({field: "DoNotCall", "TxtMsgOk": "Yes"}));
            assert_eq!(
                consent(&patient.consent, Channel::Voice),
                ConsentState::Denied
            );
            assert_eq!(
                consent(&patient.consent, Channel::Sms),
                ConsentState::Granted
            );
            assert!(bad(json!({field: "Pigeon"})).starts_with(field));
        }
    }

    #[test]
    fn see_notes_needs_a_person_and_drops_every_yes_but_no_no() {
        let yes = good(json!({"PreferContactMethod": "SeeNotes", "TxtMsgOk": "Yes"}));
        assert!(yes.needs_person);
        assert!(yes.consent.is_empty());
        let no = good(json!({"PreferRecallMethod": "SeeNotes", "TxtMsgOk": "No"}));
        assert!(no.needs_person);
        assert_eq!(no.consent.len(), 1);
    }

    #[test]
    fn a_new_stamp_or_balance_is_no_change() {
        let before = with(json!({"DateTStamp": "2021-07-26 14:22:55", "EstBalance": 1.0}));
        let after = with(json!({"DateTStamp": "2026-07-26 14:22:55", "EstBalance": 9.0}));
        assert_eq!(change(&before), change(&after));
    }

    #[test]
    fn nothing_of_a_row_is_printed() {
        let canary = json!({"SSN": "987-65-4320", "FamFinUrgNote": "note-canary",
            "Email": "mail.canary@example.org", "WirelessPhone": "(503) 555-0142",
            "Birthdate": "1961-02-03"});
        let good = format!("{:?}", change(&with(canary.clone())));
        let mut spoilt = with(canary);
        spoilt["PatStatus"] = "word-canary".into();
        let bad = format!("{:?}", change(&spoilt));
        for text in [good, bad] {
            for canary in [
                "Canary-",
                "987-65",
                "note-canary",
                "mail.canary",
                "5550142",
                "1961",
                "word-canary",
            ] {
                assert!(!text.contains(canary), "{canary} in {text}");
            }
        }
    }
}
