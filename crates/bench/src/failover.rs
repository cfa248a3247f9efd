//! How long writes pause when the leader goes: killed, or asked to stop, so that it can hand over.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    error::{BenchError, WriteError},
    statistics::longest_gap,
    systems::{Endpoint, KEYS, System, Writer},
};

/// A write not acknowledged by then is tried again, on a new connection.
const WRITE_DEADLINE: Duration = Duration::from_millis(50);
/// The same for the new connection; some systems commit a session for it.
const CONNECT_DEADLINE: Duration = Duration::from_millis(200);
/// Between attempts, so that a refusing port does not make the generator spin.
const RETRY_PAUSE: Duration = Duration::from_millis(2);
/// Writers work so long before the kill.
const BEFORE: Duration = Duration::from_secs(1);
/// Writes on their way at the kill may still be acknowledged for this long; what comes later is
/// the next leader's.
const IN_FLIGHT: Duration = Duration::from_millis(100);
/// Writers work so long after all are back, lest a second pause be missed.
const AFTER: Duration = Duration::from_secs(1);
/// A system that is not back by then has failed the trial.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a leader goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Departure {
    /// By `kill -9`.
    Killed,
    /// By SIGTERM, as `systemctl stop` asks.
    Asked,
}

/// One departure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trial {
    /// The longest time without an acknowledged write on any survivor.
    pub(crate) any: Duration,
    /// The longest time without one on the survivor that suffered most.
    pub(crate) every: Duration,
}

/// Takes the leader away under one writer per surviving member, and starts it again afterwards.
pub(crate) async fn trial(
    system: &mut dyn System,
    departure: Departure,
) -> Result<Trial, BenchError> {
    let name = system.kind().name();
    let leader = await_leader(system).await?;
    let survivors: Vec<usize> =
        (0..system.members().len()).filter(|member| *member != leader).collect();
    let begin = Instant::now();
    let (stop, stopped) = watch::channel(false);
    let mut writers = JoinSet::new();
    let mut last = Vec::new();
    for member in survivors {
        let (told, seen) = watch::channel(Duration::ZERO);
        last.push(seen);
        let endpoints = vec![system.endpoint(member)];
        writers.spawn(run_writer(endpoints, begin, told, stopped.clone()));
    }
    sleep(BEFORE).await;
    let gone = begin.elapsed();
    match departure {
        Departure::Killed => system.kill(leader),
        Departure::Asked => system.members_mut().ask_to_end(leader),
    }
    let back = async {
        for seen in &mut last {
            // A writer that is gone answers an error; its task's own error is reported below.
            let _ = seen.wait_for(|at| *at > gone + IN_FLIGHT).await;
        }
    };
    if timeout(PATIENCE, back).await.is_err() {
        let what = "writes after the leader's departure";
        let last = "no survivor or not every survivor acknowledges".to_owned();
        return Err(BenchError::Waited { system: name, what, waited: PATIENCE, last });
    }
    sleep(AFTER).await;
    stop.send_replace(true);
    let mut acknowledged = Vec::new();
    while let Some(finished) = writers.join_next().await {
        let failure = |error| BenchError::Client { system: name, source: WriteError::of(error) };
        acknowledged.push(finished.map_err(failure)?);
    }
    if departure == Departure::Asked {
        system.members_mut().await_end(leader, name, PATIENCE).await?;
    }
    system.restart(leader).await?;
    Ok(judge(acknowledged, gone))
}

fn judge(acknowledged: Vec<Vec<Duration>>, gone: Duration) -> Trial {
    let every = acknowledged.iter().map(|times| longest_gap(times, gone)).max();
    let mut all: Vec<Duration> = acknowledged.into_iter().flatten().collect();
    all.sort_unstable();
    Trial { any: longest_gap(&all, gone), every: every.unwrap_or_default() }
}

pub(crate) async fn await_leader(system: &mut dyn System) -> Result<usize, BenchError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let last = match timeout(Duration::from_secs(2), system.leader()).await {
            Ok(Ok(leader)) => return Ok(leader),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() >= until {
            let (system, waited) = (system.kind().name(), PATIENCE);
            return Err(BenchError::Waited { system, what: "a leader", waited, last });
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Writes until told to stop, after a failure to the next member; answers when its writes were
/// acknowledged.
pub(crate) async fn run_writer(
    mut endpoints: Vec<Arc<dyn Endpoint>>,
    begin: Instant,
    told: watch::Sender<Duration>,
    stopped: watch::Receiver<bool>,
) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut open: Option<Box<dyn Writer>> = None;
    let mut key = 0;
    while !*stopped.borrow() {
        let mut writer = match open.take() {
            Some(writer) => writer,
            None => match timeout(CONNECT_DEADLINE, endpoints[0].writer()).await {
                Ok(Ok(writer)) => writer,
                Ok(Err(_)) | Err(_) => {
                    endpoints.rotate_left(1);
                    sleep(RETRY_PAUSE).await;
                    continue;
                }
            },
        };
        key = (key + 1) % KEYS;
        if let Ok(Ok(())) = timeout(WRITE_DEADLINE, writer.write(key)).await {
            let at = begin.elapsed();
            times.push(at);
            told.send_replace(at);
            open = Some(writer);
        } else {
            endpoints.rotate_left(1);
            sleep(RETRY_PAUSE).await;
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_as_long_as_the_pause_of_the_first_and_of_the_last_survivor() {
        let ms = |values: &[u64]| values.iter().map(|it| Duration::from_millis(*it)).collect();
        let quick = ms(&[990, 999, 1500, 1501]);
        let slow = ms(&[995, 1003, 1800, 1801]);
        let trial = judge(vec![quick, slow], Duration::from_secs(1));
        assert_eq!(trial.any, Duration::from_millis(497), "1003 to 1500");
        assert_eq!(trial.every, Duration::from_millis(797), "1003 to 1800");
    }
}
