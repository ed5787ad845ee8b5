//! The figures, side by side.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::measure::Cost;

/// One sync.
pub(crate) struct Line {
    pub(crate) people: u32,
    pub(crate) batch: usize,
    pub(crate) who: &'static str,
    pub(crate) round: usize,
    pub(crate) cost: Cost,
    pub(crate) requests: u64,
    pub(crate) writes: u64,
}

const ROUNDS: [&str; 3] = ["first sync", "again, nothing changed", "and again"];

impl Line {
    pub(crate) fn brief(&self) -> String {
        format!(
            "{} people, batches of {}, {}: {} in {:.2} s CPU",
            self.people,
            self.batch,
            ROUNDS.get(self.round).unwrap_or(&"later"),
            self.who,
            self.cost.cpu()
        )
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Medians by situation, odx beside the loop.
pub(crate) fn render(lines: &[Line]) -> String {
    let mut by: BTreeMap<(u32, usize, usize), BTreeMap<&str, Vec<&Line>>> = BTreeMap::new();
    for line in lines {
        by.entry((line.people, line.batch, line.round))
            .or_default()
            .entry(line.who)
            .or_default()
            .push(line);
    }
    let mut out = String::new();
    let mut row = |cells: [&str; 8]| {
        let [a, b, c, d, e, f, g, h] = cells;
        writeln!(
            out,
            "{a:>8} {b:>6}  {c:<24} {d:<11} {e:>9} {f:>7} {g:>9} {h:>9}"
        )
        .ok()
    };
    row([
        "people", "batch", "sync", "by", "CPU s", "ratio", "peak MB", "requests",
    ]);
    for ((people, batch, round), sides) in by {
        let cpu = |who: &str| {
            let side = sides.get(who)?;
            Some(median(side.iter().map(|line| line.cost.cpu()).collect()))
        };
        for (who, side) in &sides {
            let own = cpu(who).unwrap_or_default();
            let ratio = cpu("plain loop").filter(|plain| *plain > 0.0 && *who == "odx");
            let last = side.last();
            row([
                &people.to_string(),
                &batch.to_string(),
                ROUNDS.get(round).unwrap_or(&"later"),
                who,
                &format!("{own:.2}"),
                &ratio.map_or_else(String::new, |plain| format!("{:.2}", own / plain)),
                &format!(
                    "{:.0}",
                    median(side.iter().map(|line| line.cost.peak).collect())
                ),
                &last.map_or_else(String::new, |line| {
                    format!("{}+{}", line.requests, line.writes)
                }),
            ]);
        }
    }
    out.push_str("requests: those made + records written; ratio: CPU of odx / CPU of the loop\n");
    out
}
