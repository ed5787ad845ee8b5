//! What patients said no to, as far as only a query tells it.

use chrono::NaiveDateTime;
use odx_core::PatientKey;
use odx_core::model::{Channel, Origin, Permission, Statement};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Extent, Key, clock};
use crate::convert::Fault;
use crate::wire::{Flag, Int};

/// What a patient opted out of. No statements: of nothing. The patient's own row
/// says more, which is in the patient's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOut {
    /// Who.
    pub patient: PatientKey,
    /// Every no, at most one for a channel, by the practice's word.
    pub statements: Vec<Statement>,
}

/// A page of `Query::OptOuts`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptOutPage {
    /// Whoever opted out of anything. Whoever is between two of these and is not
    /// here did not.
    pub opt_outs: Vec<OptOut>,
    /// Keys of rows that cannot be read: nothing is known about these. They are
    /// best read again as patients, which says what is wrong.
    pub unreadable: Vec<i64>,
    /// How far it goes.
    pub extent: Extent,
    /// The office's clock, unless the page is empty.
    pub clock: Option<NaiveDateTime>,
}

/// The columns. What is missing is not taken for "no opt-out".
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Columns {
    opt_out_sms: Option<Flag>,
    opt_out_email: Option<Flag>,
    do_not_contact: Option<Flag>,
    short_code_opt_in: Option<Int>,
}

impl Columns {
    pub(super) fn statements(&self) -> Result<Vec<Statement>, Fault> {
        let nothing = flag("DoNotContact", self.do_not_contact)?;
        let sms = flag("OptOutSms", self.opt_out_sms)?;
        let email = flag("OptOutEmail", self.opt_out_email)?;
        let field = "ShortCodeOptIn";
        let stop = match self
            .short_code_opt_in
            .ok_or(Fault(field, "is missing"))?
            .get()
        {
            Some(0 | 1) => false,
            Some(2) => true,
            _ => {
                return Err(Fault(field, "holds a number this version does not know"));
            }
        };
        let said = [
            (Channel::Sms, sms || stop || nothing),
            (Channel::Email, email || nothing),
            (Channel::Voice, nothing),
        ];
        Ok(said
            .into_iter()
            .filter(|&(_, no)| no)
            .map(|(channel, _)| Statement {
                channel,
                permission: Permission::Denied,
                origin: Origin::Practice,
                on: None,
            })
            .collect())
    }
}

fn flag(field: &'static str, flag: Option<Flag>) -> Result<bool, Fault> {
    flag.ok_or(Fault(field, "is missing"))?
        .get()
        .ok_or(Fault(field, "is neither true nor false"))
}

/// Reads `Query::OptOuts`.
pub fn opt_outs(rows: &[&RawValue]) -> OptOutPage {
    let mut page = OptOutPage {
        extent: Extent::of(rows, |row| row.pat_num),
        clock: clock(rows),
        ..OptOutPage::default()
    };
    for raw in rows {
        let (Some(number), Ok(columns)) = (
            Key::patient(raw),
            serde_json::from_str::<Columns>(raw.get()),
        ) else {
            continue;
        };
        match columns.statements() {
            Ok(statements) => page.opt_outs.push(OptOut {
                patient: PatientKey::new(number.to_string()),
                statements,
            }),
            Err(_) => page.unreadable.push(number),
        }
    }
    page
}
