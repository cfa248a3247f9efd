//! What processes use: processor time and memory, from `/proc`.

use std::{fs, time::Instant};

/// Processor time of a group of processes at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuReading {
    at: Instant,
    ticks: u64,
}

impl CpuReading {
    /// Reads it now. A process that is gone counts nothing.
    pub(crate) fn of(pids: &[u32]) -> Self {
        let ticks = pids.iter().filter_map(|pid| ticks(&format!("/proc/{pid}/stat"))).sum();
        Self { at: Instant::now(), ticks }
    }

    /// Reads it for this process.
    pub(crate) fn of_self() -> Self {
        Self { at: Instant::now(), ticks: ticks("/proc/self/stat").unwrap_or_default() }
    }

    /// Reads it for everything that runs on this machine.
    pub(crate) fn of_machine() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self { at: Instant::now(), ticks: parse_machine_ticks(&text).unwrap_or_default() }
    }

    /// Processor use since `earlier`, in percent of one core.
    #[expect(clippy::cast_precision_loss, reason = "a share in percent needs no more precision")]
    pub(crate) fn percent_since(&self, earlier: &Self) -> f64 {
        let seconds = self.at.duration_since(earlier.at).as_secs_f64();
        let used = self.ticks.saturating_sub(earlier.ticks) as f64
            / rustix::param::clock_ticks_per_second() as f64;
        if seconds > 0.0 { used / seconds * 100.0 } else { 0.0 }
    }
}

fn ticks(path: &str) -> Option<u64> {
    parse_ticks(&fs::read_to_string(path).ok()?)
}

/// User and system time, fields 14 and 15. The name before them may hold spaces and brackets.
fn parse_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The first line of `/proc/stat` but for idle time, waiting for disks, and the time of guests,
/// which is part of user time.
fn parse_machine_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> =
        line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let busy = fields.iter().enumerate().filter(|(place, _)| !matches!(place, 3 | 4 | 8 | 9));
    Some(busy.map(|(_, ticks)| ticks).sum())
}

/// Resident memory of a process, in MiB.
pub(crate) fn resident_mib(pid: u32) -> Option<f64> {
    parse_resident(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_a_strange_name() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 700 30 0 0 20 0 4 0";
        assert_eq!(parse_ticks(stat), Some(730));
        assert_eq!(parse_ticks("42 (a"), None);
    }

    #[test]
    fn a_busy_machine_is_one_that_neither_idles_nor_waits() {
        let stat = "cpu  100 20 30 9999 9999 4 5 6 50 0\ncpu0 1 2 3\n";
        assert_eq!(parse_machine_ticks(stat), Some(165));
        assert_eq!(parse_machine_ticks("intr 1"), None);
    }

    #[test]
    fn resident_memory_is_in_mebibytes() {
        assert_eq!(parse_resident("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2.0));
        assert_eq!(parse_resident("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_uses_time_and_memory() {
        let pid = std::process::id();
        assert!(ticks(&format!("/proc/{pid}/stat")).is_some());
        assert!(resident_mib(pid).unwrap() > 0.5);
    }
}
