//! Invented people, whose names and numbers are found nowhere by chance.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};

use crate::id::{AppointmentKey, HouseholdKey, PatientKey};
use crate::model::{
    Appointment, AppointmentStatus, Channel, Email, OptOut, Patient, PatientStatus, Phone, Recall,
    Record, RecordKind, Reminder, ReminderMode, ReminderUsage, Statement,
};
use crate::phi::Phi;
use crate::testkit::{Canaries, opt_out, patient, recall, reminder};

pub(super) const FIRST: &str = "Quillandra";
pub(super) const LAST: &str = "Zyxwerth";

/// What a spoiled field holds.
pub(super) const SPOILED: &str = "Vexillumbra";

pub(super) fn day(n: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 20)
        .and_then(|day| day.checked_add_days(Days::new(n.into())))
        .unwrap_or_default()
}

fn letters(mut n: u32) -> String {
    let mut text = String::new();
    loop {
        let letter = u8::try_from(n % 26).unwrap_or(0);
        text.push(char::from(b'a' + letter));
        n /= 26;
        if n == 0 {
            return text;
        }
    }
}

/// Somebody with a name, a number, an address and a birthday of their own.
pub(super) fn somebody(native: &str, n: u32) -> Patient {
    let born = NaiveDate::from_yo_opt(1950 + i32::try_from(n % 50).unwrap_or(0), 1 + n % 360);
    Patient {
        first_name: Phi::new(format!("{FIRST}{}", letters(n))),
        last_name: Phi::new(format!("{LAST}{}", letters(n))),
        born: born.map(Phi::new),
        mobile: Phone::parse(&format!("503555{:04}", 100 + n % 100)).ok(),
        email: Email::parse(&format!("{FIRST}.{n}@{LAST}.example")).ok(),
        ..patient(native)
    }
}

pub(super) fn recall_of(native: &str, patient: &str, n: u32) -> Recall {
    Recall {
        previous: Some(day(n)),
        interval: "6m1d".parse().ok(),
        ..recall(native, patient, Some(day(180 + n)))
    }
}

pub(super) fn visit_of(native: &str, patient: &str, n: u32) -> Appointment {
    Appointment {
        key: AppointmentKey::new(native),
        patient: PatientKey::new(patient),
        status: AppointmentStatus::Scheduled,
        start: NaiveTime::from_hms_opt(8 + n % 10, 30, 0).map(|time| day(n).and_time(time)),
        missed: false,
        minutes: Some(40),
        hygiene: false,
        clinic: None,
        provider: None,
        operatory: None,
        labels: Vec::new(),
    }
}

/// A no to each of these.
pub(super) fn noes(channels: &[Channel]) -> Vec<Statement> {
    opt_out("", channels).statements
}

/// Some no, and another one the next time.
pub(super) fn opt_out_of(patient: &str, n: u32) -> OptOut {
    let channels: &[Channel] = match n % 3 {
        0 => &[Channel::Sms],
        1 => &[Channel::Email],
        _ => &[Channel::Sms, Channel::Email],
    };
    opt_out(patient, channels)
}

/// The same record after staff edited it, in a way that everybody must notice.
pub(super) fn edited(record: &Record, times: u32) -> Record {
    let mut record = record.clone();
    match &mut record {
        Record::Patient(patient) => {
            let name = patient.last_name.expose();
            let stem = name.split('-').next().unwrap_or_default();
            patient.last_name = Phi::new(format!("{stem}-{}", letters(times)));
        }
        Record::Recall(recall) => {
            recall.due = recall
                .due
                .and_then(|due| due.checked_add_days(Days::new(u64::from(times) + 1)));
        }
        Record::Appointment(visit) => {
            visit.start = visit
                .start
                .and_then(|start| start.checked_add_days(Days::new(u64::from(times) + 1)));
        }
        Record::OptOut(opt_out) => {
            let another = (times..).map(|n| opt_out_of(opt_out.patient.native(), n));
            if let Some(other) = another.into_iter().find(|other| other != opt_out) {
                *opt_out = other;
            }
        }
        Record::Reminder(reminder) => {
            reminder.mode = match times % 2 {
                0 => Some(ReminderMode::Email),
                _ => Some(ReminderMode::Phone),
            };
        }
    }
    record
}

