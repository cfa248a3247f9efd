//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use crate::systems::Kind;

/// Measure Quorate, etcd and ZooKeeper side by side on this machine
///
/// Every system is a cluster of three members on loopback. The results are printed on stdout; what
/// is going on, on stderr. Debian's packages: etcd-server, zookeeper.
#[derive(Debug, Parser)]
#[command(name = "quorate-bench", version)]
pub(crate) struct Arguments {
    /// The systems to measure [default: those that are installed]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SYSTEM,..")]
    pub(crate) systems: Vec<Kind>,
    /// What to measure; `load` takes an hour and is measured only when it is named
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "PHASE,..",
        default_value = "footprint,writes,failover,handover,rolling,join,fleet"
    )]
    pub(crate) phases: Vec<Phase>,
    /// A few short measurements only: to see that everything works, not to believe the numbers
    #[arg(long)]
    pub(crate) quick: bool,
    /// Numbers of clients that write at once
    #[arg(long, value_delimiter = ',', value_name = "N,..", default_value = "1,16,64,256",
        value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) clients: Vec<u16>,
    /// Rounds of writes; in each, every system takes its turn [default: 3, quick: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: Option<u16>,
    /// Length of one measurement of writes, in seconds [default: 10, quick: 3]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: Option<u64>,
    /// Leaders to kill in each system [default: 10, quick: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    trials: Option<u16>,
    /// Rolling restarts of each system [default: 3, quick: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    restarts: Option<u16>,
    /// The state that a fourth master joins, in MB [default: 100, quick: 10]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(1..=2000))]
    state_mb: Option<u32>,
    /// Node managers on one leader [default: 10000, quick: 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    node_managers: Option<u32>,
    /// How long to watch masters under full processor load, in minutes [default: 60, quick: 1]
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=1440))]
    load_minutes: Option<u64>,
    /// How long to watch an idle cluster, in seconds [default: 30, quick: 5]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    idle_seconds: Option<u64>,
    /// The program to measure [default: build it, for release]
    #[arg(long, value_name = "FILE")]
    pub(crate) quorate: Option<PathBuf>,
    /// Where the members keep their files, on a real disk [default: beside this program]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// How to print the results
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    /// Also write docs/benchmarks.md; what stands there below the line "Notes" is kept
    #[arg(long, requires = "date")]
    pub(crate) write: bool,
    /// The day of the run, for the report
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) date: Option<String>,
}

impl Arguments {
    /// Rounds of writes.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 }).into()
    }

    /// Length of one measurement of writes.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(if self.quick { 3 } else { 10 }))
    }

    /// Leaders to kill.
    pub(crate) fn trials(&self) -> usize {
        self.trials.unwrap_or(if self.quick { 3 } else { 10 }).into()
    }

    /// Rolling restarts.
    pub(crate) fn restarts(&self) -> usize {
        self.restarts.unwrap_or(if self.quick { 1 } else { 3 }).into()
    }

    /// The size of the state that a fourth master joins, in MB.
    pub(crate) fn state_mb(&self) -> u32 {
        self.state_mb.unwrap_or(if self.quick { 10 } else { 100 })
    }

    /// Node managers on one leader.
    pub(crate) fn node_managers(&self) -> u32 {
        self.node_managers.unwrap_or(if self.quick { 200 } else { 10_000 })
    }

    /// How long to watch masters under full processor load, in minutes.
    pub(crate) fn load_minutes(&self) -> u64 {
        self.load_minutes.unwrap_or(if self.quick { 1 } else { 60 })
    }

    /// How long to watch an idle cluster.
    pub(crate) fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds.unwrap_or(if self.quick { 5 } else { 30 }))
    }

    /// Fresh clusters to start.
    pub(crate) fn starts(&self) -> usize {
        if self.quick { 1 } else { 5 }
    }

    /// How long a system that needs it works before it is measured.
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs(if self.quick { 5 } else { 15 })
    }
}

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Phase {
    /// Start to ready; processor and memory while idle.
    Footprint,
    /// Replicated writes.
    Writes,
    /// The pause after the leader's death.
    Failover,
    /// The pause when the leader is asked to stop.
    Handover,
    /// Every member restarted in turn.
    Rolling,
    /// A fourth master joins a large state (Quorate alone).
    Join,
    /// Many node managers on one leader (Quorate alone).
    Fleet,
    /// False elections while every core is busy (Quorate alone).
    Load,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_report_needs_a_date() {
        assert!(Arguments::try_parse_from(["bench", "--write"]).is_err());
        assert!(Arguments::try_parse_from(["bench", "--write", "--date", "2030-01-31"]).is_ok());
    }

    #[test]
    fn quick_is_shorter_unless_told_otherwise() {
        let parse = |words: &[&str]| Arguments::try_parse_from(words).unwrap();
        assert_eq!(parse(&["bench"]).rounds(), 3);
        let quick = parse(&["bench", "--quick", "--trials", "7", "--clients", "1,2"]);
        assert_eq!((quick.rounds(), quick.trials(), quick.clients), (1, 7, vec![1, 2]));
    }
}
