//! Whether a plan looks wrong, by what is usual at this office. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, Days, NaiveDate, Utc};

use crate::failpoint::broken;
use crate::office::Office;
use crate::outreach::Guard;
use crate::store::outreach::OutreachState;

/// So many days back are usual.
pub(super) const LEARNED_DAYS: u64 = 56;
/// Of these the usual day is learned.
const USUAL_DAYS: u64 = 28;
/// Fewer than this a day is no volume that could be missed.
const VOLUME: u64 = 5;
/// Fewer strangers than this are no list that was imported by mistake.
const FEW: u64 = 10;

/// What an office did so far, by its own calendar.
#[derive(Debug, Default)]
pub(super) struct Past {
    days: BTreeMap<NaiveDate, u64>,
}

/// What a plan may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judged {
    /// Go on, with so many messages today at the most. None: as many as there are.
    Go(Option<u64>),
    /// A person must look first, and why.
    Hold(String),
}

impl Past {
    pub(super) fn of(times: &[DateTime<Utc>], office: &Office) -> Self {
        let mut days = BTreeMap::new();
        for at in times {
            *days.entry(office.today(*at)).or_default() += 1;
        }
        Self { days }
    }

    pub(super) fn on(&self, day: NaiveDate) -> u64 {
        self.days.get(&day).copied().unwrap_or(0)
    }

    /// The usual day of the last four weeks, days without anything included.
    fn usual(&self, since: NaiveDate, today: NaiveDate) -> u64 {
        let first = today
            .checked_sub_days(Days::new(USUAL_DAYS))
            .map_or(since, |day| day.max(since));
        let days: Vec<u64> = first
            .iter_days()
            .take_while(|day| *day < today)
            .map(|day| self.on(day))
            .collect();
        median(days)
    }

    /// The usual same day of the week.
    fn usual_weekday(&self, since: NaiveDate, day: NaiveDate) -> Option<u64> {
        let weeks = (1..=LEARNED_DAYS / 7).filter_map(|n| day.checked_sub_days(Days::new(n * 7)));
        let days: Vec<u64> = weeks
            .filter(|day| *day >= since)
            .map(|day| self.on(day))
            .collect();
        (days.len() >= 2).then(|| median(days))
    }
}

fn median(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied().unwrap_or(0)
}

#[allow(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "a share needs no more than 52 bits"
)]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Judges a plan of so many messages, so many of them to people who were never
/// written to before.
pub(super) fn judge(
    guard: &Guard,
    state: &OutreachState,
    past: &Past,
    (planned, strangers): (u64, u64),
    (today, office): (NaiveDate, &Office),
) -> Judged {
    if broken("broken.guard") {
        return Judged::Go(None);
    }
    let since = state.live_since.map_or(today, |at| office.today(at));
    let live_days = u64::try_from((today - since).num_days()).unwrap_or(0);
    let done = past.on(today);
    let whole = done + planned;
    let released = state
        .released
        .is_some_and(|(until, count)| today <= until && whole <= count);
    if planned > 0 && !released {
        let usual = past.usual(since, today);
        let most = u64::from(guard.floor).max(usual.saturating_mul(guard.factor.into()));
        if whole > most {
            return Judged::Hold(format!(
                "{whole} messages would go out today, and {most} are the most that look right here (the usual day \
                 has {usual}): look at the plan, then resume the office"
            ));
        }
        let mature = live_days >= u64::from(guard.mature_days) && past.days.len() > 1;
        if mature && planned >= FEW && share(strangers, planned) > guard.strangers {
            return Judged::Hold(format!(
                "{strangers} of the {planned} people who would be written to never were before: look at the plan, \
                 then resume the office"
            ));
        }
    }
    // Days on which anything went out: an office that was held has not begun.
    let begun = past.days.keys().filter(|day| **day < today).count();
    let young = live_days < LEARNED_DAYS;
    let first = young && u64::try_from(begun).unwrap_or(u64::MAX) < u64::from(guard.first_days);
    Judged::Go(first.then(|| u64::from(guard.first_cap).saturating_sub(done)))
}

