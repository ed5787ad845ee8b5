//! The closing table.

use std::collections::BTreeSet;

use odx_core::RunReport;
use odx_core::outreach::gate::Rule;
use odx_core::policy::Skip;
use odx_core::source::Plan;

/// Lines up columns.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let width = |n: usize| {
        rows.iter()
            .filter_map(|row| row.get(n))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..rows.iter().map(Vec::len).max().unwrap_or(0))
        .map(width)
        .collect();
    let mut text = String::new();
    for row in rows {
        for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Names to the left, figures to the right.
            let cell = if n == 0 {
                format!("{cell:<width$}")
            } else {
                format!("  {cell:>width$}")
            };
            text.push_str(&cell);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// What runs came to, one row each.
pub(crate) fn reports(runs: &[(String, &RunReport)]) -> String {
    let head = [
        "",
        "read",
        "changed",
        "sent",
        "unchanged",
        "waiting",
        "refused",
        "unreadable",
        "practice calls",
        "crm calls",
        "seconds",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (name, report) in runs {
        let seconds = (report.finished - report.started).as_seconds_f64();
        rows.push(vec![
            name.clone(),
            report.read.to_string(),
            report.changed.to_string(),
            report.sent.to_string(),
            report.unchanged.to_string(),
            (report.waiting + report.blocked).to_string(),
            report.refused.to_string(),
            report.counts.unreadable.to_string(),
            report.source_requests.to_string(),
            report.sink_requests.to_string(),
            format!("{seconds:.1}"),
        ]);
    }
    columns(&rows)
}

/// How an office will be read. Words to the left, as they are read.
pub(crate) fn plan(plan: &Plan) -> String {
    if plan.routes.is_empty() {
        return "nothing is left to read\n".to_owned();
    }
    let mut rows = vec![["what", "by", "requests", "why"].map(str::to_owned)];
    rows.extend(plan.routes.iter().map(|route| {
        // Where nothing was counted yet, nobody knows.
        let requests = route.requests.map_or("?".to_owned(), |n| n.to_string());
        let (what, by, why) = (route.what.clone(), route.by.clone(), route.why.clone());
        [what, by, requests, why]
    }));
    let widths = [0, 1, 2].map(|n| {
        let cells = rows.iter().filter_map(|row| row.get(n));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let [first, second, third] = widths;
    rows.iter()
        .map(|[what, by, requests, why]| {
            format!("  {what:<first$}  {by:<second$}  {requests:>third$}  {why}\n")
        })
        .collect()
}

/// Who was told and who was not, by rule: one column for each run.
pub(crate) fn told(runs: &[(&str, &RunReport)]) -> String {
    let heads = runs.iter().map(|(name, _)| (*name).to_owned());
    let mut rows = vec![[String::new()].into_iter().chain(heads).collect::<Vec<_>>()];
    let row = |name: &str, of: &dyn Fn(&RunReport) -> u64| {
        let cells = runs.iter().map(|(_, report)| of(report).to_string());
        [name.to_owned()]
            .into_iter()
            .chain(cells)
            .collect::<Vec<_>>()
    };
    rows.push(row("told", &|report| report.told));
    let rules: BTreeSet<Rule> = runs
        .iter()
        .flat_map(|(_, report)| report.untold.keys().copied())
        .collect();
    for rule in rules {
        let of = |report: &RunReport| report.untold.get(&rule).copied().unwrap_or(0);
        rows.push(row(rule.name(), &of));
    }
    columns(&rows)
}

/// The same of one run, on one line. Empty: nothing was to be told.
pub(crate) fn told_line(report: &RunReport, mode: odx_core::Mode) -> String {
    if report.told == 0 && report.untold.is_empty() {
        return String::new();
    }
    let verb = match mode {
        odx_core::Mode::Live => "told",
        odx_core::Mode::DryRun => "would tell",
    };
    let untold: Vec<_> = report
        .untold
        .iter()
        .map(|(rule, count)| format!("{count} {}", rule.name()))
        .collect();
    let mut line = format!("{verb} {}", report.told);
    if !untold.is_empty() {
        line.push_str(&format!("; not told: {}", untold.join(", ")));
    }
    line
}

/// What was left out, in words.
pub(crate) fn skipped(report: &RunReport) -> Vec<String> {
    report
        .skipped
        .iter()
        .map(|(why, count)| {
            let why = match why {
                Skip::PatientClosed => "patients archived, deceased or deleted",
                Skip::PatientNotActive => "recalls of patients who are not active",
                Skip::RecallDisabled => "recalls switched off by the practice",
                Skip::RecallSnoozed => "recalls hidden until a later day",
                Skip::RecallHeldForBalance => "recalls hidden until the balance falls",
                Skip::RecallScheduled => "recalls whose visit is booked",
                Skip::RecallWithoutDate => "recalls without a due date",
                Skip::RecallGone => "recalls removed by the practice",
                Skip::RecallKindIgnored => "recalls of a kind that is left alone",
            };
            format!("{count} {why}")
        })
        .collect()
}
