//! What this process has cost so far, as the kernel counts it.

use serde::{Deserialize, Serialize};

use crate::Failure;

/// CPU time and peak memory of one process.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Seconds of CPU time in the program.
    pub(crate) user: f64,
    /// Seconds of CPU time in the kernel for it.
    pub(crate) system: f64,
    /// Megabytes, at the most.
    pub(crate) peak: f64,
}

impl Cost {
    /// Seconds of CPU time.
    pub(crate) fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

/// Clock ticks a second: fixed by Linux for what it tells programs.
const TICKS: f64 = 100.0;

/// Reads `/proc/self`: there is no other way without unsafe code.
pub(crate) fn so_far() -> Result<Cost, Failure> {
    let (user, system) = cpu(&std::fs::read_to_string("/proc/self/stat")?)?;
    let peak = peak(&std::fs::read_to_string("/proc/self/status")?)?;
    Ok(Cost { user, system, peak })
}

/// Seconds of CPU time, in the program and in the kernel, as `stat` tells them.
fn cpu(stat: &str) -> Result<(f64, f64), Failure> {
    // The name stands in brackets and may hold blanks and brackets itself.
    let rest = stat.rsplit_once(')').ok_or("an odd /proc/self/stat")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let seconds = |place: usize| -> Result<f64, Failure> {
        let field = fields.get(place).ok_or("a short /proc/self/stat")?;
        Ok(field.parse::<f64>()? / TICKS)
    };
    Ok((seconds(11)?, seconds(12)?))
}

/// Megabytes at the most, as `status` tells them.
fn peak(status: &str) -> Result<f64, Failure> {
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("no VmHWM in /proc/self/status")?;
    Ok(kilobytes.parse::<f64>()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "41 (a (b) c) S 1 41 41 0 -1 4194304 5 6 7 8 250 75 9 9 20 0 3 0 100 1000 10";
    const STATUS: &str =
        "Name:\tbenches\nVmPeak:\t  99999 kB\nVmHWM:\t   10240 kB\nVmRSS:\t 5 kB\n";

    #[test]
    fn cpu_time_is_the_14th_and_15th_field_whatever_the_name_holds() {
        assert_eq!(cpu(STAT).unwrap(), (2.5, 0.75));
    }

    #[test]
    fn the_time_of_children_is_not_counted() {
        let with_children = STAT.replace(" 9 9 ", " 900 900 ");
        assert_ne!(with_children, STAT);
        assert_eq!(cpu(&with_children).unwrap(), cpu(STAT).unwrap());
    }

    #[test]
    fn the_peak_is_of_memory_in_use_not_of_addresses() {
        assert!((peak(STATUS).unwrap() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn what_the_kernel_does_not_say_is_a_failure_and_not_nothing() {
        for odd in [
            "",
            "41 benches S 1",
            "41 (benches) S 1",
            "41 (b) S 1 2 3 4 5 6 7 8 9 10 x y",
        ] {
            assert!(cpu(odd).is_err(), "{odd}");
        }
        for odd in ["", "VmPeak:\t9 kB\n", "VmHWM:\n", "VmHWM:\t? kB\n"] {
            assert!(peak(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn this_process_has_used_memory_and_no_less_cpu_time_than_before() {
        let before = so_far().unwrap();
        let after = so_far().unwrap();
        assert!(before.peak > 0.0);
        assert!(after.cpu() >= before.cpu() && after.peak >= before.peak);
    }

    #[test]
    fn a_cost_reads_back_from_the_line_it_is_printed_as() {
        let cost = Cost {
            user: 1.25,
            system: 0.5,
            peak: 17.0,
        };
        let line = serde_json::to_string(&cost).unwrap();
        let read: Cost = serde_json::from_str(&line).unwrap();
        assert_eq!((read.user, read.system, read.peak), (1.25, 0.5, 17.0));
        assert_eq!(read.cpu(), 1.75);
    }
}
