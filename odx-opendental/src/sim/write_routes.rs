//! Everything that is not `GET`: which method exists, and which permission it needs.

use super::answer::{Answer, Refusal};
use super::routes::{Call, path_key};
use super::settings::Permission;
use super::tables::PatientRow;
use super::{commlogs, patfields, subscriptions, visit_writes};

pub(crate) fn answer(call: &Call<'_>, method: &str, segments: &[&str]) -> Result<Answer, Refusal> {
    use Permission::{AllOthers, Comm, ReadAll};
    // apipermissions: in no list, so selectable
    let unlisted = call.settings.api.unlisted;
    match (method, segments) {
        ("POST", ["subscriptions"]) => {
            may(call, ReadAll)?;
            subscriptions::create(call)
        }
        ("PUT", ["subscriptions", key]) => {
            may(call, ReadAll)?;
            subscriptions::change(call, path_key(key)?)
        }
        ("DELETE", ["subscriptions", key]) => {
            may(call, unlisted)?;
            subscriptions::remove(call, path_key(key)?)
        }
        ("POST", ["commlogs"]) => {
            may(call, Comm)?;
            commlogs::create(call)
        }
        ("PUT", ["commlogs", key]) => {
            may(call, unlisted)?;
            commlogs::change(call, path_key(key)?)
        }
        ("POST", ["patfields"]) => {
            may(call, unlisted)?;
            patfields::create(call)
        }
        ("PUT", ["patfields"]) => {
            may(call, AllOthers)?;
            patfields::change(call)
        }
        ("DELETE", ["patfields", key]) => {
            may(call, unlisted)?;
            patfields::remove(call, path_key(key)?)
        }
        ("PUT", ["recalls", "Status"]) => {
            may(call, Comm)?;
            visit_writes::recall_status(call)
        }
        ("PUT", ["recalls", key]) => {
            may(call, AllOthers)?;
            visit_writes::recall(call, path_key(key)?)
        }
        ("PUT", ["appointments", key, "Confirm"]) => {
            may(call, Comm)?;
            visit_writes::confirm(call, path_key(key)?)
        }
        ("PUT", ["appointments", key, "Note"]) => {
            may(call, Comm)?;
            visit_writes::note(call, path_key(key)?)
        }
        _ => Err(Refusal::not_found("Resource not found")),
    }
}

/// 401 when the key lacks the permission.
pub(crate) fn may(call: &Call<'_>, permission: Permission) -> Result<(), Refusal> {
    call.permitted(permission)
}

/// A patient deleted in the program, and everything attached to it, refuses all writes.
// apipatients
pub(crate) fn living_patient(call: &Call<'_>, pat_num: i64) -> Result<(), Refusal> {
    let row: Option<PatientRow> = call.practice.store().get(pat_num)?;
    match row {
        Some(row) if row.pat_status != "Deleted" => Ok(()),
        _ => Err(Refusal::not_found("Patient not found")),
    }
}
