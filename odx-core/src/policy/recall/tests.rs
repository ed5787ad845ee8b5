//! What the policy says, by example and at large.

use super::*;
use crate::id::{ExternalIds, HouseholdKey, IdScheme, OfficeId, PatientKey, SourceId};
use crate::model::{Appointment, Blocked, Email, Origin, Patient, Permission, Phone, Statement};
use crate::office::Office;
use crate::policy::{KindSettings, Reactivation, Reviews, Segment, Windows};
use crate::testkit;

const TODAY: &str = "2026-11-20";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn patient(status: PatientStatus) -> Patient {
    Patient {
        household: HouseholdKey::new("50"),
        status,
        first_name: Phi::new("Ana".to_owned()),
        last_name: Phi::new("Nu\u{301}n\u{303}ez ".to_owned()),
        landline: Phone::parse("503-555-0199").ok(),
        email: Email::parse("ana@smile.co").ok(),
        consent: vec![Statement {
            channel: Channel::Sms,
            permission: Permission::Granted,
            origin: Origin::Practice,
            on: None,
        }],
        ..testkit::patient("55")
    }
}

fn recall(due: Option<&str>) -> Kept<Recall> {
    Kept {
        record: testkit::recall("77", "55", due.map(day)),
        gone: false,
        changed_on: day("2026-05-05"),
    }
}

fn member(status: PatientStatus, recalls: Vec<Kept<Recall>>) -> Member {
    Member {
        patient: Kept {
            record: patient(status),
            gone: false,
            changed_on: day(TODAY),
        },
        recalls,
        appointments: Vec::new(),
        opt_out: None,
        reminders: Vec::new(),
        blocked: Blocked::default(),
        stops: Vec::new(),
    }
}

fn desired(member: Member) -> Desired {
    let office = Office::new(
        OfficeId::new("1001").unwrap(),
        "Smiles",
        chrono_tz::America::Los_Angeles,
    );
    let ids = ExternalIds::new(SourceId::new("od", "1001").unwrap(), IdScheme::Scoped);
    let view = HouseholdView {
        key: HouseholdKey::new("50"),
        members: vec![member],
    };
    RecallPolicy::new(RecallSettings::default())
        .unwrap()
        .desired(&view, &PolicyContext::new(day(TODAY), &office, &ids))
}

fn contact(desired: &Desired) -> (&Contact, Intent) {
    match &desired.ops[0] {
        Op {
            body: Body::Contact(contact),
            intent,
        } => (contact, *intent),
        other => panic!("{other:?}"),
    }
}

fn task(desired: &Desired) -> (&Task, Intent) {
    let mut ops = desired.ops.iter();
    let recall = ops.find_map(|op| match &op.body {
        Body::Task(task) if task.kind == TaskKind::Recall => Some((task, op.intent)),
        _ => None,
    });
    recall.unwrap()
}

#[test]
fn the_golden_contact_and_task_come_out() {
    let want = desired(member(
        PatientStatus::Active,
        vec![recall(Some("2026-12-01"))],
    ));
    let contact = serde_json::to_value(contact(&want).0).unwrap();
    assert_eq!(
        contact,
        serde_json::json!({
            "external_id": "od:1001:55", "office_id": "1001", "household_external_id": "odfam:1001:50",
            "first_name": "Ana", "last_name": "Núñez", "email": "ana@smile.co",
            "phone": "+15035550123", "phone_kind": "mobile", "timezone": "America/Los_Angeles",
            "tags": ["odx-active", "odx-recall-due-soon"],
            "consent": { "sms": "granted", "email": "unknown", "voice": "unknown" },
        })
    );
    let task = serde_json::to_value(task(&want).0).unwrap();
    assert_eq!(
        task,
        serde_json::json!({
            "external_id": "odrecall:1001:77", "contact_external_id": "od:1001:55", "office_id": "1001",
            "title": "Recall visit due", "due_date": "2026-12-01", "status": "open", "kind": "recall",
            "segment": "due_soon",
        })
    );
    assert_eq!(want.again, Some(day("2026-12-01")));
}

#[test]
fn a_home_number_is_never_a_number_for_texts() {
    let mut person = member(PatientStatus::Active, vec![]);
    person.patient.record.mobile = None;
    let want = desired(person);
    let contact = contact(&want).0;
    assert_eq!(contact.phone, None);
    assert_eq!(
        contact.custom.voice_phone.as_ref().unwrap().expose(),
        "+15035550199"
    );
}

