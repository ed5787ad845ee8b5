//! What the words of a message say, and its links.

use std::borrow::Cow;

use super::{Finding, LintRules, Profile, Rule, Severity};
use crate::outreach::Purpose;
use crate::outreach::words::{
    CLINICAL, DAYS, FINANCIAL, GATING, IDENTITY, INCENTIVE, List, MONTHS, PROMOTIONAL, SHORTENERS,
    SPECIALTY, at_start, fold, spelled, tokens,
};

/// The rules on words.
pub(super) fn said(
    purpose: Purpose,
    reviews: bool,
    rules: LintRules,
    text: &str,
    found: &mut Vec<Finding>,
) {
    shorteners(text, found);
    // Links speak for themselves.
    let text: String = text
        .split_inclusive(char::is_whitespace)
        .map(|word| {
            if word.contains("://") {
                link("the text", word.trim(), found);
                Cow::Borrowed(" ")
            } else {
                Cow::Borrowed(word)
            }
        })
        .collect();

    for (rule, word) in disclosing(&text) {
        let what = match rule {
            Rule::SpecialtyDisclosure => format!("“{word}” names a specialty: leave it out"),
            Rule::ProcedureCode => format!("“{word}” is the code of a procedure: leave it out"),
            _ => format!("“{word}” says something about health: say “visit” instead"),
        };
        found.push(Finding::refuse(rule, what));
    }

    let folded = fold(&text);
    let words: Vec<_> = tokens(&folded).collect();
    let mut each = |list: &'static List, rule: Rule, why: &str| {
        for word in matches(list, &words) {
            found.push(Finding::refuse(rule, format!("“{word}” {why}")));
        }
    };
    each(
        &IDENTITY,
        Rule::IdentityExcess,
        "says who somebody is: leave it out",
    );
    each(&FINANCIAL, Rule::Financial, "speaks of money: leave it out");
    each(
        &DAYS,
        Rule::VisitDate,
        "says which day it was: say “recent visit” instead",
    );
    let promotional = purpose == Purpose::Recall || rules.profile == Profile::HealthcareExempt;
    if promotional {
        each(
            &PROMOTIONAL,
            Rule::Promotional,
            "is an offer: a care message makes none",
        );
    }
    if reviews {
        each(
            &INCENTIVE,
            Rule::ReviewIncentive,
            "gives something for a review: leave it out",
        );
        each(
            &GATING,
            Rule::ReviewGating,
            "asks only some, or for a certain review: ask everybody for theirs",
        );
    }
    amounts(&folded, promotional, reviews, found);
    if is_dated(&folded, &words) {
        let what = "a date says which day it was: say “recent visit” instead";
        found.push(Finding::refuse(Rule::VisitDate, what));
    }
}

/// Words of a list that stand among these, as they stand there.
fn matches<'a>(
    list: &'static List,
    words: &'a [Cow<'a, str>],
) -> impl Iterator<Item = String> + 'a {
    (0..words.len()).filter_map(move |at| {
        let here = words.get(at..)?;
        let long = at_start(list, here)?;
        // Feel free to call our toll-free number.
        let before = at.checked_sub(1).and_then(|at| words.get(at));
        if here.first().is_some_and(|word| word == "free")
            && before.is_some_and(|word| word == "feel" || word == "toll")
        {
            return None;
        }
        here.get(..long).map(|words| words.join(" "))
    })
}

/// What tells something about health: specialties, clinical words, codes.
pub(super) fn disclosing(text: &str) -> impl Iterator<Item = (Rule, String)> {
    let folded = fold(text);
    // As it stands, and with what hides a word undone: `im-plant`, `i m p l a n t`.
    let undone: String = folded.chars().filter(|c| !"-_*'".contains(*c)).collect();
    let mut found = Vec::new();
    for text in [&folded, &undone] {
        let words = spelled(tokens(text));
        let mut at = 0;
        while let Some(here) = words.get(at..).filter(|here| !here.is_empty()) {
            let (rule, long) = if let Some(long) = at_start(&SPECIALTY, here) {
                (Rule::SpecialtyDisclosure, long)
            } else if let Some(long) = code(here) {
                (Rule::ProcedureCode, long)
            } else if let Some(long) = at_start(&CLINICAL, here) {
                (Rule::ClinicalTerm, long)
            } else {
                at += 1;
                continue;
            };
            found.push((
                rule,
                here.iter()
                    .take(long)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(" "),
            ));
            at += long;
        }
    }
    found.into_iter()
}

