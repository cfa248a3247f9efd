//! A fourth master joins a large state: from its `join` until it holds what the leader holds.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::sleep;

use crate::{
    error::BenchError,
    systems::{Quorate, System},
};

/// The size of each value that makes the state large.
const VALUE_BYTES: u32 = 8192;
/// How long the newcomer may take.
const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(20);

/// One fourth master.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Joined {
    /// The size of all values, in MB.
    pub(crate) state_mb: u32,
    /// Seconds of its `join` command: token checked, certificate signed, identity stored.
    pub(crate) enrolled: f64,
    /// Seconds from its start until the leader calls it level.
    pub(crate) level: f64,
    /// Processor seconds of all four from its start until then.
    pub(crate) processor: f64,
}

/// Fills a fresh cluster and lets another master join it.
pub(crate) async fn measure(system: &mut Quorate, state_mb: u32) -> Result<Joined, BenchError> {
    system.start().await?;
    let values = u64::from(state_mb) * 1_000_000 / u64::from(VALUE_BYTES);
    system.fill(values, VALUE_BYTES as usize).await?;
    let begin = Instant::now();
    let member = system.join_another().await?;
    let enrolled = begin.elapsed().as_secs_f64();
    let (begin, before) = (Instant::now(), system.members().cpu());
    system.launch(member)?;
    let name = format!("m{}", member + 1);
    let mut last = String::new();
    loop {
        let masters = system.masters().await.unwrap_or_default();
        let newcomer = masters.iter().find(|master| master["name"] == name.as_str());
        if let Some(newcomer) = newcomer {
            // It stays a learner: four voters would tolerate no more deaths than three.
            if newcomer["ready"] == true && newcomer["role"] != "joining" {
                break;
            }
            last = newcomer.to_string();
        }
        system.members_mut().check("Quorate")?;
        if begin.elapsed() > PATIENCE {
            let what = "the fourth master to be level";
            return Err(BenchError::Waited { system: "Quorate", what, waited: PATIENCE, last });
        }
        sleep(POLL).await;
    }
    let level = begin.elapsed().as_secs_f64();
    let percent = system.members().cpu().percent_since(&before);
    Ok(Joined { state_mb, enrolled, level, processor: percent / 100.0 * level })
}
