//! From the first command to a ready cluster, and what it uses while nobody asks for anything.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{error::BenchError, systems::System, usage::CpuReading};

/// After the start, before anything is called idle.
const SETTLE: Duration = Duration::from_secs(3);

/// What one started cluster needs.
#[derive(Debug, Clone)]
pub(crate) struct Idle {
    /// Processor use of each member, in percent of one core.
    pub(crate) cpu: Vec<f64>,
    /// Resident memory of each member, in MiB.
    pub(crate) resident_mib: Vec<f64>,
}

/// Starts a fresh cluster; answers the seconds until every member acknowledged a write.
pub(crate) async fn start(system: &mut dyn System) -> Result<f64, BenchError> {
    let begin = Instant::now();
    system.start().await?;
    Ok(begin.elapsed().as_secs_f64())
}

/// Watches a started cluster do nothing for this long.
pub(crate) async fn idle(system: &dyn System, duration: Duration) -> Idle {
    sleep(SETTLE).await;
    let read = || -> Vec<CpuReading> {
        system.members().pids().into_iter().map(|pid| CpuReading::of(&[pid])).collect()
    };
    let before = read();
    sleep(duration).await;
    let cpu = read().iter().zip(&before).map(|(now, before)| now.percent_since(before)).collect();
    Idle { cpu, resident_mib: system.members().resident_mib() }
}