#[test]
fn status_outranks_consent() {
    let want = desired(member(
        PatientStatus::Deceased,
        vec![recall(Some("2026-11-01"))],
    ));
    let (contact, intent) = contact(&want);
    assert_eq!(intent, Intent::Retire);
    assert_eq!(contact.consent, DENIED);
    assert_eq!(contact.tags, ["odx-inactive"]);
    let (task, intent) = task(&want);
    assert_eq!(
        (task.status, intent),
        (TaskStatus::Cancelled, Intent::Retire)
    );
    assert_eq!(want.skipped[0].why, Skip::PatientClosed);
}

#[test]
fn a_stop_in_the_crm_beats_a_yes_in_the_practice() {
    let mut person = member(PatientStatus::Active, vec![]);
    person.blocked.sms = true;
    assert_eq!(
        contact(&desired(person)).0.consent.sms,
        ConsentState::Denied
    );
}

#[test]
fn s12_an_opt_out_beside_the_patient_beats_their_yes() {
    let mut person = member(PatientStatus::Active, vec![]);
    let all = [Channel::Sms, Channel::Email, Channel::Voice];
    person.opt_out = Some(testkit::opt_out("55", &all));
    assert_eq!(contact(&desired(person)).0.consent, DENIED);
}

#[test]
fn a_booked_recall_completes_its_task_and_drops_its_tag() {
    let mut booked = recall(Some("2026-11-01"));
    booked.record.scheduled = Some(day("2026-12-05"));
    let want = desired(member(PatientStatus::Active, vec![booked]));
    assert_eq!(contact(&want).0.tags, ["odx-active"]);
    assert_eq!(task(&want), (task(&want).0, Intent::Retire));
    assert_eq!(task(&want).0.status, TaskStatus::Completed);
    assert_eq!(task(&want).0.due_date, day("2026-11-01"));
}

#[test]
fn a_recall_that_lost_its_date_closes_on_a_day_that_does_not_move() {
    let mut off = recall(None);
    off.record.disabled = true;
    let want = desired(member(PatientStatus::Active, vec![off]));
    assert_eq!(task(&want).0.due_date, day("2026-05-05"));
    assert_eq!(task(&want).0.status, TaskStatus::Cancelled);
}

#[test]
fn other_statuses_suspend_recall_but_keep_the_contact() {
    for status in [
        PatientStatus::Inactive,
        PatientStatus::NonPatient,
        PatientStatus::Prospective,
    ] {
        let want = desired(member(status, vec![recall(Some("2026-11-01"))]));
        assert_eq!(contact(&want).1, Intent::Upsert);
        assert_eq!(contact(&want).0.tags, ["odx-inactive"]);
        assert_eq!(task(&want).0.status, TaskStatus::Cancelled);
    }
}

#[test]
fn windows_out_of_order_are_refused() {
    let windows = Windows {
        due_soon_days: 3,
        due_now_days: 5,
        ..Windows::default()
    };
    assert!(RecallPolicy::new(RecallSettings::default().with_windows(windows)).is_err());
}

fn visit(key: &str, status: AppointmentStatus, start: &str) -> Appointment {
    Appointment {
        key: crate::id::AppointmentKey::new(key),
        patient: PatientKey::new("55"),
        status,
        missed: false,
        start: Some(start.parse().unwrap()),
        minutes: Some(30),
        hygiene: false,
        clinic: None,
        provider: None,
        operatory: None,
        labels: Vec::new(),
    }
}

fn all() -> RecallSettings {
    RecallSettings::default()
        .with_reactivation(Some(Reactivation::after_days(548).until_days(Some(1500))))
        .with_reviews(Some(Reviews::default()))
}

/// What the household is told, or what of it is wanted, on a day.
fn on(day_text: &str, settings: &RecallSettings, members: Vec<Member>) -> Desired {
    let office = Office::new(
        OfficeId::new("1001").unwrap(),
        "Smiles",
        chrono_tz::America::Los_Angeles,
    );
    let ids = ExternalIds::new(SourceId::new("od", "1001").unwrap(), IdScheme::Scoped);
    let view = HouseholdView {
        key: HouseholdKey::new("50"),
        members,
    };
    RecallPolicy::new(settings.clone())
        .unwrap()
        .desired(&view, &PolicyContext::new(day(day_text), &office, &ids))
}

fn names(desired: &Desired) -> Vec<String> {
    let outreach = desired.outreach.iter();
    outreach.map(|wanted| wanted.episode.name()).collect()
}

