//! The rows of a database event, as they are sent.

use serde::Serialize;

use super::clock::stamp;
use super::error::SimError;
use super::more_tables::OperatoryRow;
use super::practice::{Practice, live_patients};
use super::settings_api::DeletedBody;
use super::store::{Filter, Store};
use super::tables::{HistAppointmentRow, PatientRow, Record};
use super::tables_api::{PatFieldRow, ScheduleRow, SubscriptionRow};
use super::wire::{Appointment, HistAppointment, Patient};
use super::wire_api::{DeletedKey, Operatory, PatField, Schedule};
use super::wire_reference::Provider;

impl Practice {
    /// The rows of a window, as they are sent.
    // apievents: an appointment as printed there; the other bodies are printed nowhere
    pub(crate) fn changed(
        &self,
        subscription: &SubscriptionRow,
        from: &str,
    ) -> Result<Vec<Vec<u8>>, SimError> {
        let clock = stamp(self.now());
        let names = self.names();
        let office = self.office(&names, &clock);
        let api = &self.inner.settings.api;
        let store = self.store();
        let mut rows = match subscription.watch_table.as_str() {
            "Appointment" => changed(&store, Filter::new(), "DateTStamp", from, |row| {
                json(&Appointment::event(row, office))
            }),
            "AppointmentDeleted" => {
                let mut deleted = Filter::new();
                deleted.only("HistApptAction = 'Deleted'");
                changed::<HistAppointmentRow>(&store, deleted, "HistDateTStamp", from, |row| {
                    match api.deleted_body {
                        DeletedBody::Appointment => {
                            json(&Appointment::event(&row.appointment, office))
                        }
                        DeletedBody::History => json(&HistAppointment::of(row, office)),
                        DeletedBody::KeyOnly => json(&DeletedKey {
                            AptNum: row.appointment.apt_num,
                        }),
                    }
                })
            }
            "Patient" => {
                let shown = if api.deleted_patients {
                    Filter::new()
                } else {
                    live_patients()
                };
                changed::<PatientRow>(&store, shown, "DateTStamp", from, |row| {
                    json(&Patient::single(row, office))
                })
            }
            "PatField" => {
                changed::<PatFieldRow>(&store, Filter::new(), "SecDateTEdit", from, |row| {
                    json(&PatField::of(row))
                })
            }
            "Provider" => changed(&store, Filter::new(), "DateTStamp", from, |row| {
                json(&Provider::event(row))
            }),
            "Operatory" => {
                changed::<OperatoryRow>(&store, Filter::new(), "DateTStamp", from, |row| {
                    json(&Operatory::of(row))
                })
            }
            "Schedule" => {
                changed::<ScheduleRow>(&store, Filter::new(), "DateTStamp", from, |row| {
                    json(&Schedule::of(row))
                })
            }
            _ => Ok(Vec::new()),
        }?;
        self.inner.outbound.sent(|sent| {
            if let Some(rng) = &mut sent.rng {
                rng.shuffle(&mut rows);
            }
        });
        Ok(rows)
    }
}

fn json(row: &impl Serialize) -> Result<Vec<u8>, SimError> {
    Ok(serde_json::to_vec(row)?)
}

/// Rows stamped at or after `from`, by stamp.
fn changed<R: Record>(
    store: &Store,
    mut filter: Filter,
    column: &str,
    from: &str,
    write: impl Fn(&R) -> Result<Vec<u8>, SimError>,
) -> Result<Vec<Vec<u8>>, SimError> {
    filter.with(format!("{column} >= ?"), from.to_owned());
    let rows: Vec<R> = store.all_by(&filter, column)?;
    rows.iter().map(write).collect()
}
