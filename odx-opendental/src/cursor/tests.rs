use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

use chrono::TimeDelta;

use crate::overlap::Overlap;

const OVERLAP: TimeDelta = TimeDelta::minutes(65);

/// An office that sends lists only.
fn terms() -> Terms {
    Terms {
        queries: false,
        history: true,
        reminders: Reminders::Off,
        page: 100,
        overlap: Overlap::fixed(OVERLAP, chrono::DateTime::UNIX_EPOCH),
    }
}

fn at(seconds: i64) -> NaiveDateTime {
    "2026-03-02T08:00:00".parse::<NaiveDateTime>().unwrap() + TimeDelta::seconds(seconds)
}

/// A list that staff change between pages. Every list of the office is this one.
#[derive(Debug, Clone)]
struct Model {
    /// Key and stamp, in the order of the keys.
    rows: BTreeMap<u32, i64>,
    cap: usize,
    now: i64,
}

impl Model {
    fn of(count: u32, cap: usize) -> Self {
        let rows = (0..count).map(|n| (n * 10, -1_000_000)).collect();
        Self { rows, cap, now: 0 }
    }

    fn page(&self, call: &Call) -> (Vec<(u32, i64)>, Facts) {
        let (since, offset) = match *call {
            Call::Patients { since, offset } | Call::Appointments { since, offset } => {
                (since, offset)
            }
            Call::Recalls { offset } => (None, offset),
            // Nothing is ever found in the history here.
            _ => return (Vec::new(), Facts::default()),
        };
        let page: Vec<_> = self
            .rows
            .iter()
            // Strictly after: the stricter of the two documented comparisons.
            .filter(|&(_, &stamp)| since.is_none_or(|since| at(stamp) > since))
            .skip(usize::try_from(offset).unwrap())
            .take(self.cap)
            .map(|(&key, &stamp)| (key, stamp))
            .collect();
        let facts = Facts {
            ends: page
                .first()
                .zip(page.last())
                .map(|(first, last)| (first.0.to_string(), last.0.to_string())),
            rows: page.len(),
            clock: (!page.is_empty()).then(|| at(self.now)),
        };
        (page, facts)
    }
}

#[derive(Debug, Default)]
struct Read {
    calls: Vec<Call>,
    seen: BTreeMap<u32, i64>,
    swept: Vec<RecordKind>,
}

impl Read {
    fn patients(&self) -> Vec<&Call> {
        let is = |call: &&Call| matches!(call, Call::Patients { .. });
        self.calls.iter().filter(is).collect()
    }

    fn offsets(&self) -> Vec<u64> {
        let offset = |call: &&Call| match call {
            Call::Patients { offset, .. } => *offset,
            _ => 0,
        };
        self.patients().iter().map(offset).collect()
    }
}

/// Reads one pass as we do.
fn pass(
    cursor: Option<&Cursor>,
    extent: Extent,
    model: &mut Model,
    longest: &mut usize,
    between: impl FnMut(&mut Model) -> bool,
) -> (Cursor, Read) {
    spoiled_pass(cursor, extent, model, longest, Reader::Ours, between)
}

