//! `[office.policy]` and `[office.tags]`: who is due for what.

use std::ops::Range;

use odx_core::policy::{
    KindSettings, Links, Reactivation, RecallPolicy, RecallSettings, Reviews, Segment, TagMap,
    Windows,
};
use url::Url;

use crate::section::Section;

/// No window is longer.
const MOST_DAYS: u32 = 36_500;

const SEGMENTS: [(&str, Segment); 4] = [
    ("due_soon", Segment::DueSoon),
    ("due_now", Segment::DueNow),
    ("overdue", Segment::Overdue),
    ("lapsed", Segment::Lapsed),
];

/// Reads both sections; neither is required.
pub(super) fn read(
    section: Option<Section<'_, '_>>,
    tags: Option<Section<'_, '_>>,
    office: &Section<'_, '_>,
) -> Option<RecallPolicy> {
    let tags = tags.map_or_else(|| Some(TagMap::default()), map);
    let mut settings = RecallSettings::default();
    let span = match section {
        None => office.span().clone(),
        Some(section) => {
            settings = recalls(&section, settings);
            settings = settings
                .with_reactivation(reactivation(&section))
                .with_reviews(reviews(&section))
                .with_links(links(&section));
            let span = section.span().clone();
            section.finish();
            span
        }
    };
    RecallPolicy::new(settings.with_tags(tags?))
        .map_err(|why| office.wrong(&span, "policy", &format!("cannot be used: {why}")))
        .ok()
}

fn recalls(section: &Section<'_, '_>, settings: RecallSettings) -> RecallSettings {
    let windows = windows(section, Windows::default());
    let mut settings = settings.with_windows(windows);
    for (name, kind) in section
        .section("kinds")
        .into_iter()
        .flat_map(Section::tables)
    {
        let ignored = kind.flag("ignore").filter(|(ignore, _)| *ignore);
        let own = self::windows(&kind, windows);
        if let Some((_, at)) = &ignored
            && own != windows
        {
            kind.wrong(
                at,
                "ignore",
                "leaves this kind alone, so it can have no days of its own",
            );
        }
        settings = settings.with_kind(
            name,
            if ignored.is_some() {
                KindSettings::ignored()
            } else {
                KindSettings::windows(own)
            },
        );
        kind.finish();
    }
    if let Some(kinds) = section.texts("only_kinds") {
        if kinds.is_empty() {
            section.wrong(
                section.span(),
                "only_kinds",
                "names no kind: leave it out to heed them all",
            );
        }
        settings = settings.with_only_kinds(kinds.into_iter().map(|(name, _)| name));
    }
    let tell = section.words("tell", &SEGMENTS);
    let each = section
        .flag("tell_each_segment")
        .is_some_and(|(each, _)| each);
    let tell = tell.unwrap_or_else(|| settings.tell.iter().copied().collect());
    settings = settings.with_tell(tell, each);
    if let Some(years) = section.number("adult_years", 1..=150) {
        settings = settings.with_adult_years(years);
    }
    if let Some((title, at)) = section.text("task_title") {
        if title.trim().is_empty() || title.chars().any(char::is_control) || title.len() > 200 {
            section.wrong(
                &at,
                "task_title",
                "must be one line of up to 200 characters",
            );
        }
        settings.task_title = title;
    }
    settings
}

fn windows(section: &Section<'_, '_>, mut windows: Windows) -> Windows {
    for (key, slot) in [
        ("due_soon_days", &mut windows.due_soon_days),
        ("due_now_days", &mut windows.due_now_days),
        ("overdue_days", &mut windows.overdue_days),
        ("lapsed_days", &mut windows.lapsed_days),
    ] {
        if let Some(days) = section.number(key, 0..=MOST_DAYS) {
            *slot = days;
        }
    }
    windows
}

/// Settings that mean nothing without another one.
fn alone(section: &Section<'_, '_>, given: &[(&'static str, bool)], without: &str) {
    for (key, _) in given.iter().filter(|(_, given)| *given) {
        section.wrong(section.span(), key, without);
    }
}

fn reactivation(section: &Section<'_, '_>) -> Option<Reactivation> {
    let after = section.number("reactivation_days", 1..=MOST_DAYS);
    let until = section.number("reactivation_until_days", 1..=MOST_DAYS);
    let inactive = section.flag("reactivation_inactive");
    let Some(after) = after else {
        let given = [
            ("reactivation_until_days", until.is_some()),
            ("reactivation_inactive", inactive.is_some()),
        ];
        let without = "needs reactivation_days beside it: without it nobody is asked back";
        alone(section, &given, without);
        return None;
    };
    let mut reactivation = Reactivation::after_days(after).until_days(until);
    if let Some((too, _)) = inactive {
        reactivation = reactivation.inactive_too(too);
    }
    Some(reactivation)
}

fn reviews(section: &Section<'_, '_>) -> Option<Reviews> {
    let on = section.flag("reviews").is_some_and(|(on, _)| on);
    let hours = section.number("review_hours", 1..=24 * 31);
    let delay = section.number("review_delay_minutes", 0..=60 * 24 * 31);
    if !on {
        let given = [
            ("review_hours", hours.is_some()),
            ("review_delay_minutes", delay.is_some()),
        ];
        alone(
            section,
            &given,
            "needs reviews = true beside it: without it nobody is asked",
        );
        return None;
    }
    let hours = hours.unwrap_or(Reviews::default().fresh_hours);
    let delay = delay.unwrap_or(Reviews::default().delay_minutes);
    if delay >= hours * 60 {
        section.wrong(
            section.span(),
            "review_delay_minutes",
            "is as long as review_hours: nobody would ever be asked",
        );
    }
    Some(Reviews::new(hours, delay))
}

fn links(section: &Section<'_, '_>) -> Links {
    let chart = link(section, "chart_link");
    let booking = link(section, "booking_link");
    let review = link(section, "review_link");
    let routing = section.flag("routing").is_some_and(|(routing, _)| routing);
    Links::new(chart, booking, review, routing)
}

/// An address in which `{id}` and `{token}` may stand.
pub(super) fn link(section: &Section<'_, '_>, key: &'static str) -> Option<String> {
    let (text, at) = section.text(key)?;
    let whole = text.replace("{id}", "1").replace("{token}", "0");
    if Url::parse(&whole).is_err() || whole.contains(['{', '}']) || whole.trim() != whole {
        section.wrong(
            &at,
            key,
            "is no address: write one such as \"https://host/path\"",
        );
        return None;
    }
    Some(text)
}

fn map(section: Section<'_, '_>) -> Option<TagMap> {
    let mut entries: Vec<(String, Vec<String>)> = Vec::new();
    let mut fine = true;
    for (status, at, tags) in section.lists() {
        let one = [(status.clone(), tags.clone())];
        match TagMap::new(one) {
            Ok(_) => entries.push((status, tags)),
            Err(why) => {
                fine = false;
                wrong_tags(&section, &at, &why.to_string());
            }
        }
    }
    TagMap::new(entries).ok().filter(|_| fine)
}

fn wrong_tags(section: &Section<'_, '_>, at: &Range<usize>, why: &str) {
    section.wrong(at, "", &format!("cannot be used: {why}"));
}
