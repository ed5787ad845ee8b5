//! Everything about a household that the calendar decides, and the first later
//! day on which it would decide otherwise.

use std::collections::BTreeSet;

use chrono::{Datelike as _, Days, Months, NaiveDate, NaiveDateTime, TimeDelta};

use super::settings::RecallSettings;
use super::{Segment, Skip, Standing, boundaries, classify};
use crate::id::PatientKey;
use crate::model::{
    Appointment, AppointmentStatus, HouseholdView, Kept, Member, Patient, PatientStatus, Recall,
};

/// Where one recall stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Wanted, in a segment, or in none yet.
    Open(Option<Segment>),
    /// Not wanted.
    Closed(Skip),
}

/// What the day says about one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MemberToday {
    /// In the order of the member's recalls.
    pub(super) recalls: Vec<State>,
    /// Where they stand with their last visit, where that counts at all.
    pub(super) lapse: Option<(Option<NaiveDate>, Lapse)>,
    /// Visits that are fresh, by their place among the member's appointments.
    pub(super) fresh: Vec<usize>,
    /// Who hears what there is to tell.
    pub(super) listener: Listener,
}

/// Where somebody stands with their last visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lapse {
    /// Not seen for long, and not expected.
    Lapsed,
    /// A visit is booked.
    Booked,
    /// Neither.
    No,
}

/// Who hears what there is to tell about somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listener {
    /// They themselves, or there is nothing to tell.
    Patient,
    /// The guarantor, for a minor.
    Guarantor,
    /// Nobody: a minor without one.
    Nobody,
}

impl MemberToday {
    /// Not seen for long: since which visit.
    pub(super) fn lapsed(&self) -> Option<NaiveDate> {
        self.lapse
            .filter(|(_, lapse)| *lapse == Lapse::Lapsed)
            .and_then(|(seen, _)| seen)
    }
}

/// What the day says about a household, member by member.
pub(super) type Today = Vec<MemberToday>;

/// Whether nothing that reaches a person is ever done for them.
pub(super) fn is_closed(member: &Member) -> bool {
    member.patient.gone || member.patient.record.status.is_closed()
}

/// A visit at which something was done.
pub(super) fn was_seen(visit: &Appointment) -> bool {
    visit.was_kept()
}

/// When a visit ended, by the practice's wall clock.
pub(super) fn ended(visit: &Appointment) -> Option<NaiveDateTime> {
    let minutes = TimeDelta::minutes(visit.minutes.unwrap_or(0).into());
    visit.start?.checked_add_signed(minutes)
}

/// Until when a visit is fresh, by the practice's wall clock.
pub(super) fn fresh_until(visit: &Appointment, hours: u32) -> Option<NaiveDateTime> {
    visit
        .start?
        .checked_add_signed(TimeDelta::hours(hours.into()))
}

/// The day of the last visit at which something was done.
pub(super) fn last_seen(member: &Member) -> Option<NaiveDate> {
    let visits = member.appointments.iter().filter(|visit| was_seen(visit));
    visits
        .filter_map(|visit| visit.start)
        .map(|start| start.date())
        .max()
}

/// From which day on somebody speaks for themself. None: nobody knows their age.
pub(super) fn adult_on(patient: &Patient, years: u32) -> Option<NaiveDate> {
    let born = *patient.born.as_ref()?.expose();
    let months = years.checked_mul(12)?;
    // Born on the 29th of February: of age on the 1st of March.
    let day = born.checked_add_months(Months::new(months))?;
    if day.day() == born.day() {
        Some(day)
    } else {
        day.succ_opt()
    }
}

impl RecallSettings {
    /// What this day says about the household.
    pub(super) fn today(&self, view: &HouseholdView, today: NaiveDate) -> Today {
        let members = view.members.iter();
        members
            .map(|member| {
                let recalls = member.recalls.iter();
                let recalls: Vec<State> = recalls
                    .map(|recall| self.state(member, recall, today))
                    .collect();
                let mut today_of = MemberToday {
                    lapse: self.lapse(member, today),
                    fresh: self.fresh(member, today),
                    listener: Listener::Patient,
                    recalls,
                };
                let tells = today_of.lapsed().is_some()
                    || !today_of.fresh.is_empty()
                    || today_of
                        .recalls
                        .iter()
                        .any(|state| self.tells(*state).is_some());
                if tells && self.is_minor(view, member, today) {
                    today_of.listener = match self.guarantor(view, member, today) {
                        Some(_) => Listener::Guarantor,
                        None => Listener::Nobody,
                    };
                }
                today_of
            })
            .collect()
    }

    /// The segment of a recall that is worth telling.
    pub(super) fn tells(&self, state: State) -> Option<Segment> {
        match state {
            State::Open(Some(segment)) if self.tell.contains(&segment) => Some(segment),
            State::Open(_) | State::Closed(_) => None,
        }
    }

    /// The first later day on which that would differ if nothing else changes.
    pub(super) fn again(
        &self,
        view: &HouseholdView,
        day: NaiveDate,
        today: &Today,
    ) -> Option<NaiveDate> {
        let mut days = BTreeSet::new();
        for member in &view.members {
            self.turns(member, &mut days);
        }
        let later = days.range(day.succ_opt()?..);
        later
            .copied()
            .find(|later| self.today(view, *later) != *today)
    }

