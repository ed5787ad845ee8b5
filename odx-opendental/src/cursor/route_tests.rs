use chrono::{DateTime, TimeDelta};
use odx_core::model::RecordKind;
use odx_core::source::{Cursor, Extent};

use super::queries::WholeRecalls;
use super::*;
use crate::overlap::Overlap;
use crate::raw::{Item, NewsPage, State};

fn terms(queries: bool) -> Terms {
    Terms {
        queries,
        history: true,
        reminders: Reminders::Off,
        page: 100,
        overlap: Overlap::fixed(TimeDelta::minutes(5), DateTime::UNIX_EPOCH),
    }
}

fn at(minutes: i64) -> NaiveDateTime {
    "2026-03-02T08:00:00".parse::<NaiveDateTime>().unwrap() + TimeDelta::minutes(minutes)
}

fn to(step: Step) -> Feed {
    match step {
        Step::To(feed, _) => feed,
        Step::Repeats => panic!("a repeat"),
    }
}

#[allow(clippy::field_reassign_with_default, reason = "the rest is private")]
fn news(at: NaiveDateTime, opt_outs: &str, items: Vec<Item>) -> NewsPage {
    let mut page = NewsPage::default();
    page.items = items;
    page.state = Some(State {
        at,
        utc_offset: Some(0),
        opt_outs: opt_outs.to_owned(),
        missed: Vec::new(),
    });
    page.clock = Some(at);
    page
}

/// A feed that has read everything by queries, at minute 0.
fn read_by_queries() -> Feed {
    let terms = terms(true);
    let (feed, _) = Feed::open(None, Extent::Changes, &terms).unwrap();
    let feed = to(feed.news(&news(at(0), "0", Vec::new()), None, &terms));
    let page = Joined {
        clock: Some(at(1)),
        rows: 40,
        recalls: 250,
        ..Joined::default()
    };
    let feed = to(feed.joined(page, &terms));
    assert!(feed.is_caught_up());
    feed
}

fn opened(feed: &Feed, queries: bool) -> Feed {
    let cursor = feed.to_cursor().unwrap();
    Feed::open(Some(&cursor), Extent::Changes, &terms(queries))
        .unwrap()
        .0
}

#[test]
fn a_joined_listing_is_marked_by_the_clock_of_the_news_before_it() {
    let feed = read_by_queries();
    assert_eq!(feed.recalls.at, Some(at(0)));
    assert_eq!(feed.appointments.at, Some(at(0)));
    assert_eq!(feed.opt_outs.as_deref(), Some("0"));
}

#[test]
fn whoever_was_cut_is_read_by_lists_before_anything_counts_as_listed() {
    let terms = terms(true);
    let (feed, _) = Feed::open(None, Extent::Changes, &terms).unwrap();
    let feed = to(feed.news(&news(at(0), "0", Vec::new()), None, &terms));
    let page = Joined {
        cut: vec![7, 9],
        ..Joined::default()
    };
    let Step::To(feed, swept) = feed.joined(page, &terms) else {
        panic!("a repeat");
    };
    assert!(swept.is_empty());
    let (patient, visits) = (7, true);
    assert_eq!(feed.ask(&terms), Ask::RecallsOf { patient, visits });
    let feed = to(feed.looked(7, &terms));
    let Step::To(feed, swept) = feed.looked(9, &terms) else {
        panic!("a repeat");
    };
    assert_eq!(swept.len(), 4);
    assert!(feed.is_caught_up());
}

#[test]
fn opt_outs_are_read_only_when_their_digest_changes_and_are_then_known_by_it() {
    let terms = terms(true);
    let in_news = |digest| {
        let mut feed = opened(&read_by_queries(), true);
        while feed.stage() != Stage::News {
            feed = to(feed.skip(&terms));
        }
        to(feed.news(&news(at(9), digest, Vec::new()), None, &terms))
    };
    assert_eq!(in_news("0").stage(), Stage::RecallsChanged);
    let feed = in_news("1");
    assert_eq!(feed.stage(), Stage::OptOuts);
    assert_eq!(feed.opt_outs.as_deref(), Some("0"), "not read yet");
    let Step::To(feed, swept) = feed.opt_outs(None, &terms) else {
        panic!("a repeat");
    };
    assert_eq!(swept, [RecordKind::OptOut]);
    assert_eq!(feed.opt_outs.as_deref(), Some("1"));
}

