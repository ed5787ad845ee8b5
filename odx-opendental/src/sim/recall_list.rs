//! `recalls/List`: the recall list window, formatted for display.
//!
//! All rules of the window; those about reminders are in `reminders`.

#![allow(non_snake_case, reason = "spelled as on the wire")]

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate, TimeDelta};
use serde::Serialize;

use super::answer::{Answer, Refusal};
use super::clock::day;
use super::query::Query;
use super::reminders::{Reminders, Rules};
use super::routes::Call;
use super::store::Filter;
use super::tables::{NO_DATE, PatientRow, PreferenceRow, RecallRow, RecallTypeRow};
use super::wire::blanked;

// apirecalls, Recalls GET List: no RecallNum, US dates, numbers as text
#[derive(Serialize)]
struct Due {
    DueDate: String,
    PatNum: i64,
    Patient: String,
    Age: String,
    Type: String,
    Interval: String,
    NumRemind: String,
    LastRemind: String,
    Contact: String,
    Status: String,
    ClinicNum: i64,
    Note: String,
}

pub(crate) fn answer(
    call: &Call<'_>,
    query: &Query,
    repeat_first: bool,
) -> Result<Answer, Refusal> {
    let practice = call.practice;
    let today = practice.now().date();
    let window = query.window(call.settings, repeat_first)?;
    let store = practice.store();

    let preferences: HashMap<String, String> = store
        .all::<PreferenceRow>(&Filter::new())?
        .into_iter()
        .map(|row| (row.pref_name, row.value_string))
        .collect();
    let number = |name: &str| preferences.get(name).and_then(|v| v.parse::<i64>().ok());
    let from = match query.date("DateStart")? {
        Some(date) => date.to_owned(),
        // -1 is a blank From date, which includes rows without a due date.
        None => match number("RecallDaysPast") {
            Some(days) if days >= 0 => day(today - TimeDelta::days(days)),
            _ => NO_DATE.to_owned(),
        },
    };
    let to = match query.date("DateEnd")? {
        Some(date) => date.to_owned(),
        None => match number("RecallDaysFuture") {
            Some(days) if days >= 0 => day(today + TimeDelta::days(days)),
            _ => "9999-12-31".to_owned(),
        },
    };
    let types = store.all::<RecallTypeRow>(&Filter::new())?;
    let shown: Vec<i64> = match query.text("RecallType") {
        Some(name) => types
            .iter()
            .filter(|row| row.description == name)
            .map(|row| row.recall_type_num)
            .collect(),
        None => preferences
            .get("RecallTypesShowingInList")
            .map(|list| list.split(',').filter_map(|n| n.parse().ok()).collect())
            .unwrap_or_default(),
    };
    let described: HashMap<i64, String> = types
        .into_iter()
        .map(|row| (row.recall_type_num, row.description))
        .collect();
    let prov = query.int("ProvNum")?;
    let clinic = query.int("ClinicNum")?;

    let mut filter = Filter::new();
    filter.only("IsDisabled = 0");
    filter.with("DateDue >= ?", from);
    filter.with("DateDue <= ?", to);
    filter.with("DateScheduled = ?", NO_DATE.to_owned());
    // On the day itself the row shows.
    filter.with("DisableUntilDate <= ?", day(today));
    filter.only(
        "PatNum IN (SELECT PatNum FROM patient WHERE PatStatus = 'Patient')
         AND (DisableUntilBalance = 0 OR DisableUntilBalance > (SELECT g.BalTotal
            FROM patient p JOIN patient g ON g.PatNum = p.Guarantor
            WHERE p.PatNum = recall.PatNum))",
    );
    let recalls = store.all::<RecallRow>(&filter)?;

    let rules = Rules {
        first: number("RecallShowIfDaysFirstReminder").unwrap_or(-1),
        second: number("RecallShowIfDaysSecondReminder").unwrap_or(-1),
        most: number("RecallMaxNumberReminders").unwrap_or(-1),
    };
    let include_reminded = query.flag("IncludeReminded")?;

    let mut rows = Vec::new();
    for recall in recalls {
        if !shown.is_empty() && !shown.contains(&recall.recall_type_num) {
            continue;
        }
        let Some(patient) = store.get::<PatientRow>(recall.pat_num)? else {
            continue;
        };
        if prov.is_some_and(|prov| patient.pri_prov != prov && patient.sec_prov != prov)
            || clinic.is_some_and(|clinic| patient.clinic_num != clinic)
        {
            continue;
        }
        let reminded = Reminders::of(&store, &recall)?;
        if !include_reminded && rules.hide(&reminded, today) {
            continue;
        }
        let status = call.names.definitions.get(&recall.recall_status);
        rows.push(Due {
            DueDate: us_date(&recall.date_due),
            PatNum: patient.pat_num,
            Patient: full_name(&patient),
            Age: age(&patient.birthdate, today),
            Type: described
                .get(&recall.recall_type_num)
                .cloned()
                .unwrap_or_default(),
            Interval: recall.recall_interval,
            NumRemind: reminded.number(),
            LastRemind: reminded.last.map(us).unwrap_or_default(),
            Contact: contact(&patient),
            Status: status.cloned().unwrap_or_default(),
            ClinicNum: patient.clinic_num,
            Note: blanked(&recall.note).into_owned(),
        });
    }
    let skip = usize::try_from(window.offset).unwrap_or(usize::MAX);
    let take = usize::try_from(window.limit).unwrap_or(usize::MAX);
    let page: Vec<Due> = rows.into_iter().skip(skip).take(take).collect();
    Answer::json(&page, page.len())
}

fn us_date(text: &str) -> String {
    match text.parse::<NaiveDate>() {
        Ok(date) if text != NO_DATE => us(date),
        _ => String::new(),
    }
}

fn us(date: NaiveDate) -> String {
    format!("{}/{}/{}", date.month(), date.day(), date.year())
}

fn full_name(patient: &PatientRow) -> String {
    if patient.preferred.is_empty() {
        format!("{}, {}", patient.l_name, patient.f_name)
    } else {
        format!(
            "{}, '{}' {}",
            patient.l_name, patient.preferred, patient.f_name
        )
    }
}

fn age(birthdate: &str, today: NaiveDate) -> String {
    match birthdate.parse::<NaiveDate>() {
        Ok(born) if birthdate != NO_DATE => today
            .years_since(born)
            .map(|years| years.to_string())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

// apirecalls: by PreferRecallMethod; None falls back to e-mail, else home phone
fn contact(patient: &PatientRow) -> String {
    match patient.prefer_recall_method.as_str() {
        "HmPhone" => format!("Hm:{}", patient.hm_phone),
        "WkPhone" => format!("Wk:{}", patient.wk_phone),
        "WirelessPh" => format!("Cell:{}", patient.wireless_phone),
        "TextMessage" => format!("Text:{}", patient.wireless_phone),
        "Email" => patient.email.clone(),
        "None" if !patient.email.is_empty() => patient.email.clone(),
        "None" => format!("Hm:{}", patient.hm_phone),
        other => other.to_owned(),
    }
}
