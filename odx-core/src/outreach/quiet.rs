//! When people may be written to: hours of the day, where they are.

use chrono::{DateTime, DurationRound, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::error::{Error, ErrorKind, Result};

/// The hours of the day in which people may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    from: NaiveTime,
    to: NaiveTime,
}

impl Default for Window {
    /// From 8 in the morning until before 9 in the evening.
    fn default() -> Self {
        let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
        Self {
            from: hour(8),
            to: hour(21),
        }
    }
}

impl Window {
    /// From this time of the day until before that one.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for hours that are empty or pass midnight.
    pub fn new(from: NaiveTime, to: NaiveTime) -> Result<Self> {
        if from < to {
            Ok(Self { from, to })
        } else {
            Err(Error::new(
                ErrorKind::Config,
                "the hours in which people may be written to must end after they begin, \
                 on the same day: set an end that is later than the start",
            ))
        }
    }

    /// The first moment that is inside.
    pub const fn from(&self) -> NaiveTime {
        self.from
    }

    /// The first moment that is not.
    pub const fn to(&self) -> NaiveTime {
        self.to
    }

    fn holds(&self, time: NaiveTime) -> bool {
        self.from <= time && time < self.to
    }
}

/// No search looks further.
const DAYS: i64 = 8;

/// Whether it is inside the window in every one of the zones. Not if there is
/// no zone: nobody is written to at an unknown hour.
pub fn allowed(now: DateTime<Utc>, zones: &[Tz], window: Window) -> bool {
    let open = |zone| window.holds(now.with_timezone(zone).time());
    !zones.is_empty() && zones.iter().all(open)
}

/// `now` if it is allowed, else the earliest whole minute that is. None if the
/// zones are not open together within eight days.
pub fn next_allowed(now: DateTime<Utc>, zones: &[Tz], window: Window) -> Option<DateTime<Utc>> {
    if allowed(now, zones, window) {
        return Some(now);
    }
    boundaries(now, zones, window.from)
        .into_iter()
        .filter_map(|at| at.duration_round_up(TimeDelta::minutes(1)).ok())
        .find(|at| allowed(*at, zones, window))
}

/// When the window that is open now ends in the first of the zones. None if it
/// is not open.
pub fn closes(now: DateTime<Utc>, zones: &[Tz], window: Window) -> Option<DateTime<Utc>> {
    if !allowed(now, zones, window) {
        return None;
    }
    boundaries(now, zones, window.to)
        .into_iter()
        .find(|at| !allowed(*at, zones, window))
}

/// The moments after `now` at which the time of the day may pass `edge` in one
/// of the zones, in order: it comes, or clocks are set past it.
fn boundaries(now: DateTime<Utc>, zones: &[Tz], edge: NaiveTime) -> Vec<DateTime<Utc>> {
    let mut found = Vec::new();
    for zone in zones {
        let today = now.with_timezone(zone).date_naive();
        for days in -1..=DAYS + 1 {
            if let Some(day) = today.checked_add_signed(TimeDelta::days(days)) {
                // An hour that comes twice has its edge twice.
                let wall = zone.from_local_datetime(&day.and_time(edge));
                found.extend(wall.earliest().map(|at| at.to_utc()));
                found.extend(wall.latest().map(|at| at.to_utc()));
            }
            found.extend(clock_change(now, *zone, days));
        }
    }
    let last = now.checked_add_signed(TimeDelta::days(DAYS));
    found.retain(|at| *at > now && last.is_none_or(|last| *at <= last));
    found.sort_unstable();
    found.dedup();
    found
}

/// The moment clocks are changed on the day that begins so many days from now,
/// if they are.
fn clock_change(now: DateTime<Utc>, zone: Tz, days: i64) -> Option<DateTime<Utc>> {
    let offset = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local() - at.naive_utc();
    let mut before = now.checked_add_signed(TimeDelta::days(days))?;
    let mut after = before.checked_add_signed(TimeDelta::days(1))?;
    let old = offset(before);
    if old == offset(after) {
        return None;
    }
    while after - before > TimeDelta::seconds(1) {
        let middle = before + (after - before) / 2;
        if offset(middle) == old {
            before = middle;
        } else {
            after = middle;
        }
    }
    // Clocks change on a whole second: the last one that began before `after`.
    after.duration_trunc(TimeDelta::seconds(1)).ok()
}

