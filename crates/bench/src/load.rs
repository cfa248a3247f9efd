//! An hour of full processor load: a healthy leader is not to be voted out by busy neighbours.

use std::{
    num::NonZero,
    path::Path,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    error::{BenchError, WriteError},
    failover::{await_leader, run_writer},
    process::{Process, clean_command},
    progress::progress,
    statistics::{longest_gap, number},
    systems::{Quorate, System},
    usage::CpuReading,
};

const NAME: &str = "Quorate";
/// Loops that do nothing but use the processor, for every core.
const BURNERS_PER_CORE: usize = 2;
/// How often the term is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often that is said.
const SAY_EVERY: Duration = Duration::from_secs(300);
/// How long the writer's task may take to end.
const LAST_WRITE: Duration = Duration::from_secs(30);

/// What happened under load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Loaded {
    /// How long, in minutes.
    pub(crate) minutes: u64,
    /// Loops that used the processor beside the masters, at the same priority.
    pub(crate) burners: usize,
    /// Processor use of the whole machine, in percent of one core.
    pub(crate) machine_cpu: f64,
    /// Processor use of the three masters, in percent of one core.
    pub(crate) masters_cpu: f64,
    /// Elections: by how much the term grew. Nothing died, so every one is a false one.
    pub(crate) elections: u64,
    /// Acknowledged writes.
    pub(crate) writes: usize,
    /// The longest time without one, in seconds.
    pub(crate) longest_pause: f64,
}

/// Watches three masters on their default settings among busy neighbours.
pub(crate) async fn measure(
    system: &mut Quorate,
    folder: &Path,
    minutes: u64,
) -> Result<Loaded, BenchError> {
    system.start().await?;
    await_leader(system).await?;
    let failure = |source| BenchError::Client { system: NAME, source };
    let first = system.term().await.map_err(failure)?;
    let cores = available_parallelism().map_or(1, NonZero::get);
    let burners = (0..cores * BURNERS_PER_CORE)
        .map(|number| {
            let mut command = clean_command("sh");
            command.args(["-c", "while :; do :; done"]);
            Process::start(command, &folder.join(format!("burner-{number}.log")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let (stop, stopped) = watch::channel(false);
    let (told, _seen) = watch::channel(Duration::ZERO);
    let endpoints = (0..system.members().len()).map(|it| system.endpoint(it)).collect();
    let writer = tokio::spawn(run_writer(endpoints, tokio::time::Instant::now(), told, stopped));
    let begin = Instant::now();
    let before = [CpuReading::of_machine(), system.members().cpu()];
    let (mut last, mut said) = (first, Instant::now());
    let whole = Duration::from_secs(minutes * 60);
    while begin.elapsed() < whole {
        sleep(LOOK_EVERY).await;
        system.members_mut().check(NAME)?;
        // On a machine this busy an answer may be late; the next one says the same.
        last = system.term().await.unwrap_or(last);
        if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            let passed = number(begin.elapsed().as_secs_f64() / 60.0, 0);
            progress(&format!("{passed} minutes under load, {} elections", last - first));
        }
    }
    let machine_cpu = CpuReading::of_machine().percent_since(&before[0]);
    let masters_cpu = system.members().cpu().percent_since(&before[1]);
    stop.send_replace(true);
    let times = timeout(LAST_WRITE, writer)
        .await
        .map_err(|_| failure(WriteError("the writer does not end".to_owned())))?
        .map_err(|error| failure(WriteError::of(error)))?;
    let term = system.term().await.map_err(failure)?;
    Ok(Loaded {
        minutes,
        burners: burners.len(),
        machine_cpu,
        masters_cpu,
        elections: term - first,
        writes: times.len(),
        longest_pause: longest_gap(&times, Duration::ZERO).as_secs_f64(),
    })
}