/// Reads one pass; `between` changes the list before every request, and says
/// whether the process restarts and forgets what it knew of page lengths.
fn spoiled_pass(
    cursor: Option<&Cursor>,
    extent: Extent,
    model: &mut Model,
    longest: &mut usize,
    reader: Reader,
    mut between: impl FnMut(&mut Model) -> bool,
) -> (Cursor, Read) {
    let mut read = Read::default();
    let mut cursor = cursor.cloned();
    loop {
        let (mut feed, _) = Feed::open(cursor.as_ref(), extent, &terms()).unwrap();
        reader.spoil(&mut feed);
        let mut ask = |call: Call, model: &mut Model, longest: &mut usize| {
            model.now += 1;
            if between(model) {
                *longest = 0;
            }
            let (rows, facts) = model.page(&call);
            if matches!(call, Call::Patients { .. }) {
                read.seen.extend(rows);
            }
            read.calls.push(call);
            facts
        };
        let facts = ask(feed.call(), model, longest);
        let mut step = feed.step(&facts, *longest, &terms());
        let mut length = facts.rows;
        if step == Step::Repeats {
            let first = ask(feed.first_call(), model, longest);
            length = first.rows;
            match feed.step_from_first(&first, &facts, *longest, &terms()) {
                Ok(next) => step = next,
                // The engine tries the same cursor again.
                Err(_) => {
                    assert!(
                        read.calls.len() < 5_000,
                        "the listing repeats itself for ever"
                    );
                    continue;
                }
            }
        }
        let Step::To(next, swept) = step else {
            panic!("a repeat was not resolved")
        };
        *longest = length.max(*longest);
        read.swept.extend(swept);
        let moved = next.to_cursor().unwrap();
        cursor = Some(moved.clone());
        assert!(read.calls.len() < 5_000, "the listing does not end");
        if next.is_caught_up() {
            return (moved, read);
        }
    }
}

fn quiet(cursor: Option<&Cursor>, extent: Extent, model: &mut Model) -> (Cursor, Read) {
    pass(cursor, extent, model, &mut 0, |_| false)
}

#[test]
fn a_first_listing_costs_no_request_more_than_its_pages() {
    for rows in [100, 101, 199, 200, 250, 10_000] {
        let (_, read) = quiet(None, Extent::Changes, &mut Model::of(rows, 100));
        let least = usize::try_from(rows).unwrap() / 100 + 1;
        assert_eq!(read.calls.len(), 3 * least, "{rows}");
        let offsets: Vec<u64> = (0..u64::try_from(least).unwrap())
            .map(|n| n * 100)
            .collect();
        assert_eq!(read.offsets(), offsets);
        assert_eq!(read.seen.len(), usize::try_from(rows).unwrap());
        assert_eq!(
            read.swept,
            [
                RecordKind::Patient,
                RecordKind::Appointment,
                RecordKind::Recall
            ]
        );
    }
}

#[test]
fn an_exact_multiple_of_the_cap_costs_one_empty_page() {
    let (_, read) = quiet(None, Extent::Changes, &mut Model::of(200, 100));
    assert_eq!(read.offsets(), [0, 100, 200]);
}

#[test]
fn a_short_first_page_is_confirmed_only_while_no_cap_is_known() {
    let mut model = Model::of(40, 100);
    let (_, read) = quiet(None, Extent::Changes, &mut model);
    assert_eq!(read.offsets(), [0, 40]);
    let (_, read) = pass(None, Extent::Changes, &mut model, &mut 100, |_| false);
    assert_eq!(read.offsets(), [0]);
}

#[test]
fn a_page_of_a_documented_cap_may_always_be_full() {
    assert!(!ends(100, 1000) && !ends(1000, 10_000) && !ends(10_000, 20_000));
    assert!(ends(99, 100) && ends(101, 1000) && ends(0, 0));
    assert!(!ends(100, 100) && !ends(150, 100) && !ends(40, 0) && !ends(40, 40));
}

#[test]
fn a_later_listing_begins_every_page_one_row_early() {
    let mut model = Model::of(250, 100);
    let (cursor, _) = quiet(None, Extent::Changes, &mut model);
    let (_, read) = quiet(Some(&cursor), Extent::Everything, &mut model);
    assert_eq!(read.offsets(), [0, 99, 198]);
    assert_eq!(read.seen.len(), 250);
    assert_eq!(read.swept.len(), 3);
}