#[test]
fn who_lost_a_recall_is_read_with_the_recalls_that_changed() {
    let terms = terms(true);
    let mut feed = opened(&read_by_queries(), true);
    while feed.stage() != Stage::News {
        feed = to(feed.skip(&terms));
    }
    let told = news(at(9), "0", vec![Item::RecallGoneOf(5)]);
    let feed = to(feed.news(&told, None, &terms));
    let Ask::Query(Query::Recalls { of: Some(of), .. }) = feed.ask(&terms) else {
        panic!("{:?}", feed.ask(&terms));
    };
    assert_eq!(of.as_slice(), [5]);
    let (step, whole) = feed.recalls_changed([(5, 50), (6, 60)], None, None, &terms);
    assert_eq!(
        whole,
        [WholeRecalls {
            patient: 5,
            recalls: BTreeSet::from([50]),
            removed: true,
        }]
    );
    let feed = to(step);
    assert_eq!(feed.recalls.at, Some(at(9)), "the news told the clock");
}

#[test]
fn a_feed_whose_queries_are_closed_goes_on_by_lists_from_where_it_is() {
    let all = terms(true);
    let lists = terms(false);
    let (first, _) = Feed::open(None, Extent::Changes, &all).unwrap();
    let feed = first.without_queries(&lists);
    assert_eq!(
        (feed.route(), feed.stage()),
        (Route::Lists, Stage::Patients)
    );
    let mut feed = opened(&read_by_queries(), true);
    while feed.stage() != Stage::News {
        feed = to(feed.skip(&all));
    }
    assert_eq!(feed.without_queries(&lists).stage(), Stage::Deleted);
    feed.touch([3], &all);
    let mut at_recalls = feed;
    while at_recalls.stage() != Stage::RecallsChanged {
        at_recalls = to(at_recalls.skip(&all));
    }
    at_recalls.touch([3], &lists);
    let feed = at_recalls.without_queries(&lists);
    assert_eq!(feed.stage(), Stage::Touched);
}

#[test]
fn so_many_touched_patients_that_the_whole_list_is_cheaper_are_the_whole_list() {
    let terms = terms(false);
    let mut feed = read_by_queries();
    feed.recalls.rows = 450;
    feed.touch(1..=4, &terms);
    assert!(!feed.all_recalls);
    feed.touch([5], &terms);
    assert!(feed.all_recalls && feed.touched.is_empty());
}

#[test]
fn what_was_told_is_looked_at_in_an_errand_of_its_own() {
    let terms = terms(true);
    let mut feed = read_by_queries();
    feed.touch([8], &terms);
    feed.look_again(9);
    feed.heard(&terms);
    assert!(!feed.is_caught_up());
    assert_eq!(feed.stage(), Stage::RecallsChanged);
    let feed = to(feed.recalls_changed([], Some(at(9)), None, &terms).0);
    let Ask::Query(Query::PatientsOf(keys)) = feed.ask(&terms) else {
        panic!("{:?}", feed.ask(&terms));
    };
    let feed = to(feed.looked_again(&keys, Some(at(10)), &[], &terms));
    assert!(feed.is_caught_up(), "and no pass was begun by it");
    assert_eq!(feed.patients.at, Some(at(0)));
}

#[test]
fn d6_a_row_is_told_only_when_it_is_newer_than_every_read() {
    let mut feed = read_by_queries();
    feed.patients.seen = Some(at(10));
    feed.patients.at = Some(at(5));
    let verdict = |minutes| feed.verdict(RecordKind::Patient, Some(at(minutes)));
    assert_eq!(verdict(11), Verdict::News);
    assert_eq!(verdict(10), Verdict::Doubt, "the same second");
    assert_eq!(verdict(5), Verdict::Doubt);
    assert_eq!(verdict(4), Verdict::Stale);
    assert_eq!(feed.verdict(RecordKind::Patient, None), Verdict::Doubt);
    let unread = Feed::read(&Cursor::new(r#"{"v":1,"patients":{},"appointments":{}}"#)).unwrap();
    assert_eq!(
        unread.verdict(RecordKind::Patient, Some(at(0))),
        Verdict::News
    );
}