#[test]
fn a_recall_is_one_occurrence_however_its_due_date_and_segment_move() {
    let mut told = BTreeSet::new();
    for due in ["2026-11-18", "2026-11-19", "2026-09-01"] {
        let mut recall = recall(Some(due));
        recall.record.previous = Some(day("2026-05-01"));
        let want = on(
            TODAY,
            &all(),
            vec![member(PatientStatus::Active, vec![recall])],
        );
        told.extend(names(&want));
    }
    let told: Vec<_> = told.into_iter().collect();
    assert_eq!(told, ["recall|odrecall:1001:77|2026-05-01|"]);
}

#[test]
fn a_sequence_for_each_segment_is_an_occurrence_for_each() {
    let settings = all().with_tell([Segment::DueNow, Segment::Overdue], true);
    let person = || {
        vec![member(
            PatientStatus::Active,
            vec![recall(Some("2026-11-20"))],
        )]
    };
    let now = names(&on("2026-11-20", &settings, person()));
    let later = names(&on("2026-12-20", &settings, person()));
    assert_eq!(now, ["recall|odrecall:1001:77||due_now"]);
    assert_eq!(later, ["recall|odrecall:1001:77||overdue"]);
    assert_eq!(names(&on("2026-11-01", &settings, person())), [""; 0]);
}

#[test]
fn a_kind_may_have_its_own_windows_or_be_left_alone() {
    let kind = |key: &str, text: &str| {
        let mut recall = recall(Some("2026-12-10"));
        recall.record.labels = vec![crate::model::Label::new("recall_type", key, text)];
        vec![member(PatientStatus::Active, vec![recall])]
    };
    let early = Windows {
        due_soon_days: 60,
        due_now_days: 30,
        ..Windows::default()
    };
    let settings = all()
        .with_kind("3", KindSettings::windows(early))
        .with_kind("Study Models", KindSettings::ignored());
    assert_eq!(
        task(&on(TODAY, &settings, kind("3", "Perio"))).0.segment,
        Some(Segment::DueNow)
    );
    assert_eq!(
        task(&on(TODAY, &settings, kind("1", "Prophy"))).0.segment,
        Some(Segment::DueSoon)
    );
    let ignored = on(TODAY, &settings, kind("9", "Study Models"));
    assert_eq!(task(&ignored).1, Intent::Retire);
    assert_eq!(ignored.skipped[0].why, Skip::RecallKindIgnored);
    let only = all().with_only_kinds(["3".to_owned()]);
    assert_eq!(
        task(&on(TODAY, &only, kind("1", "Prophy"))).1,
        Intent::Retire
    );
}

#[test]
fn a_lapse_counts_from_the_last_completed_visit_and_ends_with_a_booked_one() {
    let person = |visits: Vec<Appointment>, status| {
        let mut member = member(status, vec![]);
        member.appointments = visits;
        vec![member]
    };
    let seen = || visit("1", AppointmentStatus::Complete, "2025-01-10T09:00:00");
    let broken = visit("2", AppointmentStatus::Broken, "2026-06-01T09:00:00");
    // 548 days after the 10th of January 2025 is the 12th of July 2026.
    for (today, told) in [
        ("2026-07-11", 0),
        ("2026-07-12", 1),
        ("2029-02-18", 1),
        ("2029-02-19", 0),
    ] {
        let want = on(
            today,
            &all(),
            person(vec![seen(), broken.clone()], PatientStatus::Active),
        );
        assert_eq!(names(&want).len(), told, "{today}");
    }
    let lapsed = |visits, status| names(&on("2026-08-01", &all(), person(visits, status)));
    assert_eq!(
        lapsed(vec![seen()], PatientStatus::Inactive),
        ["reactivation|od:1001:55|2025-01-10|"]
    );
    for status in [
        PatientStatus::Archived,
        PatientStatus::Deceased,
        PatientStatus::NonPatient,
    ] {
        assert_eq!(lapsed(vec![seen()], status), [""; 0]);
    }
    let booked = visit("3", AppointmentStatus::Scheduled, "2026-08-01T15:00:00");
    let want = on(
        "2026-08-01",
        &all(),
        person(vec![seen(), booked], PatientStatus::Active),
    );
    assert_eq!(names(&want), [""; 0]);
    assert_eq!(
        want.again,
        Some(day("2026-08-02")),
        "the booked visit passes"
    );
    // Never seen: never lapsed.
    assert_eq!(lapsed(vec![], PatientStatus::Active), [""; 0]);
}

