//! `subscriptions`: who wants which events.

use super::answer::{Answer, Refusal};
use super::body::{Fields, invalid, missing};
use super::clock::stamp;
use super::practice::{Practice, must};
use super::routes::Call;
use super::settings::Version;
use super::store::Filter;
use super::tables::NO_DATE_TIME;
use super::tables_api::SubscriptionRow;
use super::wire_api::Subscription;

const SINCE: Version = (22, 1, 0);

/// Database events and the version that brought them.
// apievents, Database Event
const WATCH_TABLES: [(&str, Version); 8] = [
    ("Appointment", SINCE),
    ("Patient", SINCE),
    ("PatField", (22, 4, 8)),
    ("AppointmentDeleted", (22, 4, 35)),
    ("Provider", (24, 2, 11)),
    ("Operatory", (24, 2, 11)),
    ("Schedule", (24, 2, 11)),
    ("ToothInitial", (24, 4, 30)),
];

/// The one UI event.
// apievents, UI Event
pub(crate) const PATIENT_SELECTED: &str = "PatientSelected";

/// Longest `EndPointUrl` the column holds.
const LONGEST_URL: usize = 255;

/// What PUT can change; POST takes the two kinds of event besides.
// apisubscriptions, Subscriptions PUT: WatchTable is not among them
const CHANGEABLE: [&str; 6] = [
    "EndPointUrl",
    "Workstation",
    "PollingSeconds",
    "DateTimeStart",
    "DateTimeStop",
    "Note",
];

// apisubscriptions, Subscriptions GET: rows of the key in the header
pub(crate) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let query = call.query(SINCE, &[])?;
    let mut filter = Filter::new();
    filter.with("CustomerKey = ?", call.settings.customer_key.clone());
    let window = call.window(&query)?;
    let rows: Vec<SubscriptionRow> = call.practice.store().page(filter, window)?;
    let page: Vec<_> = rows.iter().map(Subscription::of).collect();
    Answer::json(&page, page.len())
}

// apisubscriptions, Subscriptions POST
pub(crate) fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.needs(SINCE)?;
    let mut known = CHANGEABLE.to_vec();
    known.extend(["WatchTable", "UiEventType"]);
    let fields = Fields::of(call, &known)?;
    fields.required("EndPointUrl")?;
    let text = |name: &str| fields.text(name).map(Option::unwrap_or_default);
    let (table, ui) = (text("WatchTable")?, text("UiEventType")?);
    match (table, ui) {
        ("", "") => return Err(Refusal::bad("WatchTable or UiEventType is required")),
        ("", PATIENT_SELECTED) => {}
        ("", _) => return Err(invalid("UiEventType")),
        (table, "") => {
            let since = WATCH_TABLES
                .iter()
                .find(|(name, _)| *name == table)
                .map(|(_, since)| *since)
                .ok_or_else(|| invalid("WatchTable"))?;
            call.needs(since)?;
            if !fields.has("PollingSeconds") {
                return Err(missing("PollingSeconds"));
            }
        }
        _ => {
            return Err(Refusal::bad(
                "WatchTable and UiEventType cannot be used together",
            ));
        }
    }
    let mut row = SubscriptionRow {
        customer_key: call.settings.customer_key.clone(),
        watch_table: table.to_owned(),
        ui_event_type: ui.to_owned(),
        // The default is now.
        date_time_start: call.clock().to_owned(),
        date_time_stop: NO_DATE_TIME.to_owned(),
        ..SubscriptionRow::default()
    };
    fill(call, &fields, &mut row)?;
    call.practice.store().put(&mut row)?;
    let answer = Answer::json(&Subscription::of(&row), 1)?;
    Ok(Answer {
        status: 201,
        ..answer
    })
}

fn fill(call: &Call<'_>, fields: &Fields, row: &mut SubscriptionRow) -> Result<(), Refusal> {
    if let Some(url) = fields.text("EndPointUrl")? {
        let fits = !url.is_empty() && url.chars().count() <= LONGEST_URL;
        if !fits || url::Url::parse(url).is_err() {
            return Err(invalid("EndPointUrl"));
        }
        // Release notes of 22.3.
        if call.settings.api.trailing_slash && !url.ends_with('/') {
            return Err(Refusal::bad("EndPointUrl must end with a slash"));
        }
        url.clone_into(&mut row.end_point_url);
    }
    if let Some(machine) = fields.text("Workstation")? {
        machine.clone_into(&mut row.workstation);
    }
    if let Some(seconds) = fields.int("PollingSeconds")?
        && !row.watch_table.is_empty()
    {
        if seconds < 1 {
            return Err(invalid("PollingSeconds"));
        }
        row.polling_seconds = seconds;
    }
    if let Some(at) = fields.moment("DateTimeStart")? {
        row.date_time_start = at;
    }
    if let Some(at) = fields.moment("DateTimeStop")? {
        row.date_time_stop = at;
    }
    if let Some(note) = fields.text("Note")? {
        note.clone_into(&mut row.note);
    }
    Ok(())
}

/// The caller's own row; another developer's is not there.
fn own(call: &Call<'_>, key: i64) -> Result<SubscriptionRow, Refusal> {
    let row: Option<SubscriptionRow> = call.practice.store().get(key)?;
    row.filter(|row| row.customer_key == call.settings.customer_key)
        .ok_or_else(|| Refusal::not_found("Subscription not found"))
}

// apisubscriptions, Subscriptions PUT: 200 without a body
pub(crate) fn change(call: &Call<'_>, key: i64) -> Result<Answer, Refusal> {
    call.needs(SINCE)?;
    let fields = Fields::of(call, &CHANGEABLE)?;
    let mut row = own(call, key)?;
    fill(call, &fields, &mut row)?;
    call.practice.update::<SubscriptionRow>(key, |kept| {
        // A poll may have moved the start meanwhile.
        if !fields.has("DateTimeStart") {
            row.date_time_start.clone_from(&kept.date_time_start);
        }
        *kept = row;
    });
    Ok(Answer::empty(200))
}

// apisubscriptions, Subscriptions DELETE: 200 without a body
pub(crate) fn remove(call: &Call<'_>, key: i64) -> Result<Answer, Refusal> {
    call.needs(SINCE)?;
    let row = own(call, key)?;
    call.practice.remove_subscription(row.subscription_num);
    Ok(Answer::empty(200))
}

impl Practice {
    /// Every subscription, other developers' included, by key.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<SubscriptionRow> {
        must(self.store().all(&Filter::new()))
    }

    /// One subscription, of any customer key.
    #[must_use]
    pub fn subscription(&self, subscription_num: i64) -> Option<SubscriptionRow> {
        must(self.store().get(subscription_num))
    }

    /// Adds a subscription past the API, also for another developer's customer key, and
    /// returns the row's key. An empty `DateTimeStart` is now, an empty customer key the
    /// office's own.
    pub fn add_subscription(&self, mut row: SubscriptionRow) -> i64 {
        if row.date_time_start.is_empty() {
            row.date_time_start = stamp(self.now());
        }
        if row.date_time_stop.is_empty() {
            NO_DATE_TIME.clone_into(&mut row.date_time_stop);
        }
        if row.customer_key.is_empty() {
            self.customer_key().clone_into(&mut row.customer_key);
        }
        must(self.store().put(&mut row))
    }

    /// Removes a subscription, as staff can. False when there is none.
    pub fn remove_subscription(&self, subscription_num: i64) -> bool {
        must(self.store().remove::<SubscriptionRow>(subscription_num))
    }
}
