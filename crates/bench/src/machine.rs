//! The machine on which the numbers were seen, its disk measured in the same run.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{error::BenchError, statistics::percentile_ms, usage::CpuReading};

/// As much of a record as systems write at once.
const BLOCK: [u8; 4096] = [0x51; 4096];
const FLUSHES: usize = 1000;
/// How long to look whether others use the machine.
const LOOK: Duration = Duration::from_secs(2);

/// Processors, memory, kernel, disk.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// How many cores can be used.
    pub(crate) cores: usize,
    /// What the processor calls itself.
    pub(crate) processor: String,
    /// Memory in GiB.
    pub(crate) memory_gib: f64,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// Processor use before anything was started, in percent of one core: on a busy machine no
    /// number below means much.
    pub(crate) busy_before_percent: f64,
    /// An appended 4 KiB block and `fdatasync`: the median, in milliseconds.
    pub(crate) fdatasync_p50_ms: f64,
    /// The same: 99 of 100 are faster.
    pub(crate) fdatasync_p99_ms: f64,
}

impl Machine {
    /// Looks at this one; the disk is the one below `folder`.
    pub(crate) fn look(folder: &Path) -> Result<Self, BenchError> {
        let before = CpuReading::of_machine();
        thread::sleep(LOOK);
        let busy_before_percent = CpuReading::of_machine().percent_since(&before);
        let (fdatasync_p50_ms, fdatasync_p99_ms) =
            flush_times(&folder.join("flushes")).map_err(|source| BenchError::File {
                action: "flush a file in",
                path: folder.into(),
                source,
            })?;
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kib = field(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        Ok(Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            memory_gib: kib.unwrap_or_default() / 1024.0 / 1024.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            busy_before_percent,
            fdatasync_p50_ms,
            fdatasync_p99_ms,
        })
    }
}

fn flush_times(path: &Path) -> std::io::Result<(f64, f64)> {
    let mut file = File::create(path)?;
    let mut times = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        let begin = Instant::now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    fs::remove_file(path)?;
    times.sort();
    Ok((percentile_ms(&times, 50), percentile_ms(&times, 99)))
}
