//! Closed-loop writes: so many clients, each with one connection and one write in flight.

use std::{sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use crate::{
    error::{BenchError, WriteError},
    statistics::percentile_ms,
    systems::{Endpoint, KEYS, System, Writer},
    usage::CpuReading,
};

/// Clients run so long before anything is counted.
const RAMP: Duration = Duration::from_millis(300);
/// A client that lost its connection waits so long before it opens another.
const RETRY_PAUSE: Duration = Duration::from_millis(5);
/// An answer later than this after the end is not waited for.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// One measurement of one system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Acknowledged writes per second.
    pub(crate) per_second: f64,
    /// Half of the writes took no longer, in milliseconds.
    pub(crate) p50_ms: f64,
    /// 99 of 100 writes took no longer, in milliseconds.
    pub(crate) p99_ms: f64,
    /// Processor use of all members, in percent of one core.
    pub(crate) servers_cpu: f64,
    /// Processor use of this program, in percent of one core.
    pub(crate) generator_cpu: f64,
    /// Processor use of everything else on the machine, in percent of one core: much of it means
    /// that the sample is disturbed.
    pub(crate) others_cpu: f64,
    /// Writes that failed.
    pub(crate) failed: u64,
}

/// Writes every key once with a few clients, so that all systems change what exists.
pub(crate) async fn fill(system: &dyn System) -> Result<(), BenchError> {
    const CLIENTS: u64 = 48;
    let members = system.members().len() as u64;
    let clients = (0..CLIENTS).map(|client| {
        let endpoint = system.endpoint(usize::try_from(client % members).unwrap_or_default());
        async move {
            let mut writer = endpoint.writer().await?;
            for key in (client..KEYS).step_by(usize::try_from(CLIENTS).unwrap_or(1)) {
                writer.create(key).await?;
            }
            Ok::<(), WriteError>(())
        }
    });
    let filled = try_join_all(clients).await;
    filled.map(drop).map_err(|source| BenchError::Client { system: system.kind().name(), source })
}

/// Measures so many clients, spread over the members, for this long.
pub(crate) async fn measure(
    system: &dyn System,
    clients: usize,
    duration: Duration,
) -> Result<Sample, BenchError> {
    let kind = system.kind();
    let failure = |source| BenchError::Client { system: kind.name(), source };
    let mut writers = Vec::with_capacity(clients);
    for client in 0..clients {
        let endpoint = system.endpoint(client % system.members().len());
        writers.push((endpoint.writer().await.map_err(failure)?, endpoint));
    }
    let begin = Instant::now() + RAMP;
    let window = Window { begin, end: begin + duration };
    let mut tasks = JoinSet::new();
    for (client, (writer, endpoint)) in writers.into_iter().enumerate() {
        tasks.spawn(run_client(client as u64, writer, endpoint, window));
    }
    sleep_until(window.begin).await;
    let begin = Usage::read(system);
    sleep_until(window.end).await;
    let [servers_cpu, generator_cpu, machine_cpu] = Usage::read(system).percent_since(&begin);
    let (mut latencies, mut failed) = (Vec::new(), 0);
    while let Some(finished) = tasks.join_next().await {
        let tally = finished.map_err(|error| failure(WriteError::of(error)))?;
        latencies.extend(tally.latencies);
        failed += tally.failed;
    }
    latencies.sort_unstable();
    Ok(Sample {
        per_second: per_second(latencies.len(), duration),
        p50_ms: percentile_ms(&latencies, 50),
        p99_ms: percentile_ms(&latencies, 99),
        servers_cpu,
        generator_cpu,
        others_cpu: (machine_cpu - servers_cpu - generator_cpu).max(0.0),
        failed,
    })
}

/// Works the system with many clients for a while, so that its compiler has seen the code.
pub(crate) async fn warm_up(system: &dyn System, duration: Duration) -> Result<(), BenchError> {
    measure(system, 64, duration).await.map(drop)
}

#[expect(clippy::cast_precision_loss, reason = "no run makes 2^52 writes")]
fn per_second(writes: usize, duration: Duration) -> f64 {
    writes as f64 / duration.as_secs_f64()
}

/// Processor time of the members, of this program, and of the whole machine.
struct Usage([CpuReading; 3]);

impl Usage {
    fn read(system: &dyn System) -> Self {
        Self([system.members().cpu(), CpuReading::of_self(), CpuReading::of_machine()])
    }

    fn percent_since(&self, earlier: &Self) -> [f64; 3] {
        std::array::from_fn(|part| self.0[part].percent_since(&earlier.0[part]))
    }
}

/// When a write must be acknowledged in order to count.
#[derive(Debug, Clone, Copy)]
struct Window {
    begin: Instant,
    end: Instant,
}

#[derive(Debug, Default)]
struct Tally {
    latencies: Vec<Duration>,
    failed: u64,
}

async fn run_client(
    client: u64,
    mut writer: Box<dyn Writer>,
    endpoint: Arc<dyn Endpoint>,
    window: Window,
) -> Tally {
    let mut tally = Tally::default();
    // Clients begin far apart and step by a prime, so that they seldom meet on a key.
    let mut key = client * 7919 % KEYS;
    loop {
        let started = Instant::now();
        if started >= window.end {
            return tally;
        }
        key = (key + 101) % KEYS;
        let answer = timeout_at(window.end + LAST_ANSWER, writer.write(key)).await;
        let ended = Instant::now();
        if (window.begin..=window.end).contains(&ended) {
            match answer {
                Ok(Ok(())) => tally.latencies.push(ended - started),
                Ok(Err(_)) | Err(_) => tally.failed += 1,
            }
        }
        if !matches!(answer, Ok(Ok(()))) {
            sleep(RETRY_PAUSE).await;
            let Ok(Ok(opened)) = timeout_at(window.end, endpoint.writer()).await else {
                continue;
            };
            writer = opened;
        }
    }
}

/// The systems of one round, begun by another one each time: none is always the first.
pub(crate) fn turn<T>(systems: &mut [T], round: usize) {
    if round > 0 && !systems.is_empty() {
        systems.rotate_left(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_begins_with_another_system() {
        let mut systems = ["a", "b", "c"];
        let mut first = Vec::new();
        for round in 0..4 {
            turn(&mut systems, round);
            first.push(systems[0]);
        }
        assert_eq!(first, ["a", "b", "c", "a"]);
    }
}
