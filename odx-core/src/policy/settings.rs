//! What an office decides about its recalls, lapses and reviews.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Label, Recall};
use crate::policy::{Segment, TagMap, Windows};

/// The field of the label that says what kind a recall is.
const KIND: &str = "recall_type";

/// Settings of [`RecallPolicy`](super::RecallPolicy).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecallSettings {
    /// When a recall is due soon, due now, overdue, lapsed.
    pub windows: Windows,
    /// Kinds of recall with windows of their own, or that are left alone, by
    /// the practice's key or name of the kind.
    pub kinds: BTreeMap<String, KindSettings>,
    /// Only these kinds, by key or name. Empty: every kind.
    pub only_kinds: BTreeSet<String>,
    /// What a task is called. Generic by rule: it names no procedure.
    pub task_title: String,
    /// Which status becomes which tags.
    pub tags: TagMap,
    /// Which segments of a recall are worth telling the patient.
    pub tell: BTreeSet<Segment>,
    /// A sequence for each of these segments, and not one for each cycle.
    pub tell_each_segment: bool,
    /// Who counts as not seen for long. None: nobody is asked back.
    pub reactivation: Option<Reactivation>,
    /// Whether reviews are asked for. None: they are not.
    pub reviews: Option<Reviews>,
    /// Age from which people speak for themselves, in years.
    pub adult_years: u32,
    /// What a contact shows besides.
    pub links: Links,
}

/// A kind of recall that differs from the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct KindSettings {
    /// Its own windows. None: those of all.
    pub windows: Option<Windows>,
    /// It has no tasks, no tags and no messages.
    pub ignored: bool,
}

impl KindSettings {
    /// A kind with windows of its own.
    pub const fn windows(windows: Windows) -> Self {
        Self {
            windows: Some(windows),
            ignored: false,
        }
    }

    /// A kind that is left alone.
    pub const fn ignored() -> Self {
        Self {
            windows: None,
            ignored: true,
        }
    }
}

/// Who counts as not seen for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reactivation {
    /// From so many days after the last completed visit.
    pub after_days: u32,
    /// Up to so many days after it. None: however long ago.
    pub until_days: Option<u32>,
    /// Also who is not active any more.
    pub inactive_too: bool,
}

impl Reactivation {
    /// From so many days after the last completed visit, for ever, also for
    /// patients who are not active any more.
    pub const fn after_days(after_days: u32) -> Self {
        Self {
            after_days,
            until_days: None,
            inactive_too: true,
        }
    }

    /// Sets the far bound.
    #[must_use]
    pub const fn until_days(mut self, days: Option<u32>) -> Self {
        self.until_days = days;
        self
    }

    /// Sets whether patients who are not active any more are asked back.
    #[must_use]
    pub const fn inactive_too(mut self, too: bool) -> Self {
        self.inactive_too = too;
        self
    }
}

/// When a review is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reviews {
    /// Until so many hours after the visit began.
    pub fresh_hours: u32,
    /// Not before so many minutes after the visit's end.
    pub delay_minutes: u32,
}

impl Default for Reviews {
    fn default() -> Self {
        Self {
            fresh_hours: 48,
            delay_minutes: 0,
        }
    }
}

impl Reviews {
    /// Sets how long a visit is fresh, and how long it is left alone first.
    #[must_use]
    pub const fn new(fresh_hours: u32, delay_minutes: u32) -> Self {
        Self {
            fresh_hours,
            delay_minutes,
        }
    }
}

/// What a contact shows besides. Opaque ids only: `{id}` stands for the
/// practice's own key of the patient.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Links {
    /// Opens the chart, such as `https://bridge.example/chart/{id}`.
    pub chart: Option<String>,
    /// Where a visit is booked.
    pub booking: Option<String>,
    /// Where a review is left.
    pub review: Option<String>,
    /// The practice's keys of clinic and provider, for routing in the CRM.
    pub routing: bool,
}