/// Whether yesterday was much thinner than such a day is, in words.
pub(super) fn thin(
    guard: &Guard,
    state: &OutreachState,
    past: &Past,
    (today, office): (NaiveDate, &Office),
) -> Option<String> {
    let since = office.today(state.live_since?);
    let yesterday = today.pred_opt()?;
    let usual = past.usual_weekday(since, yesterday)?;
    let done = past.on(yesterday);
    (usual >= VOLUME && share(done, usual) < guard.thin).then(|| {
        format!(
            "only {done} messages went out on {yesterday} ({}), where {usual} are usual: see that the practice is \
             read whole and that its statuses and numbers are still there",
            yesterday.weekday()
        )
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::id::OfficeId;

    fn office() -> Office {
        let id = OfficeId::new("main").unwrap();
        Office::new(id, "Main", chrono_tz::America::New_York)
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn past(counts: &[(&str, u64)]) -> Past {
        let days = counts.iter().map(|(on, count)| (day(on), *count));
        Past {
            days: days.collect(),
        }
    }

    fn live(since: &str) -> OutreachState {
        OutreachState {
            live_since: Some(format!("{since}T15:00:00Z").parse().unwrap()),
            ..OutreachState::default()
        }
    }

    const TODAY: &str = "2026-11-20";

    fn judged(state: &OutreachState, past: &Past, planned: u64, strangers: u64) -> Judged {
        let guard = Guard::default();
        let on = (day(TODAY), &office());
        judge(&guard, state, past, (planned, strangers), on)
    }

    /// Ten a day, each day of four weeks.
    fn steady() -> Past {
        let days = (1..=60).map(|n| day(TODAY) - TimeDelta::days(n));
        Past {
            days: days.map(|day| (day, 10)).collect(),
        }
    }

    #[test]
    fn a_new_office_may_tell_25_a_day_for_three_days_and_a_crowd_is_held() {
        let state = live(TODAY);
        assert_eq!(judged(&state, &past(&[]), 20, 20), Judged::Go(Some(25)));
        assert_eq!(
            judged(&state, &past(&[(TODAY, 20)]), 5, 5),
            Judged::Go(Some(5))
        );
        let Judged::Hold(why) = judged(&state, &past(&[]), 26, 26) else {
            panic!("a crowd goes out")
        };
        assert!(why.contains("26 messages would go out today, and 25 are the most"));
        let two = past(&[("2026-11-18", 3), ("2026-11-19", 25)]);
        assert_eq!(
            judged(&live("2026-11-18"), &two, 5, 5),
            Judged::Go(Some(25))
        );
        let three = past(&[("2026-11-10", 3), ("2026-11-18", 3), ("2026-11-19", 25)]);
        assert_eq!(judged(&live("2026-11-10"), &three, 5, 5), Judged::Go(None));
        // Held for a week: the first day is still to come.
        assert_eq!(
            judged(&live("2026-11-13"), &past(&[]), 5, 5),
            Judged::Go(Some(25))
        );
    }

    #[test]
    fn a_plan_that_somebody_has_looked_at_goes_on_up_to_what_they_saw() {
        let mut state = live("2026-01-01");
        state.released = Some((day("2026-12-20"), 300));
        assert_eq!(judged(&state, &past(&[]), 300, 300), Judged::Go(None));
        assert!(matches!(
            judged(&state, &past(&[]), 301, 0),
            Judged::Hold(_)
        ));
        state.released = Some((day("2026-11-19"), 300));
        assert!(matches!(
            judged(&state, &past(&[]), 300, 0),
            Judged::Hold(_)
        ));
    }

    #[test]
    fn three_times_the_usual_day_is_held_and_less_is_not() {
        let state = live("2026-01-01");
        assert_eq!(judged(&state, &steady(), 30, 0), Judged::Go(None));
        assert!(matches!(judged(&state, &steady(), 31, 0), Judged::Hold(_)));
    }

    #[test]
    fn a_crowd_of_strangers_is_held_at_an_office_that_knows_its_people() {
        let state = live("2026-01-01");
        assert_eq!(judged(&state, &steady(), 20, 16), Judged::Go(None));
        assert!(matches!(judged(&state, &steady(), 20, 17), Judged::Hold(_)));
        assert_eq!(
            judged(&live("2026-11-10"), &steady(), 20, 20),
            Judged::Go(None)
        );
    }

    #[test]
    fn a_thin_day_is_one_that_is_usually_busy() {
        let guard = Guard::default();
        let on = (day(TODAY), &office());
        let state = live("2026-01-01");
        assert_eq!(thin(&guard, &state, &steady(), on), None);
        let mut quiet = steady();
        quiet.days.insert(day("2026-11-19"), 1);
        let why = thin(&guard, &state, &quiet, on).unwrap();
        assert!(why.contains("only 1 messages went out on 2026-11-19 (Thu), where 10 are usual"));
        // A day of the week on which nothing ever goes out is not thin.
        let mut weekend = steady();
        let week = TimeDelta::days(7);
        for n in 0..9 {
            weekend.days.remove(&(day("2026-11-19") - week * n));
        }
        assert_eq!(thin(&guard, &state, &weekend, on), None);
    }
}