    /// Every day on which anything about a member may change by itself.
    fn turns(&self, member: &Member, days: &mut BTreeSet<NaiveDate>) {
        let patient = &member.patient.record;
        for recall in member.recalls.iter().filter(|recall| !recall.gone) {
            if let Some(windows) = self.windows_of(&recall.record) {
                days.extend(recall.record.snoozed_until);
                days.extend(boundaries(&recall.record, windows));
            }
        }
        let after = |day: NaiveDate, n: u32| day.checked_add_days(Days::new(n.into()));
        if let Some(lapse) = self.reactivation {
            if let Some(seen) = last_seen(member) {
                days.extend(after(seen, lapse.after_days));
                let until = lapse.until_days.and_then(|n| after(seen, n));
                days.extend(until.and_then(|day| day.succ_opt()));
            }
            // A visit that was booked and has passed is no coming visit any more.
            let booked = member.appointments.iter();
            let booked = booked.filter(|visit| visit.status == AppointmentStatus::Scheduled);
            days.extend(booked.filter_map(|visit| visit.start?.date().succ_opt()));
        }
        if let Some(reviews) = self.reviews {
            for visit in member.appointments.iter().filter(|visit| was_seen(visit)) {
                let until = fresh_until(visit, reviews.fresh_hours);
                days.extend(visit.start.map(|start| start.date()));
                days.extend(until.and_then(|until| until.date().succ_opt()));
            }
        }
        days.extend(adult_on(patient, self.adult_years));
    }

    fn state(&self, member: &Member, recall: &Kept<Recall>, today: NaiveDate) -> State {
        if recall.gone {
            return State::Closed(Skip::RecallGone);
        }
        if is_closed(member) {
            return State::Closed(Skip::PatientClosed);
        }
        let Some(windows) = self.windows_of(&recall.record) else {
            return State::Closed(Skip::RecallKindIgnored);
        };
        if member.patient.record.status != PatientStatus::Active {
            // Any other status suspends recall; going back to active restores it.
            return State::Closed(Skip::PatientNotActive);
        }
        match classify(&recall.record, today, windows).0 {
            Standing::Open(_, segment) => State::Open(segment),
            Standing::Closed(why) => State::Closed(why),
        }
    }

    fn lapse(&self, member: &Member, today: NaiveDate) -> Option<(Option<NaiveDate>, Lapse)> {
        let lapse = self.reactivation?;
        let mut visits = member.appointments.iter();
        let booked = visits.any(|visit| visit.is_upcoming(today));
        let Some(seen) = last_seen(member) else {
            // Never seen, or not any more: what may be open is closed.
            let lapse = if booked { Lapse::Booked } else { Lapse::No };
            return Some((None, lapse));
        };
        if booked {
            return Some((Some(seen), Lapse::Booked));
        }
        let status = member.patient.record.status;
        let fits = status == PatientStatus::Active
            || (lapse.inactive_too && status == PatientStatus::Inactive);
        // A visit that lies ahead was no lapse.
        let days = u32::try_from((today - seen).num_days()).unwrap_or(0);
        let within = days >= lapse.after_days && lapse.until_days.is_none_or(|n| days <= n);
        let lapsed = within && fits && !is_closed(member);
        let lapse = if lapsed { Lapse::Lapsed } else { Lapse::No };
        Some((Some(seen), lapse))
    }

    /// Visits after which a review may still be asked for.
    fn fresh(&self, member: &Member, today: NaiveDate) -> Vec<usize> {
        let (Some(reviews), false) = (self.reviews, is_closed(member)) else {
            return Vec::new();
        };
        let visits = member.appointments.iter().enumerate();
        visits
            .filter(|(_, visit)| {
                was_seen(visit)
                    && visit.start.is_some_and(|start| start.date() <= today)
                    && fresh_until(visit, reviews.fresh_hours)
                        .is_some_and(|until| until.date() >= today)
            })
            .map(|(place, _)| place)
            .collect()
    }

    /// Whether somebody else answers for them. Of whom nobody knows the age, only
    /// who answers for the household answers for themself.
    fn is_minor(&self, view: &HouseholdView, member: &Member, today: NaiveDate) -> bool {
        let patient = &member.patient.record;
        match (&patient.born, adult_on(patient, self.adult_years)) {
            (None, _) => patient.key.native() != view.key.native(),
            // An age past the end of the calendar is no age.
            (Some(_), adult) => adult.is_none_or(|day| day > today),
        }
    }
    /// Who answers for a minor: the household's guarantor, if they are of age
    /// and can be told anything.
    pub(super) fn guarantor<'a>(
        &self,
        view: &'a HouseholdView,
        minor: &Member,
        today: NaiveDate,
    ) -> Option<&'a PatientKey> {
        let mut members = view.members.iter();
        let guarantor = members.find(|member| {
            member.patient.record.key.native() == view.key.native() && !is_closed(member)
        })?;
        let person = &guarantor.patient.record;
        let of_age = person.born.is_none()
            || adult_on(person, self.adult_years).is_some_and(|day| day <= today);
        (of_age && person.key != minor.patient.record.key).then_some(&person.key)
    }
}