impl Links {
    /// Sets them all.
    #[must_use]
    pub fn new(
        chart: Option<String>,
        booking: Option<String>,
        review: Option<String>,
        routing: bool,
    ) -> Self {
        Self {
            chart,
            booking,
            review,
            routing,
        }
    }
}

impl Default for RecallSettings {
    fn default() -> Self {
        Self {
            windows: Windows::default(),
            kinds: BTreeMap::new(),
            only_kinds: BTreeSet::new(),
            task_title: "Recall visit due".to_owned(),
            tags: TagMap::default(),
            tell: [Segment::DueNow, Segment::Overdue].into(),
            tell_each_segment: false,
            reactivation: None,
            reviews: None,
            adult_years: 18,
            links: Links::default(),
        }
    }
}

impl RecallSettings {
    /// Sets the windows.
    #[must_use]
    pub const fn with_windows(mut self, windows: Windows) -> Self {
        self.windows = windows;
        self
    }

    /// Sets one kind of recall apart.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<String>, settings: KindSettings) -> Self {
        self.kinds.insert(kind.into(), settings);
        self
    }

    /// Heeds these kinds only.
    #[must_use]
    pub fn with_only_kinds(mut self, kinds: impl IntoIterator<Item = String>) -> Self {
        self.only_kinds = kinds.into_iter().collect();
        self
    }

    /// Sets the tag map.
    #[must_use]
    pub fn with_tags(mut self, tags: TagMap) -> Self {
        self.tags = tags;
        self
    }

    /// Sets which segments are told, and whether each has a sequence of its own.
    #[must_use]
    pub fn with_tell(mut self, segments: impl IntoIterator<Item = Segment>, each: bool) -> Self {
        self.tell = segments.into_iter().collect();
        self.tell_each_segment = each;
        self
    }

    /// Asks back who was not seen for long.
    #[must_use]
    pub const fn with_reactivation(mut self, reactivation: Option<Reactivation>) -> Self {
        self.reactivation = reactivation;
        self
    }

    /// Asks for reviews.
    #[must_use]
    pub const fn with_reviews(mut self, reviews: Option<Reviews>) -> Self {
        self.reviews = reviews;
        self
    }

    /// Sets the age from which people speak for themselves.
    #[must_use]
    pub const fn with_adult_years(mut self, years: u32) -> Self {
        self.adult_years = years;
        self
    }

    /// Sets what a contact shows besides.
    #[must_use]
    pub fn with_links(mut self, links: Links) -> Self {
        self.links = links;
        self
    }

    /// The windows of a recall. None: its kind is left alone.
    pub(super) fn windows_of(&self, recall: &Recall) -> Option<&Windows> {
        let mut labels = recall.labels.iter();
        let kind = labels.find(|label| label.field == KIND);
        let is =
            |name: &str| kind.is_some_and(|Label { key, text, .. }| key == name || text == name);
        if !self.only_kinds.is_empty() && !self.only_kinds.iter().any(|name| is(name)) {
            return None;
        }
        match self.kinds.iter().find(|(name, _)| is(name)) {
            Some((_, own)) if own.ignored => None,
            Some((_, own)) => Some(own.windows.as_ref().unwrap_or(&self.windows)),
            None => Some(&self.windows),
        }
    }

    /// Everything that is out of order.
    pub(super) fn check(&self) -> Result<()> {
        let own = self.kinds.values().filter_map(|kind| kind.windows.as_ref());
        for w in own.chain([&self.windows]) {
            if w.due_now_days > w.due_soon_days {
                return Err(Error::new(
                    ErrorKind::Config,
                    "due_now_days must not be larger than due_soon_days: due soon comes first",
                ));
            }
            if w.overdue_days > w.lapsed_days {
                return Err(Error::new(
                    ErrorKind::Config,
                    "overdue_days must not be larger than lapsed_days: overdue comes first",
                ));
            }
        }
        if let Some(Reactivation {
            after_days,
            until_days: Some(until),
            ..
        }) = self.reactivation
            && until < after_days
        {
            return Err(Error::new(
                ErrorKind::Config,
                "the far bound of reactivation must not come before its beginning",
            ));
        }
        Ok(())
    }
}