/// The zones in which the holder of a number may be: the office's, and for a
/// number of the United States or Canada those of its area code.
///
/// People keep a number when they move, so the office's zone always counts. A
/// code that is not known adds none.
pub fn zones_of_number(e164: &str, office: Tz) -> Vec<Tz> {
    let mut zones = vec![office];
    for zone in area_zones(e164).unwrap_or_default() {
        if !zones.contains(zone) {
            zones.push(*zone);
        }
    }
    zones
}

fn area_zones(e164: &str) -> Option<&'static [Tz]> {
    let national = e164.strip_prefix("+1")?;
    if national.len() != 10 || !national.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let code = national.get(..3)?;
    let row = AREAS.iter().find(|(_, codes)| codes.contains(code));
    row.map(|(zones, _)| *zones)
}

const ATLANTIC: Tz = Tz::America__Halifax;
const EASTERN: Tz = Tz::America__New_York;
const CENTRAL: Tz = Tz::America__Chicago;
const MOUNTAIN: Tz = Tz::America__Denver;
const PACIFIC: Tz = Tz::America__Los_Angeles;

/// Area codes by zone. Where a zone's border runs through a code, both count.
/// Codes of one state stand together, states in the order of the alphabet.
const AREAS: &[(&[Tz], &str)] = &[
    (
        &[EASTERN],
        "203 475 860 959 202 771 302 239 305 321 324 352 386 407 561 645 656 689 727 728 754 772 \
         786 813 863 904 941 954 229 404 470 478 678 706 762 770 912 943 260 317 463 765 502 859 \
         207 227 240 301 410 443 667 339 351 413 508 617 774 781 857 978 231 248 269 313 517 586 \
         616 679 734 810 947 989 603 201 551 609 640 732 848 856 862 908 973 212 315 329 332 347 \
         363 516 518 585 607 624 631 646 680 716 718 838 845 914 917 929 934 252 336 472 704 743 \
         828 910 919 980 984 216 220 234 283 326 330 380 419 436 440 513 567 614 740 937 215 223 \
         267 272 412 445 484 570 582 610 717 724 814 835 878 401 803 821 839 843 854 864 865 276 \
         434 540 571 686 703 757 804 826 948 802 304 681",
    ),
    // Florida's panhandle, Indiana, Kentucky, Michigan's upper peninsula, Tennessee; Phenix City,
    // Alabama keeps the hours of its neighbours in Georgia.
    (
        &[EASTERN, CENTRAL],
        "334 483 448 850 219 574 812 930 270 364 606 906 423 729",
    ),
    (
        &[CENTRAL],
        "205 251 256 659 938 327 479 501 870 217 224 309 312 331 447 464 618 630 708 730 773 779 \
         815 847 861 872 319 515 563 641 712 316 913 225 318 337 457 504 985 218 320 507 612 651 \
         763 924 952 228 471 601 662 769 235 314 417 557 573 636 660 816 975 402 531 405 539 572 \
         580 918 615 629 731 901 931 210 214 254 281 325 346 361 409 430 469 512 682 713 621 726 737 \
         806 817 830 832 903 936 940 945 956 972 979 262 274 353 414 534 608 715 920",
    ),
    // Western Kansas, Nebraska, the Dakotas, Texas.
    (&[CENTRAL, MOUNTAIN], "620 785 308 701 605 432"),
    (
        &[MOUNTAIN],
        "303 719 720 748 970 983 406 505 575 915 385 435 801 307",
    ),
    (&[Tz::America__Phoenix], "480 520 602 623"),
    // The Navajo Nation sets its clocks, the rest of Arizona does not.
    (&[Tz::America__Phoenix, MOUNTAIN], "928"),
    // Idaho, eastern Nevada, eastern Oregon.
    (&[MOUNTAIN, PACIFIC], "208 986 775 458 541"),
    (
        &[PACIFIC],
        "209 213 279 310 323 341 350 357 369 408 415 424 442 510 530 559 562 619 626 628 650 657 \
         661 669 707 714 738 747 760 805 818 820 831 837 840 858 909 916 925 949 951 702 725 503 \
         971 206 253 360 425 509 564",
    ),
    (&[Tz::America__Anchorage, Tz::America__Adak], "907"),
    (&[Tz::Pacific__Honolulu], "808"),
    (&[Tz::America__Puerto_Rico], "340 787 939"),
    (&[Tz::Pacific__Guam], "670 671"),
    (&[Tz::Pacific__Pago_Pago], "684"),
    // Canada: Alberta, British Columbia (its south-east keeps mountain time), Manitoba.
    (&[Tz::America__Edmonton], "368 403 587 780 825"),
    (&[Tz::America__Vancouver], "604"),
    (
        &[Tz::America__Vancouver, Tz::America__Edmonton],
        "236 250 257 672 778",
    ),
    (&[Tz::America__Winnipeg], "204 431 584"),
    // New Brunswick, Nova Scotia and Prince Edward Island; Newfoundland and Labrador.
    (&[ATLANTIC], "428 506 782 902"),
    (&[Tz::America__St_Johns, Tz::America__Goose_Bay], "709 879"),
    // Ontario, Québec, and where they reach into the next zone.
    (
        &[Tz::America__Toronto],
        "226 249 289 343 365 382 416 437 519 548 613 647 683 705 742 753 905 942 263 354 438 450 \
         468 514 579 819 873",
    ),
    (&[Tz::America__Toronto, Tz::America__Winnipeg], "807"),
    (&[Tz::America__Toronto, ATLANTIC], "367 418 581"),
    (&[Tz::America__Regina], "306 474 639"),
    // The three territories.
    (
        &[
            Tz::America__Whitehorse,
            Tz::America__Edmonton,
            Tz::America__Rankin_Inlet,
            Tz::America__Iqaluit,
        ],
        "867",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn time(text: &str) -> NaiveTime {
        NaiveTime::parse_from_str(text, "%H:%M").unwrap()
    }

    fn window(from: &str, to: &str) -> Window {
        Window::new(time(from), time(to)).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn every_vector_is_deferred_to_the_right_minute() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/quiet_hours.json")).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        for case in cases {
            let now = at(case["now"].as_str().unwrap());
            let zones: Vec<Tz> = case["zones"]
                .as_array()
                .unwrap()
                .iter()
                .map(|zone| zone.as_str().unwrap().parse().unwrap())
                .collect();
            let hours = &case["window"];
            let window = window(hours[0].as_str().unwrap(), hours[1].as_str().unwrap());
            let is = allowed(now, &zones, window);
            assert_eq!(Some(is), case["allowed"].as_bool(), "{case}");
            let next = at(case["next_allowed"].as_str().unwrap());
            assert_eq!(next_allowed(now, &zones, window), Some(next), "{case}");
        }
        assert_eq!(cases.len(), 21);
    }

    #[test]
    fn hours_that_end_before_they_begin_are_a_wrong_setting() {
        for (from, to) in [("08:00", "08:00"), ("21:00", "08:00")] {
            let error = Window::new(time(from), time(to)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
        }
    }

    #[test]
    fn without_a_zone_nothing_is_allowed() {
        let now = at("2026-11-20T17:00:00Z");
        let day = window("08:00", "21:00");
        assert!(!allowed(now, &[], day));
        assert_eq!(next_allowed(now, &[], day), None);
        assert_eq!(closes(now, &[], day), None);
    }

    #[test]
    fn zones_that_are_never_open_together_have_no_next_time() {
        let zones = [Tz::America__New_York, Tz::Asia__Tokyo];
        let next = next_allowed(at("2026-11-20T17:00:00Z"), &zones, window("10:00", "12:00"));
        assert_eq!(next, None);
    }

    #[test]
    fn a_window_closes_when_the_first_of_the_zones_does() {
        let zones = [Tz::America__Chicago, Tz::America__New_York];
        let day = window("08:00", "21:00");
        let end = closes(at("2026-11-20T17:00:00Z"), &zones, day);
        assert_eq!(end, Some(at("2026-11-21T02:00:00Z")));
        assert_eq!(closes(at("2026-11-21T02:00:00Z"), &zones, day), None);
    }

    #[test]
    fn a_skipped_start_opens_when_clocks_go_forward() {
        let zones = [Tz::America__New_York];
        let next = next_allowed(at("2026-03-08T05:00:00Z"), &zones, window("02:30", "04:00"));
        assert_eq!(next, Some(at("2026-03-08T07:00:00Z")));
    }

    #[test]
    fn a_repeated_hour_closes_the_window_a_second_time() {
        let zones = [Tz::America__New_York];
        let early = window("01:30", "23:00");
        let end = closes(at("2026-11-01T05:45:00Z"), &zones, early);
        assert_eq!(end, Some(at("2026-11-01T06:00:00Z")));
        let next = next_allowed(at("2026-11-01T06:00:00Z"), &zones, early);
        assert_eq!(next, Some(at("2026-11-01T06:30:00Z")));
    }

    #[test]
    fn a_number_adds_the_zones_of_its_area_code_to_the_offices() {
        let office = Tz::America__New_York;
        for (number, zones) in [
            ("+12125550123", vec![office]),
            ("+13125550123", vec![office, Tz::America__Chicago]),
            (
                "+12085550123",
                vec![office, Tz::America__Denver, Tz::America__Los_Angeles],
            ),
            ("+18505550123", vec![office, Tz::America__Chicago]),
            ("+16045550123", vec![office, Tz::America__Vancouver]),
            ("+18005550123", vec![office]),
            ("+442071838750", vec![office]),
            ("+1312", vec![office]),
            ("+1 312 555 0", vec![office]),
            ("", vec![office]),
        ] {
            assert_eq!(zones_of_number(number, office), zones, "{number}");
        }
    }

    #[test]
    fn an_area_code_stands_in_one_row() {
        let mut seen = HashSet::new();
        for code in AREAS.iter().flat_map(|(_, codes)| codes.split(' ')) {
            assert!(code.len() == 3 && code.parse::<u16>().is_ok_and(|code| code > 200));
            assert!(seen.insert(code), "{code} twice");
        }
        assert!(seen.len() > 380, "{}", seen.len());
    }

    const ZONES: [Tz; 10] = [
        Tz::America__New_York,
        Tz::America__Chicago,
        Tz::America__Phoenix,
        Tz::America__Los_Angeles,
        Tz::America__St_Johns,
        Tz::Pacific__Honolulu,
        Tz::Europe__Dublin,
        Tz::Australia__Lord_Howe,
        Tz::Asia__Kathmandu,
        Tz::Africa__Casablanca,
    ];

    /// Days on which clocks change in some of the zones.
    const CHANGES: [&str; 8] = [
        "2026-03-07T00:00:00Z",
        "2026-03-28T00:00:00Z",
        "2026-04-03T00:00:00Z",
        "2026-10-03T00:00:00Z",
        "2026-10-24T00:00:00Z",
        "2026-10-31T00:00:00Z",
        "2026-02-14T00:00:00Z",
        "2026-07-01T00:00:00Z",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn the_next_allowed_minute_is_allowed_and_no_earlier_one_is(
            day in 0usize..8, second in 0i64..200_000, milli in 0i64..1000,
            picked in prop::collection::vec(0usize..10, 1..4),
            from in 0u32..1439, long in 1u32..1000,
        ) {
            let now = at(CHANGES[day]) + TimeDelta::seconds(second) + TimeDelta::milliseconds(milli);
            let zones: Vec<Tz> = picked.into_iter().map(|zone| ZONES[zone]).collect();
            let minute = |of: u32| NaiveTime::from_num_seconds_from_midnight_opt(of * 60, 0).unwrap();
            let window = Window::new(minute(from), minute((from + long).min(1439))).unwrap();
            let first = now.duration_round_up(TimeDelta::minutes(1)).unwrap();
            let mut minutes = (0..DAYS * 24 * 60).map(|after| first + TimeDelta::minutes(after));
            let next = next_allowed(now, &zones, window);
            if allowed(now, &zones, window) {
                prop_assert_eq!(next, Some(now));
                let end = closes(now, &zones, window).unwrap();
                prop_assert!(end > now && !allowed(end, &zones, window));
                prop_assert_eq!(minutes.find(|at| !allowed(*at, &zones, window)), Some(end));
            } else {
                prop_assert_eq!(closes(now, &zones, window), None);
                prop_assert_eq!(next, minutes.find(|at| allowed(*at, &zones, window)));
            }
        }
    }
}
