//! The reference lists: small, by key, filtered in memory.

use super::answer::{Answer, Refusal};
use super::more_tables::SignalRow;
use super::query::Known;
use super::routes::{ALWAYS, Call, path_key};
use super::settings::Permission;
use super::store::Filter;
use super::tables::{ClinicRow, DefinitionRow, PreferenceRow, ProviderRow, RecallTypeRow};
use super::wire_reference::{
    Clinic, Definition, PatFieldDef, Preference, Provider, RecallType, SecurityPerm, Signal,
};

// apirecalltypes
pub(crate) fn recall_types(call: &Call<'_>) -> Result<Answer, Refusal> {
    let query = call.query((24, 1, 44), &[])?;
    let rows: Vec<RecallTypeRow> = call.practice.store().all(&Filter::new())?;
    call.page_of(&query, rows.iter().map(RecallType::from))
}

pub(crate) fn recall_type(call: &Call<'_>, key: &str) -> Result<Answer, Refusal> {
    call.query((24, 1, 44), &[])?;
    let row: Option<RecallTypeRow> = call.practice.store().get(path_key(key)?)?;
    let row = row.ok_or_else(|| Refusal::not_found("RecallType not found"))?;
    Answer::json(&RecallType::from(&row), 1)
}

// apidefinitions: hidden items only on request
pub(crate) fn definitions(call: &Call<'_>) -> Result<Answer, Refusal> {
    const KNOWN: &[Known] = &[("Category", ALWAYS), ("includeHidden", ALWAYS)];
    let query = call.query(ALWAYS, KNOWN)?;
    let mut filter = Filter::new();
    if let Some(category) = query.int("Category")? {
        filter.with("Category = ?", category);
    }
    if !query.flag("includeHidden")? {
        filter.only("IsHidden = 0");
    }
    let rows: Vec<DefinitionRow> = call.practice.store().all(&filter)?;
    call.page_of(&query, rows.iter().map(Definition::from))
}

// apiclinics: non-hidden clinics; an empty list means the feature is off
pub(crate) fn clinics(call: &Call<'_>) -> Result<Answer, Refusal> {
    let query = call.query(ALWAYS, &[])?;
    let mut filter = Filter::new();
    filter.only("IsHidden = 0");
    let rows: Vec<ClinicRow> = call.practice.store().all(&filter)?;
    call.page_of(&query, rows.iter().map(Clinic::from))
}

// apiproviders: DateTStamp, or ClinicNum, whose rows have an empty serverDateTime
pub(crate) fn providers(call: &Call<'_>) -> Result<Answer, Refusal> {
    const KNOWN: &[Known] = &[("DateTStamp", (21, 3, 0)), ("ClinicNum", ALWAYS)];
    let query = call.query(ALWAYS, KNOWN)?;
    let mut filter = Filter::new();
    if let Some(since) = query.stamp("DateTStamp", false)? {
        let compare = super::routes::comparison(call.settings.strict_after);
        filter.with(format!("DateTStamp {compare} ?"), since);
    }
    let clinic = query.int("ClinicNum")?;
    if let Some(clinic) = clinic {
        let known = call.names.clinics.contains_key(&clinic);
        if clinic != 0 && !known {
            return Err(Refusal::not_found("Clinic not found"));
        }
        filter.with("(ClinicNum = 0 OR ClinicNum = ?)", clinic);
    }
    let rows: Vec<ProviderRow> = call.practice.store().all(&filter)?;
    let clock = if clinic.is_some() { "" } else { call.clock() };
    // The page prints a bare object for ClinicNum.
    if let ([one], Some(_), true) = (rows.as_slice(), clinic, call.settings.bare_single) {
        return Answer::json(&Provider::of(one, clock), 1);
    }
    call.page_of(&query, rows.iter().map(|row| Provider::of(row, clock)))
}

pub(crate) fn provider(call: &Call<'_>, key: &str) -> Result<Answer, Refusal> {
    call.query((24, 4, 17), &[])?;
    let row: Option<ProviderRow> = call.practice.store().get(path_key(key)?)?;
    let row = row.ok_or_else(|| Refusal::not_found("Provider not found"))?;
    Answer::json(&Provider::of(&row, call.clock()), 1)
}

// apipreferences: one by name, or all, paged
pub(crate) fn preferences(call: &Call<'_>) -> Result<Answer, Refusal> {
    let query = call.query(ALWAYS, &[("PrefName", ALWAYS)])?;
    let mut filter = Filter::new();
    if let Some(name) = query.text("PrefName") {
        filter.with("PrefName = ?", name.to_owned());
    }
    let rows: Vec<PreferenceRow> = call.practice.store().all(&filter)?;
    call.page_of(&query, rows.iter().map(Preference::from))
}

// apisecurity: the permissions of the key in use
pub(crate) fn permissions(call: &Call<'_>) -> Result<Answer, Refusal> {
    let query = call.query((22, 2, 0), &[])?;
    let held = &call.settings.permissions;
    let rows = Permission::ALL
        .iter()
        .map(|one| SecurityPerm::of(one.api_name(), held.contains(one)));
    call.page_of(&query, rows)
}

// apisignalods: SigDateTime is required, "after"
pub(crate) fn signals(call: &Call<'_>) -> Result<Answer, Refusal> {
    let query = call.query((21, 2, 0), &[("SigDateTime", ALWAYS)])?;
    let Some(since) = query.stamp("SigDateTime", false)? else {
        return Err(Refusal::bad("SigDateTime is required"));
    };
    let mut filter = Filter::new();
    filter.with("SigDateTime > ?", since);
    let rows: Vec<SignalRow> = call.practice.store().all(&filter)?;
    call.page_of(&query, rows.iter().map(|row| Signal::of(row, call.clock())))
}

// apipatfielddefs
pub(crate) fn pat_field_defs(call: &Call<'_>) -> Result<Answer, Refusal> {
    let query = call.query((22, 4, 9), &[])?;
    let rows = call
        .settings
        .pat_field_defs
        .iter()
        .zip(1_i64..)
        .map(|((name, kind), num)| {
            let hidden = call.settings.api.hidden_fields.contains(name);
            PatFieldDef::of(num, name, kind, hidden)
        });
    call.page_of(&query, rows)
}
