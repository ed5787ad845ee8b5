//! `operatories`: the rooms.

#![allow(non_snake_case, reason = "spelled as on the wire")]

use serde::Serialize;

use super::answer::{Answer, Refusal};
use super::error::SimError;
use super::more_tables::OperatoryRow;
use super::routes::{ALWAYS, Call, path_key};
use super::store::{Filter, Store};

/// As many as the seed's appointments sit in.
const ROOMS: i64 = 8;

// apioperatories, Operatories GET
#[derive(Serialize)]
struct Operatory<'a> {
    OperatoryNum: i64,
    OpName: &'a str,
    Abbrev: &'a str,
    ItemOrder: i64,
    IsHidden: &'static str,
    ProvDentist: i64,
    ProvHygienist: i64,
    IsHygiene: &'static str,
    ClinicNum: i64,
    SetProspective: &'static str,
    IsWebSched: &'static str,
    OperatoryType: i64,
    operatoryType: &'static str,
}

impl<'a> From<&'a OperatoryRow> for Operatory<'a> {
    fn from(row: &'a OperatoryRow) -> Self {
        let flag = |value| if value { "true" } else { "false" };
        Self {
            OperatoryNum: row.operatory_num,
            OpName: &row.op_name,
            Abbrev: &row.abbrev,
            ItemOrder: row.item_order,
            IsHidden: flag(row.is_hidden),
            ProvDentist: row.prov_dentist,
            ProvHygienist: row.prov_hygienist,
            IsHygiene: flag(row.is_hygiene),
            ClinicNum: row.clinic_num,
            SetProspective: "false",
            IsWebSched: "false",
            OperatoryType: 0,
            operatoryType: "",
        }
    }
}

// apioperatories: GET since 21.1, with ClinicNum
pub(crate) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let query = call.query(ALWAYS, &[("ClinicNum", ALWAYS)])?;
    let mut filter = Filter::new();
    if let Some(clinic) = query.int("ClinicNum")? {
        filter.with("ClinicNum = ?", clinic);
    }
    let rows: Vec<OperatoryRow> = call.practice.store().all(&filter)?;
    call.page_of(&query, rows.iter().map(Operatory::from))
}

pub(crate) fn single(call: &Call<'_>, key: &str) -> Result<Answer, Refusal> {
    call.query((24, 1, 10), &[])?;
    let row: Option<OperatoryRow> = call.practice.store().get(path_key(key)?)?;
    let row = row.ok_or_else(|| Refusal::not_found("Operatory not found"))?;
    Answer::json(&Operatory::from(&row), 1)
}

pub(crate) fn fill(store: &mut Store, clinics: i64) -> Result<(), SimError> {
    for n in 1..=ROOMS {
        let hygiene = n % 2 == 0;
        store.put(&mut OperatoryRow {
            operatory_num: n,
            op_name: format!("Room {n}"),
            abbrev: format!("OP-{n}"),
            item_order: n - 1,
            is_hidden: n == ROOMS,
            prov_dentist: 1 + n % 2 * 2,
            prov_hygienist: if hygiene { 2 } else { 0 },
            is_hygiene: hygiene,
            clinic_num: if clinics == 0 { 0 } else { 1 + n % clinics },
            date_t_stamp: "2020-01-06 09:00:00".to_owned(),
        })?;
    }
    Ok(())
}