/// `D` and four digits: how many words long.
fn code(words: &[Cow<'_, str>]) -> Option<usize> {
    let four = |text: &str| {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        digits == 4
    };
    match words {
        [cdt, ..] if cdt == "cdt" => Some(1),
        [first, ..] if first.strip_prefix('d').is_some_and(four) => Some(1),
        [d, second, ..] if d == "d" && second.len() == 4 && four(second) => Some(2),
        _ => None,
    }
}

/// Amounts and percentages: an offer, something for a review, or a bill.
fn amounts(folded: &str, promotional: bool, reviews: bool, found: &mut Vec<Finding>) {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let (mut offered, mut billed) = (false, false);
    for (at, sign) in folded.match_indices(['$', '€', '£', '%']) {
        let (before, after) = folded.split_at_checked(at).unwrap_or_default();
        let after = after.get(sign.len()..).unwrap_or_default();
        if sign == "%" {
            offered |= digit(before.trim_end().chars().next_back());
        } else if digit(after.trim_start().chars().next()) {
            let next: Vec<_> = tokens(after)
                .skip_while(|word| word.starts_with(|c: char| c.is_ascii_digit()))
                .take(2)
                .collect();
            let offer = |word: &Cow<'_, str>| {
                word == "off" || at_start(&INCENTIVE, std::slice::from_ref(word)).is_some()
            };
            if next.iter().any(offer) {
                offered = true;
            } else {
                billed = true;
            }
        }
    }
    if billed {
        let what = "an amount speaks of money: leave it out";
        found.push(Finding::refuse(Rule::Financial, what));
    }
    if offered && promotional {
        let what = "an amount or a percentage is an offer: a care message makes none";
        found.push(Finding::refuse(Rule::Promotional, what));
    }
    if offered && reviews {
        let what = "an amount is something for a review: leave it out";
        found.push(Finding::refuse(Rule::ReviewIncentive, what));
    }
}

/// Whether a date stands there: `March 5`, `5 de mayo`, `3/5`, `2026-03-05`.
fn is_dated(folded: &str, words: &[Cow<'_, str>]) -> bool {
    let day = |word: Option<&Cow<'_, str>>| {
        word.is_some_and(|word| {
            let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let suffix = word.len() - digits.len();
            suffix <= 2
                && digits
                    .parse::<u32>()
                    .is_ok_and(|n| (1..=31).contains(&n) || (1990..2100).contains(&n))
        })
    };
    let spoken = (0..words.len()).any(|at| {
        words
            .get(at..)
            .is_some_and(|here| at_start(&MONTHS, here).is_some())
            && (day(words.get(at + 1))
                || at.checked_sub(1).is_some_and(|at| day(words.get(at)))
                || at.checked_sub(2).is_some_and(|two| {
                    words
                        .get(two + 1)
                        .is_some_and(|word| word == "de" || word == "of")
                        && day(words.get(two))
                }))
    });
    let written = folded
        .split(|c: char| !c.is_ascii_digit() && !"/-.".contains(c))
        .map(|run| run.trim_matches(['/', '-', '.']))
        .any(|run| {
            ['/', '-', '.'].into_iter().any(|separator| {
                let groups: Vec<&str> = run.split(separator).collect();
                if groups.iter().any(|group| group.parse::<u32>().is_err()) {
                    return false;
                }
                let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
                match *lengths.as_slice() {
                    [1 | 2, 1 | 2] => separator == '/' && run != "24/7",
                    [1 | 2, 1 | 2, 2 | 4] | [4, 1 | 2, 1 | 2] => true,
                    _ => false,
                }
            })
        });
    spoken || written
}

fn shorteners(text: &str, found: &mut Vec<Finding>) {
    let folded = fold(text).replace(['。', '．', '｡'], ".");
    for host in folded.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-') {
        let host = host.trim_matches('.');
        let known = SHORTENERS.phrases().find(|known| {
            host.strip_suffix(known)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        if let Some(known) = known {
            let what = format!("anybody may stand behind {known}: use the office's own address");
            found.push(Finding::refuse(Rule::PublicShortener, what));
        }
    }
}

/// A link says nothing in clear, and leads to where it says.
pub(super) fn link(name: &str, text: &str, found: &mut Vec<Finding>) {
    shorteners(text, found);
    let text = text.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
    let url = match url::Url::parse(text) {
        Ok(url)
            if url.scheme() == "https"
                && url.has_host()
                && url.username().is_empty()
                && !text.contains(char::is_whitespace) =>
        {
            url
        }
        _ => {
            let what =
                format!("{name} must hold an address that begins with https:// and has no blank");
            found.push(Finding::refuse(Rule::BadValue, what));
            return;
        }
    };
    let readable =
        |part: &&str| !part.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase());
    let path = url
        .path()
        .split('/')
        .chain(url.query().unwrap_or_default().split(['&', '=']));
    // A path may hold somebody's name as well, so it is not quoted.
    for (rule, _) in path.filter(readable).flat_map(disclosing) {
        let what = format!("the address in {name} tells something: use one that tells nothing");
        found.push(Finding::refuse(rule, what));
    }
    let host = url.host_str().unwrap_or_default();
    found.extend(disclosing(host).map(|(_, word)| Finding {
        rule: Rule::SpecialtyDisclosure,
        severity: Severity::Warn,
        what: format!("the address in {name} says “{word}”: another name tells a stranger less"),
    }));
}