#[test]
fn a_review_is_for_a_completed_visit_while_it_is_fresh() {
    let person = |visit: Appointment| {
        let mut member = member(PatientStatus::Active, vec![]);
        member.appointments = vec![visit];
        vec![member]
    };
    let done = || visit("912", AppointmentStatus::Complete, "2026-11-20T09:00:00");
    let want = on(TODAY, &all(), person(done()));
    assert_eq!(names(&want), ["review|odapt:1001:912||"]);
    assert_eq!(
        want.outreach[0].expires.unwrap().to_string(),
        "2026-11-22 09:00:00"
    );
    assert_eq!(want.again, Some(day("2026-11-23")));
    assert_eq!(names(&on("2026-11-23", &all(), person(done()))), [""; 0]);
    for status in [
        AppointmentStatus::Scheduled,
        AppointmentStatus::Broken,
        AppointmentStatus::Planned,
    ] {
        let taken_back = visit("912", status, "2026-11-20T09:00:00");
        assert_eq!(names(&on(TODAY, &all(), person(taken_back))), [""; 0]);
    }
}

#[test]
fn a_minor_hears_through_the_guarantor_and_of_age_by_themself() {
    let family = |born: &str, guarantor: Option<PatientStatus>| {
        let mut child = member(PatientStatus::Active, vec![recall(Some("2026-11-01"))]);
        child.patient.record.born = Some(Phi::new(day(born)));
        let parent = guarantor.map(|status| {
            let mut parent = member(status, vec![]);
            parent.patient.record.key = PatientKey::new("50");
            parent
        });
        let mut all = vec![child];
        all.extend(parent);
        all
    };
    let who = |members| {
        let want = on(TODAY, &all(), members);
        let told = &want.outreach[0];
        let recipient = told.recipient.as_ref().map(|key| key.native().to_owned());
        (told.minor, recipient, want.again)
    };
    let (minor, recipient, again) = who(family("2008-12-01", Some(PatientStatus::NonPatient)));
    assert_eq!((minor, recipient.as_deref()), (true, Some("50")));
    assert_eq!(
        again,
        Some(day("2026-12-01")),
        "of age and overdue on one day"
    );
    let (minor, recipient, _) = who(family("2008-11-20", Some(PatientStatus::NonPatient)));
    assert_eq!((minor, recipient.as_deref()), (false, Some("55")));
    for nobody in [None, Some(PatientStatus::Deceased)] {
        let (minor, recipient, _) = who(family("2015-01-01", nobody));
        assert_eq!((minor, recipient), (true, None));
    }
}

