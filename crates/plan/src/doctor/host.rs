//! What every host is asked for: disks, permissions, certificates, limits, the time.

use std::time::Duration;

use quorate_model::{FolderFacts, HostCheckup, Timestamp};

use super::{
    Check, Finding, Repair, Severity,
    finding::{CERTIFICATES, CORE_DUMPS, DISK_SPACE, OPEN_FILES, PERMISSIONS, TIME_SYNC, WRITES},
    look::Look,
};

const MIB: u64 = 1024 * 1024;
/// Less free than this is a problem, in bytes: a log that is being compacted needs about as much.
const SPACE_PROBLEM: u64 = 256 * MIB;
/// Less free than this is worth a warning, in bytes.
const SPACE_WARNING: u64 = 1024 * MIB;
/// A sync as slow as this delays an election: half of the shortest time in which one may begin is
/// 60 ms, and a vote is written before it is given. In microseconds.
const SYNC_WARNING_US: u64 = 100_000;
/// When every second write takes longer than the longest election timeout (240 ms), leaders change
/// for no other reason. In microseconds.
const SYNC_PROBLEM_US: u64 = 240_000;
/// Fewer open files than this are soon used up by a few hundred connections and the log.
const OPEN_FILES_LEAST: u64 = 4096;
/// What is not older than this was seen just now.
const JUST_NOW: Duration = Duration::from_secs(5);
const DAY_MS: u64 = 24 * 3600 * 1000;

/// A host, as it was last looked at.
pub(super) struct Host<'a> {
    /// Its node, as people call it.
    pub(super) name: String,
    /// Whether the cluster's changes are written there.
    pub(super) is_master: bool,
    /// When it looked, unless it was asked just now.
    pub(super) look: Option<Look>,
    /// What was seen.
    pub(super) facts: &'a HostCheckup,
}