/// One of each sort: what a practice may say of a patient, a recall, a visit.
/// `native` writes the id of a patient; the others are numbered by the caller.
pub(super) fn every_sort(
    native: impl Fn(u32) -> String,
) -> (Vec<Patient>, Vec<Recall>, Vec<Appointment>) {
    use crate::model::{Channel, Label, Origin, Permission, Statement};
    let said = |channel, permission| Statement {
        channel,
        permission,
        origin: Origin::Practice,
        on: None,
    };
    let mut patients = Vec::new();
    let mut next = |edit: &dyn Fn(&mut Patient)| {
        let n = 201 + u32::try_from(patients.len()).unwrap_or(0);
        let mut patient = somebody(&native(n), n);
        edit(&mut patient);
        patients.push(patient);
    };
    for status in [
        PatientStatus::Active,
        PatientStatus::Inactive,
        PatientStatus::NonPatient,
        PatientStatus::Prospective,
        PatientStatus::Archived,
        PatientStatus::Deceased,
    ] {
        next(&|patient| patient.status = status);
    }
    next(&|patient| patient.household = HouseholdKey::new(native(201)));
    next(&|patient| patient.first_name = Phi::new("Zo\u{eb} \"Q\" O'Quill\\".to_owned()));
    next(&|patient| patient.last_name = Phi::new("\u{d1}and\u{fa}, van der".to_owned()));
    next(&|patient| patient.preferred_name = Some(Phi::new("Quilly".to_owned())));
    // Long, and two bytes to a letter in places.
    next(&|patient| patient.last_name = Phi::new(format!("{LAST}-{}", "\u{f1}and".repeat(10))));
    next(&|patient| {
        patient.first_name = Phi::new(format!("{FIRST} {}", "Mar\u{ed}a ".repeat(5) + "J"))
    });
    next(&|patient| patient.born = NaiveDate::from_ymd_opt(2004, 2, 29).map(Phi::new));
    next(&|patient| {
        patient.born = None;
        patient.email = None;
    });
    next(&|patient| {
        patient.mobile = None;
        patient.landline = Phone::parse("503-555-0177").ok();
    });
    next(&|patient| patient.first_visit = Some(day(0)));
    next(&|patient| patient.needs_person = true);
    next(&|patient| patient.language = Some("es".to_owned()));
    next(&|patient| patient.clinic = Some("2".to_owned()));
    next(&|patient| patient.provider = Some("1".to_owned()));
    next(&|patient| patient.labels = vec![Label::new("note", "vip", "vip")]);
    for (channel, permission) in [
        (Channel::Sms, Permission::Granted),
        (Channel::Sms, Permission::Denied),
        (Channel::Email, Permission::Granted),
        (Channel::Email, Permission::Denied),
        (Channel::Voice, Permission::Granted),
        (Channel::Voice, Permission::Denied),
    ] {
        next(&|patient| patient.consent = vec![said(channel, permission)]);
    }
    let mut recalls = Vec::new();
    let mut next = |edit: &dyn Fn(&mut Recall)| {
        let n = 201 + u32::try_from(recalls.len()).unwrap_or(0);
        let mut recall = recall_of(&native(n), &native(202), n);
        edit(&mut recall);
        recalls.push(recall);
    };
    next(&|_| {});
    next(&|recall| recall.due = None);
    next(&|recall| recall.previous = None);
    next(&|recall| recall.interval = None);
    for interval in ["1y", "3m", "2w", "10d", "1y2m3w4d"] {
        next(&|recall| recall.interval = interval.parse().ok());
    }
    next(&|recall| recall.scheduled = Some(day(9)));
    next(&|recall| recall.disabled = true);
    next(&|recall| recall.snoozed_until = Some(day(33)));
    next(&|recall| recall.held_for_balance = true);
    next(&|recall| recall.urgent = true);
    let mut visits = Vec::new();
    let mut next = |edit: &dyn Fn(&mut Appointment)| {
        let n = 201 + u32::try_from(visits.len()).unwrap_or(0);
        let mut visit = visit_of(&native(n), &native(202), n);
        edit(&mut visit);
        visits.push(visit);
    };
    for status in [
        AppointmentStatus::Scheduled,
        AppointmentStatus::Complete,
        AppointmentStatus::Broken,
        AppointmentStatus::Note,
    ] {
        next(&|visit| visit.status = status);
    }
    for status in [AppointmentStatus::Unscheduled, AppointmentStatus::Planned] {
        next(&|visit| {
            visit.status = status;
            visit.start = None;
        });
    }
    next(&|visit| {
        visit.start = NaiveTime::from_hms_opt(23, 45, 0).map(|time| day(40).and_time(time));
    });
    next(&|visit| {
        visit.start = Some(day(41).and_time(NaiveTime::MIN));
    });
    next(&|visit| visit.minutes = Some(5));
    next(&|visit| visit.minutes = None);
    next(&|visit| visit.hygiene = true);
    next(&|visit| visit.clinic = Some("2".to_owned()));
    next(&|visit| visit.provider = Some("1".to_owned()));
    next(&|visit| visit.operatory = Some("3".to_owned()));
    (patients, recalls, visits)
}