#[test]
fn a_first_listing_of_several_pages_is_read_once_more_with_overlap() {
    let mut model = Model::of(250, 100);
    let (cursor, _) = quiet(None, Extent::Changes, &mut model);
    let (cursor, second) = quiet(Some(&cursor), Extent::Changes, &mut model);
    assert_eq!(second.offsets(), [0, 99, 198]);
    assert_eq!(second.swept.len(), 3);
    let (_, third) = quiet(Some(&cursor), Extent::Changes, &mut model);
    assert_eq!(third.offsets(), [0]);
    assert!(third.seen.is_empty());
    // Nobody was touched, so no recall can have changed with anybody.
    assert!(third.swept.is_empty());
    // One page holds everything: nothing can slip between pages.
    let mut small = Model::of(40, 100);
    let (cursor, _) = pass(None, Extent::Changes, &mut small, &mut 100, |_| false);
    let (_, second) = pass(Some(&cursor), Extent::Changes, &mut small, &mut 100, |_| {
        false
    });
    assert!(second.seen.is_empty());
}

/// Pages of three; the first pass has been made and the second reads in full.
fn moving(deletions: usize) -> (Model, Cursor, Read) {
    let mut model = Model::of(30, 3);
    let (cursor, _) = quiet(None, Extent::Changes, &mut model);
    let mut left = deletions;
    let mut calls = 0;
    let (cursor, read) = pass(
        Some(&cursor),
        Extent::Changes,
        &mut model,
        &mut 3,
        |model| {
            calls += 1;
            if calls % 2 == 0 && left > 0 {
                left -= 1;
                model.rows.pop_first();
            }
            false
        },
    );
    (model, cursor, read)
}

#[test]
fn a_list_that_moved_is_begun_again_and_is_then_complete() {
    let (model, _, read) = moving(2);
    assert_eq!(
        read.offsets().iter().filter(|&&offset| offset == 0).count(),
        3
    );
    assert!(model.rows.keys().all(|key| read.seen.contains_key(key)));
    assert!(read.swept.contains(&RecordKind::Patient));
}

#[test]
fn a_list_that_never_rests_ends_without_a_claim_and_without_a_mark() {
    let (_, cursor, read) = moving(6);
    assert_eq!(
        read.offsets().iter().filter(|&&offset| offset == 0).count(),
        6
    );
    assert!(!read.swept.contains(&RecordKind::Patient));
    let (feed, _) = Feed::open(Some(&cursor), Extent::Changes, &terms()).unwrap();
    assert!(
        feed.patients.unproven,
        "the next pass must read it in full again"
    );
    assert!(
        feed.patients.at.unwrap() < at(60),
        "the mark of the first pass"
    );
}

fn facts(first: &str, last: &str, rows: usize, clock: Option<NaiveDateTime>) -> Facts {
    Facts {
        ends: Some((first.to_owned(), last.to_owned())),
        rows,
        clock,
    }
}

fn to(step: Step) -> Feed {
    match step {
        Step::To(feed, _) => feed,
        Step::Repeats => panic!("repeats"),
    }
}

fn open(cursor: Option<&Cursor>) -> Feed {
    Feed::open(cursor, Extent::Changes, &terms()).unwrap().0
}

#[test]
fn a_server_that_ignores_the_offset_is_found_out() {
    let page = facts("1", "100", 100, None);
    let feed = to(open(None).step(&page, 0, &terms()));
    assert_eq!(feed.step(&page, 100, &terms()), Step::Repeats);
    assert_eq!(
        feed.first_call(),
        Call::Patients {
            since: None,
            offset: 0
        }
    );
    let what = "patients";
    assert_eq!(
        feed.step_from_first(&page, &page, 100, &terms()),
        Err(Cause::Repeats { what })
    );
}

