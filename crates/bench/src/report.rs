//! What was measured, as a value; `render.rs` shows it to people.

use serde::Serialize;

use crate::{
    failover::Trial,
    fleet::Fleet,
    footprint::Idle,
    join::Joined,
    load::Loaded,
    machine::Machine,
    rolling::{By, Rolled},
    statistics::Spread,
    systems::Kind,
    workload::Sample,
};

/// All results of one run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// The day of the run, as given.
    pub(crate) date: Option<String>,
    /// Where it was.
    pub(crate) machine: Machine,
    /// How it was done.
    pub(crate) method: Method,
    /// What was measured, and its versions.
    pub(crate) systems: Vec<SystemVersion>,
    /// Start and idle.
    pub(crate) footprint: Vec<FootprintResult>,
    /// Replicated writes.
    pub(crate) writes: Vec<WritesResult>,
    /// The leader's death.
    pub(crate) failover: Vec<FailoverResult>,
    /// The leader asked to stop.
    pub(crate) handover: Vec<FailoverResult>,
    /// Rolling restarts.
    pub(crate) rolling: Vec<RollingResult>,
    /// A fourth master.
    pub(crate) join: Option<Joined>,
    /// Many node managers.
    pub(crate) fleet: Option<Fleet>,
    /// Busy neighbours.
    pub(crate) load: Option<Loaded>,
}

/// The sizes of the run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Method {
    /// Rounds of writes.
    pub(crate) rounds: usize,
    /// Length of one measurement of writes.
    pub(crate) seconds: u64,
    /// Bytes of every value.
    pub(crate) value_bytes: usize,
    /// How many different keys.
    pub(crate) keys: u64,
    /// Warm-up of systems that need it.
    pub(crate) warm_up_seconds: u64,
    /// Leaders killed in each system.
    pub(crate) trials: usize,
    /// Fresh clusters started, of each size.
    pub(crate) starts: usize,
    /// How long idle clusters were watched.
    pub(crate) idle_seconds: u64,
}

/// A system and its version.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SystemVersion {
    /// The system.
    pub(crate) system: Kind,
    /// Its version in its own words.
    pub(crate) version: String,
}

/// Writes of one system at one number of clients, over all rounds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WritesResult {
    /// The system.
    pub(crate) system: Kind,
    /// Clients that wrote at once.
    pub(crate) clients: usize,
    /// Acknowledged writes per second.
    pub(crate) per_second: Spread,
    /// Median latency of each round.
    pub(crate) p50_ms: Spread,
    /// The latency that 99 of 100 did not exceed, of each round.
    pub(crate) p99_ms: Spread,
    /// Processor use of all members, in percent of one core.
    pub(crate) servers_cpu_percent: Spread,
    /// Processor use of the generator, in percent of one core.
    pub(crate) generator_cpu_percent: Spread,
    /// Processor use of everything else on the machine, in percent of one core.
    pub(crate) others_cpu_percent: Spread,
    /// Writes that failed, in all rounds.
    pub(crate) failed: u64,
}

impl WritesResult {
    /// Of at least one sample.
    pub(crate) fn of(system: Kind, clients: usize, samples: &[Sample]) -> Option<Self> {
        let spread =
            |field: fn(&Sample) -> f64| Spread::of(&samples.iter().map(field).collect::<Vec<_>>());
        Some(Self {
            system,
            clients,
            per_second: spread(|sample| sample.per_second)?,
            p50_ms: spread(|sample| sample.p50_ms)?,
            p99_ms: spread(|sample| sample.p99_ms)?,
            servers_cpu_percent: spread(|sample| sample.servers_cpu)?,
            generator_cpu_percent: spread(|sample| sample.generator_cpu)?,
            others_cpu_percent: spread(|sample| sample.others_cpu)?,
            failed: samples.iter().map(|sample| sample.failed).sum(),
        })
    }
}

/// The pauses of one system.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailoverResult {
    /// The system.
    pub(crate) system: Kind,
    /// How many leaders went.
    pub(crate) trials: usize,
    /// Seconds until any survivor acknowledged writes again.
    pub(crate) any_survivor_seconds: Spread,
    /// Seconds until every survivor did.
    pub(crate) every_survivor_seconds: Spread,
}

impl FailoverResult {
    /// Of at least one trial.
    pub(crate) fn of(system: Kind, trials: &[Trial]) -> Option<Self> {
        let spread =
            |field: fn(&Trial) -> f64| Spread::of(&trials.iter().map(field).collect::<Vec<_>>());
        Some(Self {
            system,
            trials: trials.len(),
            any_survivor_seconds: spread(|trial| trial.any.as_secs_f64())?,
            every_survivor_seconds: spread(|trial| trial.every.as_secs_f64())?,
        })
    }
}

/// Start and idle of one system at one size.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FootprintResult {
    /// The system.
    pub(crate) system: Kind,
    /// Members of the cluster.
    pub(crate) members: usize,
    /// Seconds from the first command to the last member's first acknowledged write.
    pub(crate) ready_seconds: Spread,
    /// Processor use of each idle member, in percent of one core.
    pub(crate) idle_cpu_percent: Spread,
    /// Resident memory of each idle member, in MiB.
    pub(crate) resident_mib: Spread,
}

impl FootprintResult {
    /// Of at least one start and the idle cluster after the last one.
    pub(crate) fn of(system: Kind, members: usize, ready: &[f64], idle: &Idle) -> Option<Self> {
        Some(Self {
            system,
            members,
            ready_seconds: Spread::of(ready)?,
            idle_cpu_percent: Spread::of(&idle.cpu)?,
            resident_mib: Spread::of(&idle.resident_mib)?,
        })
    }
}

/// Rolling restarts of one system.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RollingResult {
    /// The system.
    pub(crate) system: Kind,
    /// Who restarted the members.
    pub(crate) by: By,
    /// How many rolling restarts.
    pub(crate) restarts: usize,
    /// Seconds from the first stop until the last member acknowledged a write.
    pub(crate) seconds: Spread,
    /// The longest time without an acknowledged write, in seconds.
    pub(crate) pause_seconds: Spread,
}

impl RollingResult {
    /// Of at least one rolling restart.
    pub(crate) fn of(system: Kind, by: By, restarts: &[Rolled]) -> Option<Self> {
        let spread =
            |field: fn(&Rolled) -> f64| Spread::of(&restarts.iter().map(field).collect::<Vec<_>>());
        Some(Self {
            system,
            by,
            restarts: restarts.len(),
            seconds: spread(|restart| restart.took.as_secs_f64())?,
            pause_seconds: spread(|restart| restart.pause.as_secs_f64())?,
        })
    }
}
