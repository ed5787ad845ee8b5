//! Rows that say who is told what, and which machines there are. The customer
//! key, which the vendor echoes in each of them, has no field here.

use serde::Deserialize;

use super::{Int, Text};

/// A row of `/subscriptions`. Its address holds a secret, so it has no `Debug`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Subscription<'a> {
    pub(crate) subscription_num: Int,
    #[serde(borrow)]
    pub(crate) end_point_url: Text<'a>,
    #[serde(borrow)]
    pub(crate) workstation: Text<'a>,
    #[serde(borrow)]
    pub(crate) watch_table: Text<'a>,
    pub(crate) polling_seconds: Int,
    #[serde(borrow)]
    pub(crate) ui_event_type: Text<'a>,
    #[serde(borrow)]
    pub(crate) date_time_start: Text<'a>,
    #[serde(borrow)]
    pub(crate) date_time_stop: Text<'a>,
    #[serde(borrow)]
    pub(crate) note: Text<'a>,
}

/// A row of `/computers`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Computer<'a> {
    #[serde(borrow)]
    pub(crate) comp_name: Text<'a>,
    #[serde(borrow)]
    pub(crate) last_heart_beat: Text<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode;

    #[test]
    fn the_documented_subscriptions_and_computers_read() {
        let body = include_bytes!("../../tests/fixtures/subscriptions.get.json");
        let rows: Vec<Subscription<'_>> = decode(body).unwrap();
        let read: Vec<_> = rows
            .iter()
            .map(|row| {
                let of = |text: &Text<'_>| text.get().to_owned();
                let (number, polling) = (row.subscription_num.get(), row.polling_seconds.get());
                let tables = (of(&row.watch_table), of(&row.ui_event_type));
                (number, of(&row.workstation), polling, tables)
            })
            .collect();
        let text = str::to_owned;
        assert_eq!(
            read,
            [
                (
                    Some(14),
                    text("MOLLYR"),
                    Some(5),
                    (text("Appointment"), text(""))
                ),
                (
                    Some(18),
                    text(""),
                    Some(0),
                    (text(""), text("PatientSelected"))
                ),
            ]
        );
        let body = include_bytes!("../../tests/fixtures/computers.get.json");
        let rows: Vec<Computer<'_>> = decode(body).unwrap();
        assert_eq!(rows.len(), 6);
        assert_eq!(rows[3].comp_name.get(), "JUSTINE");
        assert_eq!(rows[3].last_heart_beat.get(), "2023-06-28 14:55:25");
    }
}