#[test]
fn a_list_that_moved_too_often_is_read_on_and_claims_nothing() {
    let first = facts("1", "100", 100, None);
    let page = facts("101", "200", 100, None);
    let mut feed = to(open(None).step(&page, 0, &terms()));
    for n in 0..5 {
        // Another first page each time: it moves, it does not repeat itself.
        let first = facts(&n.to_string(), "100", 100, None);
        feed = to(feed.step_from_first(&first, &page, 100, &terms()).unwrap());
    }
    feed = to(feed.step(&facts("100", "199", 100, None), 100, &terms()));
    let before = feed.call();
    // The sixth time: it must not stay where it is for ever.
    let again = facts("100", "199", 100, None);
    assert_eq!(feed.step(&again, 100, &terms()), Step::Repeats);
    let feed = to(feed.step_from_first(&first, &again, 100, &terms()).unwrap());
    assert_ne!(feed.call(), before);
    let Step::To(_, swept) = feed.step(&facts("300", "310", 11, None), 100, &terms()) else {
        panic!("it stays")
    };
    assert_eq!(swept, []);
}

#[test]
fn a_page_that_only_looks_repeated_begins_the_list_again() {
    let page = facts("101", "200", 100, None);
    let feed = to(open(None).step(&page, 0, &terms()));
    let first = facts("1", "100", 100, None);
    let feed = to(feed.step_from_first(&first, &page, 100, &terms()).unwrap());
    assert_eq!(
        feed.call(),
        Call::Patients {
            since: None,
            offset: 99
        }
    );
}

#[test]
fn the_mark_is_the_clock_of_the_first_row_of_the_first_page() {
    let feed = to(open(None).step(&facts("1", "100", 100, Some(at(1))), 0, &terms()));
    assert_eq!(feed.patients.at, None, "not before the list is whole");
    let feed = to(feed.step(&facts("101", "107", 7, Some(at(9))), 100, &terms()));
    assert_eq!(feed.patients.at, Some(at(1)));
}

#[test]
fn an_empty_answer_has_no_clock_and_keeps_the_mark() {
    let mut model = Model::of(5, 100);
    let (cursor, _) = quiet(None, Extent::Changes, &mut model);
    let before = open(Some(&cursor)).patients;
    model.now += 100_000;
    let (cursor, read) = quiet(Some(&cursor), Extent::Changes, &mut model);
    let since = |cursor: &Cursor| open(Some(cursor)).call();
    assert!(before.unproven, "confirming took a second request");
    assert_eq!(
        read.patients()[0],
        &Call::Patients {
            since: None,
            offset: 0
        }
    );
    let known = open(Some(&cursor)).patients.at.unwrap();
    model.now += 100_000;
    let (cursor, read) = quiet(Some(&cursor), Extent::Changes, &mut model);
    assert!(read.seen.is_empty());
    let since_known = Some(known - OVERLAP);
    assert_eq!(
        since(&cursor),
        Call::Patients {
            since: since_known,
            offset: 0
        }
    );
}

#[test]
fn a_restart_keeps_the_earliest_clock() {
    let mut model = Model::of(6, 3);
    let (cursor, _) = quiet(None, Extent::Changes, &mut model);
    let feed = Feed::open(Some(&cursor), Extent::Everything, &terms())
        .unwrap()
        .0;
    let feed = to(feed.step(&facts("0", "20", 3, Some(at(500))), 3, &terms()));
    let feed = to(feed.step(&facts("30", "50", 3, Some(at(510))), 3, &terms()));
    assert_eq!(
        feed.call(),
        Call::Patients {
            since: None,
            offset: 0
        }
    );
    let feed = to(feed.step(&facts("10", "20", 2, Some(at(520))), 3, &terms()));
    assert_eq!(feed.patients.at, Some(at(500)));
}

#[test]
fn more_rows_than_a_page_can_share_one_second() {
    let mut model = Model::of(0, 100);
    let (cursor, _) = quiet(None, Extent::Changes, &mut model);
    model.rows = (0..450).map(|key| (key, model.now)).collect();
    let (cursor, read) = quiet(Some(&cursor), Extent::Changes, &mut model);
    assert_eq!(read.seen.len(), 450);
    model.rows.iter_mut().for_each(|(_, stamp)| *stamp = 50);
    model.now = 50;
    let (_, read) = quiet(Some(&cursor), Extent::Changes, &mut model);
    assert_eq!(read.seen.len(), 450);
    assert!(
        read.patients()
            .iter()
            .all(|call| matches!(call, Call::Patients { since: Some(_), .. }))
    );
}

