//! What an acknowledged write rests on, seen from outside: strace watches three masters, and
//! between a write's arrival and its answer there is a finished fdatasync on a majority of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use quorate_testkit::{ClusterBuilder, NodeHandle, ProcessCluster, Rest, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

/// Writes one after the other, each by itself.
const ALONE: usize = 12;
/// Writers at once, and how many writes each of them makes.
const WRITERS: usize = 24;
const EACH: usize = 8;
/// How often it is tried to see writes without a change of leader between them.
const ATTEMPTS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_on_the_disks_of_a_majority_before_it_is_answered() {
    let cluster = ClusterBuilder::new(env!("CARGO_BIN_EXE_quorate")).start().await;
    for through_leader in [true, false] {
        let (traces, asked, leader) = watched_writes(&cluster, through_leader).await;
        let expected = ALONE + WRITERS * EACH;
        let judged = judge(&traces, asked, leader).unwrap();
        println!("asked m{}, m{} leads: {judged:?}", asked + 1, leader + 1);
        assert_eq!(judged.answers, expected, "every write was seen");
        // Writes that come together are flushed together.
        assert!(judged.flushes_of_leader < expected, "{judged:?}");

        // It must be able to fail: the flushes of one master are no majority, nor are flushes that
        // end after the answers.
        let mut alone = traces.clone();
        let mut late = traces;
        for member in (0..alone.len()).filter(|member| *member != leader) {
            alone[member].flushes.clear();
            late[member].flushes.iter_mut().for_each(|flush| flush.end += 3600.0);
        }
        judge(&alone, asked, leader).unwrap_err();
        judge(&late, asked, leader).unwrap_err();
    }
}

/// Writes under strace, through the leader or another master; what each master did, who was
/// asked, who led.
async fn watched_writes(
    cluster: &ProcessCluster,
    through_leader: bool,
) -> (Vec<Trace>, usize, usize) {
    for _ in 0..ATTEMPTS {
        let leader = cluster.leader().await;
        let asked = if through_leader { leader } else { (leader + 1) % cluster.masters.len() };
        let folder = tempfile::tempdir().unwrap();
        let begin = |master: &NodeHandle| Watch::begin(master.pid().unwrap(), folder.path());
        let watches: Vec<Watch> = cluster.masters.iter().map(begin).collect();
        for watch in &watches {
            watch.await_attached().await;
        }
        let all = write(cluster, asked).await;
        let traces = watches.into_iter().map(Watch::end).collect();
        if all && cluster.leader().await == leader {
            return (traces, asked, leader);
        }
        // strace slows the masters down; on a busy machine a leader may be replaced for that.
    }
    panic!("the leader changed {ATTEMPTS} times");
}

/// Whether every write was acknowledged.
async fn write(cluster: &ProcessCluster, asked: usize) -> bool {
    let url = cluster.masters[asked].url();
    let mut all = true;
    for number in 0..ALONE {
        all &= put(&cluster.rest, &url, &format!("alone/{number}")).await;
    }
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (rest, url) = (cluster.rest.clone(), url.clone());
            tokio::spawn(async move {
                let mut all = true;
                for number in 0..EACH {
                    all &= put(&rest, &url, &format!("together/{writer}/{number}")).await;
                }
                all
            })
        })
        .collect();
    for writer in writers {
        all &= writer.await.unwrap();
    }
    all
}

async fn put(rest: &Rest, url: &str, key: &str) -> bool {
    let answer = rest.put_setting(url, key, &json!("v")).await.unwrap();
    answer.status == 200
}

/// strace on one process, a file for each of its threads.
struct Watch {
    strace: Child,
    prefix: PathBuf,
}

impl Watch {
    fn begin(pid: u32, folder: &Path) -> Self {
        let prefix = folder.join(format!("trace-{pid}"));
        let strace = Command::new("strace")
            .args(["-q", "-ff", "-ttt", "-T", "-s", "24"])
            .args(["-e", "trace=fdatasync,fsync,recvfrom,read,sendto,write,writev"])
            .args(["-e", "signal=none", "-o"])
            .arg(&prefix)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace is installed: cargo xtask test");
        Self { strace, prefix }
    }

    fn files(&self) -> Vec<PathBuf> {
        let name = self.prefix.file_name().unwrap().to_string_lossy().into_owned();
        let folder = fs::read_dir(self.prefix.parent().unwrap()).unwrap();
        folder
            .map(|file| file.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&name))
            .collect()
    }

    async fn await_attached(&self) {
        // Every master is busy with heartbeats all the time.
        eventually("the first line of strace", Duration::from_secs(30), || {
            let seen = self.files().iter().any(|path| fs::metadata(path).unwrap().len() > 0);
            async move { seen }
        })
        .await;
    }

    /// Lets go of the process and reads what was seen.
    fn end(mut self) -> Trace {
        let pid = Pid::from_raw(self.strace.id().cast_signed()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        self.strace.wait().unwrap();
        let mut trace = Trace::default();
        for file in self.files() {
            let text = fs::read(file).unwrap();
            String::from_utf8_lossy(&text).lines().for_each(|line| trace.take(line));
        }
        trace.flushes.sort_by(|one, other| one.begin.total_cmp(&other.begin));
        trace
    }
}