/// One of each sort: a no to each channel, to several, and with its day.
pub(super) fn every_opt_out(native: impl Fn(u32) -> String) -> Vec<OptOut> {
    let of = |n: u32, channels: &[Channel]| opt_out(&native(n), channels);
    let mut dated = of(205, &[Channel::Sms]);
    for said in &mut dated.statements {
        said.on = Some(day(0));
    }
    vec![
        of(201, &[Channel::Sms]),
        of(202, &[Channel::Email]),
        of(203, &[Channel::Voice]),
        of(204, &[Channel::Sms, Channel::Email, Channel::Voice]),
        dated,
    ]
}

/// One of each sort: by each way, for each use, and where neither was said.
pub(super) fn every_reminder(
    native: impl Fn(RecordKind, u32) -> String,
    at: NaiveDateTime,
) -> Vec<Reminder> {
    let modes = [
        ReminderMode::Text,
        ReminderMode::Email,
        ReminderMode::EmailAndText,
        ReminderMode::Phone,
        ReminderMode::PhoneAndText,
        ReminderMode::Mail,
    ];
    let sorts = [
        (None, ReminderUsage::Recall),
        (Some(ReminderMode::Text), ReminderUsage::Reactivation),
        (Some(ReminderMode::Text), ReminderUsage::Appointment),
        (Some(ReminderMode::Text), ReminderUsage::Other),
    ];
    let modes = modes.map(|mode| (Some(mode), ReminderUsage::Recall));
    (0..)
        .zip(modes.into_iter().chain(sorts))
        .map(|(n, (mode, usage))| Reminder {
            mode,
            usage,
            ..reminder(
                &native(RecordKind::Reminder, 201 + n),
                &native(RecordKind::Patient, 201 + n / 2),
                at,
            )
        })
        .collect()
}

/// What must not be printed of these records.
pub(super) fn canaries<'a>(records: impl IntoIterator<Item = &'a Record>) -> Canaries {
    let mut all = vec![FIRST.to_owned(), LAST.to_owned(), SPOILED.to_owned()];
    for record in records {
        let Record::Patient(patient) = record else {
            continue;
        };
        if let Some(phone) = &patient.mobile {
            all.push(phone.e164().expose().trim_start_matches("+1").to_owned());
        }
        if let Some(email) = &patient.email {
            all.push(email.address().expose().clone());
        }
        if let Some(born) = &patient.born {
            all.push(born.expose().format("%Y-%m-%d").to_string());
            all.push(born.expose().format("%m/%d/%Y").to_string());
        }
    }
    Canaries::new(all)
}