#[test]
fn statuses_become_tags_as_the_office_says_and_what_it_has_not_said_is_told() {
    let map = TagMap::new([
        ("billing_type:Standard", vec!["odx-standard"]),
        ("recall_status:Texted", vec![]),
        ("segment:due_now", vec!["odx-please-call"]),
        ("clinic:3", vec!["odx-north"]),
    ])
    .unwrap();
    let mut open = recall(Some("2026-11-20"));
    open.record.labels = vec![crate::model::Label::new("recall_status", "7", "Mailed")];
    let mut person = member(PatientStatus::Active, vec![open]);
    person.patient.record.labels = vec![
        crate::model::Label::new("billing_type", "Standard", "Standard"),
        crate::model::Label::new("pat_status", "Patient", "Patient"),
    ];
    person.patient.record.clinic = Some("3".to_owned());
    let want = on(TODAY, &all().with_tags(map), vec![person]);
    assert_eq!(
        contact(&want).0.tags,
        ["odx-active", "odx-north", "odx-please-call", "odx-standard"]
    );
    let unmapped: Vec<_> = want.unmapped.into_iter().collect();
    assert_eq!(unmapped, ["recall_status:Mailed"]);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn from_today(offset: i64) -> NaiveDate {
        day(TODAY) + TimeDelta::days(offset)
    }

    fn a_recall(key: usize) -> impl Strategy<Value = Kept<Recall>> {
        (
            prop::option::of(-400..600_i64),
            prop::option::of(0..900_i64),
            prop::option::weighted(0.2, -30..60_i64),
            any::<[bool; 3]>(),
            prop::bool::weighted(0.1),
        )
            .prop_map(move |(due, snooze, booked, [urgent, a, b], gone)| {
                let mut kept = recall(None);
                kept.record.key = crate::id::RecallKey::new(format!("{key}"));
                kept.record.due = due.map(from_today);
                kept.record.previous = due.map(|due| from_today(due - 180));
                kept.record.snoozed_until = snooze.filter(|_| a).map(from_today);
                kept.record.scheduled = booked.map(from_today);
                kept.record.urgent = urgent;
                kept.record.disabled = a && b;
                kept.gone = gone;
                kept
            })
    }

    fn a_visit(key: usize) -> impl Strategy<Value = Appointment> {
        let status = prop::sample::select(vec![
            AppointmentStatus::Complete,
            AppointmentStatus::Complete,
            AppointmentStatus::Scheduled,
            AppointmentStatus::Broken,
        ]);
        (status, -900..300_i64, 0..24_u32).prop_map(move |(status, offset, hour)| {
            let mut visit = visit(&format!("{key}"), status, "2026-11-20T09:00:00");
            visit.start = from_today(offset).and_hms_opt(hour, 0, 0);
            visit
        })
    }

    fn a_member(key: usize) -> impl Strategy<Value = Member> {
        let status = prop::sample::select(vec![
            PatientStatus::Active,
            PatientStatus::Active,
            PatientStatus::Active,
            PatientStatus::Inactive,
            PatientStatus::NonPatient,
            PatientStatus::Deceased,
        ]);
        (
            status,
            prop::option::weighted(0.8, -7500..-5500_i64),
            prop::collection::vec(any::<()>(), 0..3),
            (a_recall(key * 10), a_recall(key * 10 + 1)),
            (a_visit(key * 10), a_visit(key * 10 + 1)),
        )
            .prop_map(move |(status, born, some, recalls, visits)| {
                let mut person = member(status, vec![]);
                let native = if key == 0 { 50 } else { 50 + key };
                person.patient.record.key = PatientKey::new(native.to_string());
                person.patient.record.born = born.map(|offset| Phi::new(from_today(offset)));
                person.recalls = [recalls.0, recalls.1]
                    .into_iter()
                    .take(some.len())
                    .collect();
                person.appointments = [visits.0, visits.1].into_iter().take(some.len()).collect();
                person
            })
    }

    fn settings() -> impl Strategy<Value = RecallSettings> {
        (
            0..60_u32,
            0..20_u32,
            0..90_u32,
            0..300_u32,
            100..700_u32,
            any::<[bool; 3]>(),
        )
            .prop_map(|(soon, now, over, lapse, after, [each, far, reviews])| {
                let windows = Windows {
                    due_soon_days: soon + now,
                    due_now_days: now,
                    overdue_days: over,
                    lapsed_days: over + lapse,
                };
                let until = far.then_some(after + 200);
                RecallSettings::default()
                    .with_windows(windows)
                    .with_tell([Segment::DueNow, Segment::Overdue], each)
                    .with_reactivation(Some(Reactivation::after_days(after).until_days(until)))
                    .with_reviews(reviews.then(Reviews::default))
            })
    }

    /// Everything but the day to look again.
    fn said(desired: &Desired) -> (Vec<Op>, Vec<Wanted>, Vec<LeftOut>) {
        let desired = desired.clone();
        (desired.ops, desired.outreach, desired.skipped)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// The promise that lets the engine look at nobody else.
        #[test]
        fn the_answer_changes_on_its_again_day_and_on_no_other_of_900_days(
            members in (a_member(0), a_member(1), a_member(2)),
            settings in settings(),
        ) {
            let members = vec![members.0, members.1, members.2];
            let start = day(TODAY);
            let answer = |offset: u64| {
                let day = start.checked_add_days(Days::new(offset)).unwrap();
                on(&day.to_string(), &settings, members.clone())
            };
            let mut last = answer(0);
            for offset in 1..=900 {
                let next = answer(offset);
                let today = start.checked_add_days(Days::new(offset));
                prop_assert_eq!(said(&last) != said(&next), last.again == today, "day {}", offset);
                last = next;
            }
        }

        #[test]
        fn the_answer_is_the_same_whatever_order_the_rows_came_in(
            members in (a_member(0), a_member(1), a_member(2)),
            settings in settings(),
            turn in 0..3_usize,
        ) {
            let members = vec![members.0, members.1, members.2];
            let mut other = members.clone();
            other.rotate_left(turn);
            for member in &mut other {
                member.recalls.reverse();
                member.appointments.reverse();
            }
            prop_assert_eq!(on(TODAY, &settings, members), on(TODAY, &settings, other));
        }
    }
}