#[test]
fn deletions_are_looked_for_from_the_day_before_the_mark_and_not_in_the_first_pass() {
    let is = |call: &Call| matches!(call, Call::DeletedAppointments { .. });
    let mut model = Model::of(5, 100);
    let (cursor, read) = quiet(None, Extent::Changes, &mut model);
    assert!(!read.calls.iter().any(is));
    let (_, read) = quiet(Some(&cursor), Extent::Changes, &mut model);
    assert_eq!(
        read.calls.iter().find(|call| is(call)),
        Some(&Call::DeletedAppointments {
            from: "2026-03-01".parse().unwrap(),
            to: "2028-03-01".parse().unwrap(),
            offset: 0
        })
    );
}

#[test]
fn a_pass_that_is_under_way_ends_as_it_began() {
    let mut model = Model::of(5, 100);
    let (cursor, _) = quiet(None, Extent::Changes, &mut model);
    let (cursor, _) = quiet(Some(&cursor), Extent::Changes, &mut model);
    let (feed, begins) = Feed::open(Some(&cursor), Extent::Changes, &terms()).unwrap();
    assert!(begins);
    let under_way = to(feed.step(&Facts::default(), 100, &terms()))
        .to_cursor()
        .unwrap();
    let (feed, begins) = Feed::open(Some(&under_way), Extent::Everything, &terms()).unwrap();
    assert!(!begins);
    assert!(matches!(
        feed.call(),
        Call::Appointments { since: Some(_), .. }
    ));
}

