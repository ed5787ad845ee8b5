//! Joined rows: a patient with recalls, visits and opt-outs.

use chrono::NaiveDateTime;
use odx_core::PatientKey;
use odx_core::model::RecordKind;
use odx_core::source::Change;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::opt_out::{Columns, OptOut};
use super::visit::{keys_of, recalls_of, visits_of};
use super::words::{CONTACT_METHOD, PATIENT_STATUS, YES_NO, word};
use super::{Extent, Key, clock};
use crate::convert::{self, Fault, patient_record};
use crate::reference::Reference;
use crate::wire::{self, Int, Text};

/// A page of `Query::Patients` or `Query::PatientsOf`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JoinedPage {
    /// Of each patient: the patient, every recall, every visit that is not completed
    /// and the last one that was.
    pub changes: Vec<Change>,
    /// Of each patient whose row could be read, also of those who did not opt out
    /// of anything.
    pub opt_outs: Vec<OptOut>,
    /// The keys of all their visits, booked or not: these are there.
    pub visits: Vec<i64>,
    /// Whose recalls and open visits are all among the changes: what is known of
    /// them beyond these is gone.
    pub complete: Vec<i64>,
    /// Whose recalls or visits are not all there: to be read again by key, in
    /// lists.
    pub incomplete: Vec<i64>,
    /// How far it goes.
    pub extent: Extent,
    /// The office's clock, unless the page is empty.
    pub clock: Option<NaiveDateTime>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawPatient<'a> {
    pat_num: Int,
    #[serde(borrow)]
    l_name: Text<'a>,
    #[serde(borrow)]
    f_name: Text<'a>,
    #[serde(borrow)]
    preferred: Text<'a>,
    pat_status: Option<Int>,
    #[serde(borrow)]
    birthdate: Text<'a>,
    #[serde(borrow)]
    hm_phone: Text<'a>,
    #[serde(borrow)]
    wk_phone: Text<'a>,
    #[serde(borrow)]
    wireless_phone: Text<'a>,
    guarantor: Int,
    #[serde(borrow)]
    email: Text<'a>,
    pri_prov: Int,
    /// The name, which the statement looks up.
    #[serde(borrow)]
    billing_type: Text<'a>,
    #[serde(borrow)]
    date_first_visit: Text<'a>,
    clinic_num: Int,
    prefer_contact_method: Option<Int>,
    prefer_recall_method: Option<Int>,
    #[serde(borrow)]
    language: Text<'a>,
    txt_msg_ok: Option<Int>,
}

impl<'a> RawPatient<'a> {
    fn into_wire(self) -> Result<wire::Patient<'a>, Fault> {
        Ok(wire::Patient {
            pat_num: self.pat_num,
            l_name: line(self.l_name),
            f_name: line(self.f_name),
            preferred: line(self.preferred),
            pat_status: word("PatStatus", self.pat_status, PATIENT_STATUS)?,
            birthdate: self.birthdate,
            hm_phone: line(self.hm_phone),
            wk_phone: line(self.wk_phone),
            wireless_phone: line(self.wireless_phone),
            guarantor: self.guarantor,
            email: line(self.email),
            pri_prov: self.pri_prov,
            billing_type: line(self.billing_type),
            date_first_visit: self.date_first_visit,
            clinic_num: self.clinic_num,
            prefer_contact_method: word(
                "PreferContactMethod",
                self.prefer_contact_method,
                CONTACT_METHOD,
            )?,
            prefer_recall_method: word(
                "PreferRecallMethod",
                self.prefer_recall_method,
                CONTACT_METHOD,
            )?,
            language: line(self.language),
            txt_msg_ok: word("TxtMsgOk", self.txt_msg_ok, YES_NO)?,
        })
    }
}

/// The lists print a blank for a line break.
fn line(text: Text<'_>) -> Text<'_> {
    if text.get().contains("\r\n") {
        return Text::of(text.get().replace("\r\n", " "));
    }
    text
}

/// The columns that hold other tables.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Joined<'a> {
    #[serde(borrow)]
    recalls: Text<'a>,
    #[serde(borrow)]
    open_visits: Text<'a>,
    #[serde(borrow)]
    last_visit: Text<'a>,
    #[serde(borrow)]
    visits: Text<'a>,
}

/// Reads `Query::Patients` and `Query::PatientsOf`.
pub(crate) fn patients(rows: &[&RawValue], reference: &Reference) -> JoinedPage {
    let mut page = JoinedPage {
        extent: Extent::of(rows, |row| row.pat_num),
        clock: clock(rows),
        ..JoinedPage::default()
    };
    for raw in rows {
        let said = serde_json::from_str::<Columns>(raw.get())
            .map_err(|_| Fault("the row", "is not an object of plain fields"))
            .and_then(|columns| columns.statements());
        let fault = said.as_ref().err().copied();
        page.changes.push(convert::read(
            RecordKind::Patient,
            raw,
            |row: &RawPatient<'_>| row.pat_num,
            // What is not known of consent spoils the row, as in a list.
            |row, number| match fault {
                None => patient_record(row.into_wire()?, number),
                Some(fault) => Err(fault),
            },
        ));
        let Some(number) = Key::patient(raw) else {
            continue;
        };
        if let Ok(statements) = said {
            page.opt_outs.push(OptOut {
                patient: PatientKey::new(number.to_string()),
                statements,
            });
        }
        let joined: Joined<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
        let mut whole = recalls_of(number, joined.recalls.get(), reference, &mut page.changes);
        for column in [&joined.open_visits, &joined.last_visit] {
            whole &= visits_of(number, column.get(), reference, &mut page.changes);
        }
        whole &= keys_of(joined.visits.get(), &mut page.visits);
        if whole {
            page.complete.push(number);
        } else {
            page.incomplete.push(number);
        }
    }
    page
}