pub(super) fn findings(now: Timestamp, hosts: &[Host<'_>]) -> Vec<Finding> {
    let judge = |check: &Check,
                 has_said: &dyn Fn(&HostCheckup) -> bool,
                 judge: &dyn Fn(&Host<'_>) -> Vec<Finding>,
                 well: &str| {
        let said: Vec<&Host<'_>> = hosts.iter().filter(|host| has_said(host.facts)).collect();
        let count = match said.len() {
            0 => return check.unknown("nothing is known of this: no host was looked at for it"),
            1 => "one host".to_owned(),
            many => format!("{many} hosts"),
        };
        let found = said.into_iter().flat_map(|host| aged(judge(host), host)).collect();
        check.or_ok(found, format!("{well} ({count})"))
    };
    let disks = |facts: &HostCheckup| facts.folders.iter().any(holds_data);
    let modes = |facts: &HostCheckup| !facts.folders.is_empty() || !facts.secret_files.is_empty();
    [
        judge(&WRITES, &|it| !it.sync_us.is_empty(), &syncs, "small writes are synced in time"),
        judge(
            &DISK_SPACE,
            &disks,
            &|it| space(&it.name, it.facts),
            "there is space on every data folder",
        ),
        judge(
            &PERMISSIONS,
            &modes,
            &|it| permissions(&it.name, it.facts),
            "folders and keys are for their owner only",
        ),
        judge(
            &CERTIFICATES,
            &|it| it.certificate_until.is_some(),
            &|it| certificate(now, &it.name, it.facts),
            "no certificate of a node ends soon",
        ),
        judge(
            &OPEN_FILES,
            &|it| it.open_files.is_some(),
            &|it| open_files(&it.name, it.facts),
            "enough files may be open",
        ),
        judge(
            &CORE_DUMPS,
            &|it| it.core_bytes.is_some(),
            &|it| core_dumps(&it.name, it.facts),
            "no core dump is written",
        ),
        time_sync(hosts),
    ]
    .concat()
}

/// What rests on a look of some time ago says so; writes say it themselves.
fn aged(mut findings: Vec<Finding>, host: &Host<'_>) -> Vec<Finding> {
    if let Some(look) = host.look {
        for finding in findings.iter_mut().filter(|it| it.id != WRITES.id) {
            finding.seen = format!("{}; it looked {}", finding.seen, look.ago());
        }
    }
    findings
}

pub(super) fn millis(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}

fn syncs(host: &Host<'_>) -> Vec<Finding> {
    let mut sorted = host.facts.sync_us.clone();
    sorted.sort_unstable();
    let Some(median) = sorted.get(sorted.len() / 2).copied() else { return Vec::new() };
    let when = match host.look {
        Some(look) if look.at_least >= JUST_NOW => look.ago(),
        _ => "just now".to_owned(),
    };
    let worst = sorted.last().copied().unwrap_or(0);
    let what = format!("{} small writes {when}", sorted.len());
    let mut found = slow(&host.name, &what, median, worst);
    if !host.is_master {
        for finding in &mut found {
            // No acknowledgement and no election waits for this disk.
            finding.severity = Severity::Warning;
            finding.seen.push_str("; no master writes there, but what runs there waits for it");
        }
    }
    found
}

/// Judges how long writes with `fdatasync` take: half of them, and nearly all.
pub(super) fn slow(name: &str, what: &str, half_us: u64, most_us: u64) -> Vec<Finding> {
    let seen = format!(
        "{name}: {what} took {} at the median and {} at worst",
        millis(half_us),
        millis(most_us)
    );
    let fix =
        format!("put the data folder of {name} on a disk of its own; see who writes: iostat -x 1");
    if half_us > SYNC_PROBLEM_US {
        vec![WRITES.problem(name, seen, &fix)]
    } else if most_us > SYNC_WARNING_US {
        vec![WRITES.warning(name, seen, &fix)]
    } else {
        Vec::new()
    }
}

/// Whether data or logs of the node lie there, on a disk whose size is known.
fn holds_data(folder: &FolderFacts) -> bool {
    folder.total_bytes > 0 && (folder.what == "data" || folder.what == "log")
}

fn space(name: &str, host: &HostCheckup) -> Vec<Finding> {
    let mut found = Vec::new();
    let folders = host.folders.iter().filter(|it| holds_data(it));
    for FolderFacts { what, path, free_bytes, total_bytes, free_files, total_files, .. } in folders
    {
        let percent = free_bytes.saturating_mul(100) / total_bytes;
        let seen = format!(
            "{name}: {} MiB of {} MiB ({percent} %) are free on the disk of the {what} folder {path}",
            free_bytes / MIB,
            total_bytes / MIB
        );
        let fix =
            format!("free space on {name}; see what takes it: du -xh {path} | sort -h | tail");
        if *free_bytes < SPACE_PROBLEM || percent < 2 {
            found.push(DISK_SPACE.problem(name, seen, &fix));
        } else if *free_bytes < SPACE_WARNING || percent < 10 {
            found.push(DISK_SPACE.warning(name, seen, &fix));
        }
        if *total_files > 0 && free_files.saturating_mul(100) / total_files < 5 {
            let seen =
                format!("{name}: only {free_files} more files can be made on the disk of {path}");
            let fix =
                format!("remove small files on {name}: du --inodes -x {path} | sort -n | tail");
            found.push(DISK_SPACE.warning(name, seen, &fix));
        }
    }
    found
}

fn permissions(name: &str, host: &HostCheckup) -> Vec<Finding> {
    let mut found = Vec::new();
    for folder in &host.folders {
        // The group may be given a look at logs and configuration; data is for the owner. What lies
        // in the run folder is closed by itself.
        let closed: u32 = match folder.what.as_str() {
            "data" => 0o077,
            "run" => 0o022,
            _ => 0o027,
        };
        if let Some(finding) =
            too_open(name, &format!("{} folder", folder.what), &folder.path, folder.mode, closed)
        {
            found.push(finding);
        }
    }
    for file in &host.secret_files {
        if let Some(finding) = too_open(name, &file.what, &file.path, file.mode, 0o077) {
            found.push(finding);
        }
    }
    found
}

/// Others are a problem, the group is a warning.
fn too_open(name: &str, what: &str, path: &str, mode: u32, closed: u32) -> Option<Finding> {
    let excess = mode & closed;
    if excess == 0 {
        return None;
    }
    let wanted = mode & 0o7777 & !closed;
    let who = if excess & 0o007 != 0 { "everybody on the host" } else { "its group" };
    let can = if excess & 0o022 != 0 { "write to" } else { "read" };
    let seen = format!("{name}: {who} may {can} the {what} {path} (mode {:04o})", mode & 0o7777);
    let fix = format!("on {name}: chmod {wanted:04o} {path}; or there: quorate doctor --fix");
    let severity = if excess & 0o007 != 0 { Severity::Problem } else { Severity::Warning };
    Some(Finding {
        about: name.to_owned(),
        fix,
        repair: Some(Repair::SetMode { path: path.to_owned(), mode: wanted }),
        ..PERMISSIONS.finding(severity, seen)
    })
}

fn certificate(now: Timestamp, name: &str, host: &HostCheckup) -> Vec<Finding> {
    let Some(until) = host.certificate_until else { return Vec::new() };
    let whole = until.0.saturating_sub(host.certificate_from.map_or(0, |from| from.0));
    let left = until.0.saturating_sub(now.0);
    let fix = format!(
        "see why it was not renewed, which is done at half of its lifetime: the log of {name}; it needs a leader"
    );
    // Renewed at the half: a quarter left means that renewing has failed for a long time.
    if left == 0 {
        let seen = format!("the certificate of {name} ended at {until}");
        return vec![CERTIFICATES.problem(name, seen, &fix)];
    }
    if let Some(from) = host.certificate_from.filter(|from| *from > now) {
        let seen = format!("the certificate of {name} is valid only from {from}");
        let fix = format!(
            "see which clock is wrong: on {name}, timedatectl; a master then renews it by itself, a node manager is to join anew: quorate join TOKEN"
        );
        return vec![CERTIFICATES.problem(name, seen, &fix)];
    }
    let seen = format!("the certificate of {name} ends at {until}, in {} days", left / DAY_MS);
    if left < whole / 20 {
        vec![CERTIFICATES.problem(name, seen, &fix)]
    } else if left < whole / 4 {
        vec![CERTIFICATES.warning(name, seen, &fix)]
    } else {
        Vec::new()
    }
}

/// Judges the end of the cluster's authority.
pub(super) fn authority(now: Timestamp, until: Option<Timestamp>) -> Vec<Finding> {
    let Some(until) = until else { return Vec::new() };
    let days = until.0.saturating_sub(now.0) / DAY_MS;
    let seen = format!("the cluster's certificate authority ends at {until}, in {days} days");
    let fix = "this version cannot replace it; plan a new cluster before that day";
    match days {
        0..30 => vec![CERTIFICATES.problem("", seen, fix)],
        30..180 => vec![CERTIFICATES.warning("", seen, fix)],
        _ => Vec::new(),
    }
}

fn open_files(name: &str, host: &HostCheckup) -> Vec<Finding> {
    match host.open_files {
        Some(limit) if limit < OPEN_FILES_LEAST => vec![OPEN_FILES.warning(
            name,
            format!("{name}: the process may have {limit} files open"),
            &format!("on {name}: LimitNOFILE=65536 in its unit (systemctl edit quorate), or ulimit -n 65536 before quorate run"),
        )],
        _ => Vec::new(),
    }
}

fn core_dumps(name: &str, host: &HostCheckup) -> Vec<Finding> {
    match host.core_bytes {
        Some(bytes) if bytes > 0 => vec![CORE_DUMPS.warning(
            name,
            format!("{name}: a crash would write the process's memory to disk"),
            &format!("on {name}: LimitCORE=0 in its unit (systemctl edit quorate), or ulimit -c 0 before quorate run"),
        )],
        _ => Vec::new(),
    }
}

fn time_sync(hosts: &[Host<'_>]) -> Vec<Finding> {
    if hosts.is_empty() {
        return TIME_SYNC.unknown("nothing is known of this: no host was looked at for it");
    }
    let without: Vec<String> = hosts
        .iter()
        .filter(|host| host.facts.time_daemon.is_none())
        .map(|host| match host.look {
            Some(look) => format!("{} (which looked {})", host.name, look.ago()),
            None => host.name.clone(),
        })
        .collect();
    if without.is_empty() {
        return vec![TIME_SYNC.finding(Severity::Ok, "a daemon keeps the time on every host")];
    }
    let seen = format!(
        "no daemon that keeps the time is seen on {} (in a container, the host has it)",
        without.join(", ")
    );
    vec![TIME_SYNC.info("", seen, "there: apt-get install chrony")]
}