#[test]
fn a_cursor_of_another_adapter_or_version_expires() {
    let mine = open(None).to_cursor().unwrap();
    assert_eq!(open(Some(&mine)), open(None));
    for text in [
        "",
        "7",
        "{}",
        r#"{"v":1}"#,
        r#"{"v":1,"patients":{},"appointments":{},"more":1}"#,
        r#"{"v":2,"patients":{},"appointments":{}}"#,
        r#"{"v":0,"patients":{},"appointments":{}}"#,
    ] {
        let opened = Feed::open(Some(&Cursor::new(text)), Extent::Changes, &terms());
        assert_eq!(opened.unwrap_err(), Cause::ForeignCursor, "{text}");
    }
    let oldest = Cursor::new(r#"{"v":1,"patients":{},"appointments":{}}"#);
    assert!(Feed::open(Some(&oldest), Extent::Changes, &terms()).is_ok());
}

#[derive(Debug, Clone)]
enum Edit {
    Insert(u32),
    Delete(usize),
    Touch(usize),
}

fn edit(model: &mut Model, edit: &Edit) {
    let pick = |n: usize| {
        let len = model.rows.len().max(1);
        model.rows.keys().copied().nth(n % len)
    };
    match *edit {
        // Keys may be random: a new row can come anywhere.
        Edit::Insert(key) => {
            model.rows.insert(key, model.now);
        }
        Edit::Delete(n) => {
            if let Some(key) = pick(n) {
                model.rows.remove(&key);
            }
        }
        Edit::Touch(n) => {
            if let Some(key) = pick(n) {
                model.rows.insert(key, model.now);
            }
        }
    }
}

/// What happens before each request: some edits, and perhaps a restart.
type Story = Vec<(Vec<Edit>, bool)>;

fn story(most: usize) -> impl Strategy<Value = Story> {
    let one = prop_oneof![
        1 => (0_u32..400).prop_map(Edit::Insert),
        2 => (0_usize..400).prop_map(Edit::Delete),
        1 => (0_usize..400).prop_map(Edit::Touch),
    ];
    let some = prop::collection::vec(one, 0..4);
    prop::collection::vec((some, prop::bool::weighted(0.1)), 0..=most)
}

/// How a reader behaves.
#[derive(Debug, Clone, Copy)]
enum Reader {
    Ours,
    /// One that never begins a page a row early, and so never notices.
    WithoutOverlap,
    /// One that notices and reads on.
    WithoutRestart,
}

impl Reader {
    /// What such a reader would keep instead of our cursor.
    fn spoil(self, feed: &mut Feed) {
        let Some(pass) = feed.pass.as_mut() else {
            return;
        };
        match self {
            Self::Ours => {}
            Self::WithoutOverlap => pass.list.plain = true,
            Self::WithoutRestart => {
                pass.list.restarts = listing::MAX_RESTARTS;
                pass.list.gave_up = false;
            }
        }
    }
}

/// A list, two passes while staff change it, one while they rest.
#[derive(Debug, Clone)]
struct Drift {
    count: u32,
    cap: usize,
    first: Story,
    /// No more than the restarts allowed: beyond, nothing is claimed.
    second: Story,
    everything: bool,
}

fn drift() -> impl Strategy<Value = Drift> {
    (0_u32..40, 2_usize..7, story(60), story(5), any::<bool>()).prop_map(
        |(count, cap, first, second, everything)| Drift {
            count,
            cap,
            first,
            second,
            everything,
        },
    )
}

/// The promise, as far as decision 0005 makes it: the first listing is exact and
/// healed by the one after; from then on no row that stays is missed.
fn keeps_d8(drift: &Drift, reader: Reader) -> Result<(), TestCaseError> {
    let mut model = Model::of(drift.count, drift.cap);
    let mut longest = 0;
    let mut stay: BTreeSet<u32> = model.rows.keys().copied().collect();
    let mut run =
        |cursor: Option<&Cursor>, extent, model: &mut Model, list: &[(Vec<Edit>, bool)]| {
            let mut list = list.iter();
            let between = |model: &mut Model| {
                let Some((changes, restart)) = list.next() else {
                    return false;
                };
                changes.iter().for_each(|change| edit(model, change));
                stay.retain(|key| model.rows.contains_key(key));
                *restart
            };
            spoiled_pass(cursor, extent, model, &mut longest, reader, between)
        };
    let (cursor, one) = run(None, Extent::Changes, &mut model, &drift.first);
    let extent = if drift.everything {
        Extent::Everything
    } else {
        Extent::Changes
    };
    let (cursor, two) = run(Some(&cursor), extent, &mut model, &drift.second);
    let (_, three) = run(Some(&cursor), Extent::Changes, &mut model, &[]);
    for key in &stay {
        prop_assert!(
            one.seen.contains_key(key) || two.seen.contains_key(key),
            "{key} was never read"
        );
        if two.swept.contains(&RecordKind::Patient) {
            prop_assert!(two.seen.contains_key(key), "{key} would look gone");
        }
    }
    let mut known = one.seen;
    known.extend(two.seen);
    known.extend(three.seen);
    for (key, stamp) in &model.rows {
        prop_assert_eq!(known.get(key), Some(stamp), "{} is out of date", key);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// D8: rows inserted or removed while paging cause no skipped row.
    #[test]
    fn d8_every_row_that_stays_is_read_and_the_newest_state_wins(drift in drift()) {
        keeps_d8(&drift, Reader::Ours)?;
    }
}

/// The property notices a reader that does without the row of overlap, and one
/// that does not begin again.
#[test]
fn d8_a_reader_that_cannot_notice_is_found_out() {
    for reader in [Reader::WithoutOverlap, Reader::WithoutRestart] {
        let config = ProptestConfig {
            cases: 10_000,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let found = runner.run(&drift(), |drift| keeps_d8(&drift, reader));
        assert!(found.is_err(), "{reader:?} reads everything");
    }
}
