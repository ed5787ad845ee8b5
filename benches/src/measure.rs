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
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name stands in brackets and may hold blanks.
    let rest = stat.rsplit_once(')').ok_or("an odd /proc/self/stat")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |place: usize| -> Result<f64, Failure> {
        let field = fields.get(place).ok_or("a short /proc/self/stat")?;
        Ok(field.parse::<f64>()? / TICKS)
    };
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("no VmHWM in /proc/self/status")?;
    Ok(Cost {
        user: ticks(11)?,
        system: ticks(12)?,
        peak: peak.parse::<f64>()? / 1024.0,
    })
}
