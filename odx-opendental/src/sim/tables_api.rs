//! Rows that the API itself writes or sends: comm logs, patient fields,
//! subscriptions, operatories and schedules.

use rusqlite::{Row, ToSql};

use super::tables::{Record, sql_type, table};

table! {
    /// A row of `commlog`.
    pub CommlogRow in "commlog" key commlog_num stamped date_t_stamp;
    /// Key; 0 when adding asks for a new one.
    commlog_num: i64 = "CommlogNum";
    /// Patient.
    pat_num: i64 = "PatNum";
    /// When the contact happened.
    comm_date_time: String = "CommDateTime";
    /// Definition of category 27.
    comm_type: i64 = "CommType";
    /// Text, with its line breaks.
    note: String = "Note";
    /// `Phone`, `InPerson`, `EmailAndText`, ... as stored.
    mode: String = "Mode_";
    /// `Neither`, `Sent` or `Received`.
    sent_or_received: String = "SentOrReceived";
    /// 0 for rows written through the API.
    user_num: i64 = "UserNum";
    /// Last write to the row, office wall clock.
    date_t_stamp: String = "DateTStamp";
    /// `User`, as the printed example of the API shows.
    comm_source: String = "CommSource";
    /// When the row was made.
    date_t_entry: String = "DateTEntry";
}

table! {
    /// A row of `patfield`.
    pub PatFieldRow in "patfield" key pat_field_num stamped sec_date_t_edit;
    /// Key; 0 when adding asks for a new one.
    pat_field_num: i64 = "PatFieldNum";
    /// Patient.
    pat_num: i64 = "PatNum";
    /// Name of the definition, in exact case.
    field_name: String = "FieldName";
    /// Value, as typed.
    field_value: String = "FieldValue";
    /// Day the row was made.
    sec_date_entry: String = "SecDateEntry";
    /// Last write to the row, office wall clock.
    sec_date_t_edit: String = "SecDateTEdit";
}

table! {
    /// A row of `apisubscription`, of any customer key.
    pub SubscriptionRow in "apisubscription" key subscription_num;
    /// Key; 0 when adding asks for a new one.
    subscription_num: i64 = "SubscriptionNum";
    /// Where events go.
    end_point_url: String = "EndPointUrl";
    /// The machine that fires; empty = every machine.
    workstation: String = "Workstation";
    /// Whose row this is.
    customer_key: String = "CustomerKey";
    /// Database event, or empty.
    watch_table: String = "WatchTable";
    /// Least time between two polls; 0 on UI events.
    polling_seconds: i64 = "PollingSeconds";
    /// UI event, or empty.
    ui_event_type: String = "UiEventType";
    /// Start of the next window.
    date_time_start: String = "DateTimeStart";
    /// Expiry; sentinel = never.
    date_time_stop: String = "DateTimeStop";
    /// Free text.
    note: String = "Note";
}

table! {
    /// A row of `schedule`.
    pub ScheduleRow in "schedule" key schedule_num stamped date_t_stamp;
    /// Key; 0 when adding asks for a new one.
    schedule_num: i64 = "ScheduleNum";
    /// Day.
    sched_date: String = "SchedDate";
    /// `HH:mm:ss`.
    start_time: String = "StartTime";
    /// `HH:mm:ss`.
    stop_time: String = "StopTime";
    /// `Practice`, `Provider`, `Blockout` or `Employee`.
    sched_type: String = "SchedType";
    /// Provider, 0 = none.
    prov_num: i64 = "ProvNum";
    /// Text.
    note: String = "Note";
    /// Last write to the row, office wall clock.
    date_t_stamp: String = "DateTStamp";
}

impl CommlogRow {
    /// A comm log as the API fills it in.
    // apicommlogs, Commlogs POST, defaults
    pub(crate) fn new(pat_num: i64, note: &str, now: &str) -> Self {
        Self {
            pat_num,
            note: note.to_owned(),
            comm_date_time: now.to_owned(),
            mode: "Phone".to_owned(),
            sent_or_received: "Sent".to_owned(),
            comm_source: "User".to_owned(),
            date_t_stamp: now.to_owned(),
            date_t_entry: now.to_owned(),
            ..Self::default()
        }
    }
}
