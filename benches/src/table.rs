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

/// The one in the middle, or halfway between the two that are. Of none: 0.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or_default();
    if values.len().is_multiple_of(2) {
        let lower = middle.checked_sub(1).and_then(|place| values.get(place));
        lower.map_or(upper, |lower| f64::midpoint(*lower, upper))
    } else {
        upper
    }
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
            "{a:>8} {b:>6}  {c:<24} {d:<11} {e:>9} {f:>7} {g:>9} {h:>15}"
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(who: &'static str, round: usize, cpu: f64, peak: f64) -> Line {
        Line {
            people: 5000,
            batch: 100,
            who,
            round,
            cost: Cost {
                user: cpu,
                system: 0.0,
                peak,
            },
            requests: 112,
            writes: 10_000,
        }
    }

    fn cells(table: &str) -> Vec<Vec<&str>> {
        table
            .lines()
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|cell| !cell.is_empty())
                    .collect()
            })
            .collect()
    }

    #[test]
    fn a_median_is_the_middle_one_whatever_the_order() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![7.0]), 7.0);
    }

    #[test]
    fn a_median_of_an_even_number_lies_halfway() {
        assert_eq!(median(vec![4.0, 1.0, 100.0, 2.0]), 3.0);
    }

    #[test]
    fn a_median_of_nothing_is_nothing() {
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn one_slow_run_moves_neither_time_nor_ratio_nor_memory() {
        let lines = [
            line("plain loop", 0, 1.0, 10.0),
            line("odx", 0, 2.0, 20.0),
            line("plain loop", 0, 1.0, 10.0),
            line("odx", 0, 99.0, 99.0),
            line("plain loop", 0, 50.0, 50.0),
            line("odx", 0, 2.0, 20.0),
        ];
        let table = render(&lines);
        let rows = cells(&table);
        assert_eq!(
            rows[1],
            [
                "5000",
                "100",
                "first sync",
                "odx",
                "2.00",
                "2.00",
                "20",
                "112+10000"
            ]
        );
        assert_eq!(
            rows[2],
            [
                "5000",
                "100",
                "first sync",
                "plain loop",
                "1.00",
                "10",
                "112+10000"
            ]
        );
        assert_eq!(rows.len(), 4, "{table}");
    }

    #[test]
    fn situations_are_apart_and_in_order() {
        let mut large = line("odx", 0, 1.0, 1.0);
        large.people = 20_000;
        let mut single = line("odx", 0, 1.0, 1.0);
        single.batch = 1;
        let again = line("odx", 1, 1.0, 1.0);
        let first = line("odx", 0, 1.0, 1.0);
        let table = render(&[large, again, first, single]);
        let rows = cells(&table);
        let situations: Vec<_> = rows[1..5].iter().map(|row| &row[..3]).collect();
        assert_eq!(
            situations,
            [
                ["5000", "1", "first sync"],
                ["5000", "100", "first sync"],
                ["5000", "100", "again, nothing changed"],
                ["20000", "100", "first sync"],
            ]
        );
    }

    #[test]
    fn there_is_no_ratio_to_a_loop_that_did_not_run_or_took_no_time() {
        for lines in [
            vec![line("odx", 0, 2.0, 20.0)],
            vec![line("odx", 0, 2.0, 20.0), line("plain loop", 0, 0.0, 10.0)],
        ] {
            let table = render(&lines);
            assert_eq!(cells(&table)[1].len(), 7, "{table}");
            assert!(!table.contains("inf") && !table.contains("NaN"), "{table}");
        }
    }

    #[test]
    fn columns_stand_under_their_names() {
        let table = render(&[line("odx", 2, 12.5, 31.0), line("plain loop", 2, 4.0, 9.0)]);
        let rows: Vec<_> = table.lines().take(3).collect();
        let ends = |row: &str, word: &str| row.find(word).map(|at| at + word.len());
        assert_eq!(ends(rows[0], "CPU s"), ends(rows[1], "12.50"));
        assert_eq!(ends(rows[0], "ratio"), ends(rows[1], "3.12"));
        assert_eq!(ends(rows[0], "peak MB"), ends(rows[1], "31"));
        assert_eq!(rows[0].find("by"), rows[2].find("plain loop"));
    }

    #[test]
    fn a_line_says_who_did_what_in_which_time() {
        assert_eq!(
            line("odx", 0, 0.333, 20.0).brief(),
            "5000 people, batches of 100, first sync: odx in 0.33 s CPU"
        );
    }
}