/// A system call that flushed a file, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Flush {
    begin: f64,
    end: f64,
}

/// What one master did: when writes arrived and were answered on each connection, by its file
/// descriptor, and when it flushed.
#[derive(Debug, Clone, Default)]
struct Trace {
    arrivals: BTreeMap<u32, Vec<f64>>,
    answers: BTreeMap<u32, Vec<f64>>,
    flushes: Vec<Flush>,
}

impl Trace {
    /// Takes in one line: `1700000000.000001 fdatasync(17)     = 0 <0.000321>`.
    fn take(&mut self, line: &str) {
        let mut parse = || {
            let (at, call) = line.split_once(' ')?;
            let begin: f64 = at.parse().ok()?;
            let (name, rest) = call.trim_start().split_once('(')?;
            let took = rest.rsplit_once('<').and_then(|(_, took)| took.strip_suffix('>'));
            // A call that strace let go of in the middle has no end: the last answer may be one.
            let took: Option<f64> = took.and_then(|took| took.parse().ok());
            let end = took.map(|took| begin + took);
            let digits = rest.split(|it: char| !it.is_ascii_digit()).next()?;
            let descriptor: u32 = digits.parse().ok()?;
            match name {
                "fdatasync" | "fsync" if rest.contains(" = 0 <") => {
                    self.flushes.push(Flush { begin, end: end? });
                }
                "recvfrom" | "read" if rest.contains("\"PUT /admin/api/settings") => {
                    self.arrivals.entry(descriptor).or_default().push(end?);
                }
                // From the moment the call begins, the client may have its answer.
                "sendto" | "write" | "writev" if rest.contains("\"HTTP/1.1 200") => {
                    self.answers.entry(descriptor).or_default().push(begin);
                }
                _ => {}
            }
            Some(())
        };
        // A thread that was cut off in the middle of a line said nothing more.
        let _ = parse();
    }

    fn flushed_within(&self, from: f64, until: f64) -> bool {
        self.flushes.iter().any(|flush| flush.begin >= from && flush.end <= until)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Judged {
    answers: usize,
    flushes_of_leader: usize,
}

/// Whether every answer of the master that was asked comes after a flush, begun after the write
/// had arrived, on a majority. It need not include the leader: a slow disk of its own does not hold
/// up what two others have.
fn judge(traces: &[Trace], asked: usize, leader: usize) -> Result<Judged, String> {
    let trace = &traces[asked];
    let mut answers = 0;
    for (descriptor, arrivals) in &trace.arrivals {
        let mut answered: Vec<f64> = trace.answers.get(descriptor).cloned().unwrap_or_default();
        let mut arrivals = arrivals.clone();
        arrivals.sort_by(f64::total_cmp);
        answered.sort_by(f64::total_cmp);
        // The connection may have carried other calls before.
        for arrived in arrivals {
            let Some(place) = answered.iter().position(|at| *at > arrived) else {
                return Err(format!("the write that arrived at {arrived:.6} has no answer"));
            };
            let at = answered.remove(place);
            answers += 1;
            let on: Vec<usize> = (0..traces.len())
                .filter(|member| traces[*member].flushed_within(arrived, at))
                .collect();
            if on.len() <= traces.len() / 2 {
                return Err(format!(
                    "answered at {at:.6}, arrived at {arrived:.6}, flushed only on {on:?}"
                ));
            }
        }
    }
    Ok(Judged { answers, flushes_of_leader: traces[leader].flushes.len() })
}

#[test]
fn a_trace_is_read_and_an_answer_before_the_second_flush_is_found() {
    let leader = "\
        10.000100 recvfrom(31, \"PUT /admin/api/settings/\"..., 8192, 0, NULL, NULL) = 321 <0.000010>\n\
        10.000300 fdatasync(17)      = 0 <0.000200>\n\
        10.001000 writev(31, [{iov_base=\"HTTP/1.1 200 OK\\r\\nconten\"..., iov_len=99}], 1 <detached ...>\n";
    let follower = "10.000400 fdatasync(12) = 0 <0.000300>\n";
    let late = "10.000400 fdatasync(12) = 0 <0.000700>\n";
    let failed = "10.000400 fdatasync(12) = -1 EIO (Input/output error) <0.000300>\n";
    let judged = |others: [&str; 2]| {
        let traces: Vec<Trace> = [leader, others[0], others[1]]
            .iter()
            .map(|text| {
                let mut trace = Trace::default();
                text.lines().for_each(|line| trace.take(line));
                trace
            })
            .collect();
        judge(&traces, 0, 0)
    };
    assert_eq!(judged([follower, ""]), Ok(Judged { answers: 1, flushes_of_leader: 1 }));
    assert_eq!(judged(["", follower]), Ok(Judged { answers: 1, flushes_of_leader: 1 }));
    for lazy in ["", late, failed] {
        assert!(judged([lazy, lazy]).is_err(), "{lazy}");
    }
}
