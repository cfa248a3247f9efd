//! What the cluster is busy with, what it runs, and what stands behind it.

use std::collections::BTreeMap;

use quorate_model::{CommitTimes, OperationRequest, OperationStatus};

use super::{
    DoctorFacts, Finding, Severity,
    finding::{BACKUPS, CERTIFICATES, COMPONENTS, OPERATIONS, VERSIONS, WRITES},
    host::{authority, millis, slow},
};

/// A pause that lasts longer than this was forgotten, in milliseconds.
const PAUSE_PATIENCE_MS: u64 = 3600 * 1000;

/// Fewer commits than this are not judged.
const COMMITS_LEAST: u64 = 20;

pub(super) fn findings(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut findings = commits(facts);
    findings.extend(authority(facts.now, facts.authority_until));
    findings.extend(versions(facts));
    findings.extend(backups());
    findings.extend(operations(facts));
    findings.extend(components(facts));
    if facts.authority_until.is_none() {
        let unread = CERTIFICATES
            .finding(Severity::Unknown, "the authority's certificate cannot be read here");
        findings.push(Finding { about: "authority".to_owned(), ..unread });
    }
    findings
}

/// The log's own commits, beside the probe of the moment: they tell of the last minutes.
fn commits(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut slowest: Option<(String, CommitTimes)> = None;
    for (id, answer) in facts.answers() {
        let Some(times) = answer.checkup.master.as_ref().and_then(|it| it.commits) else {
            continue;
        };
        // Half a dozen commits at the start say nothing of the disk.
        if times.count < COMMITS_LEAST {
            continue;
        }
        let what = format!("the log's newest {} commits", times.count);
        found.extend(slow(&facts.name(id), &what, times.p50_us, times.p99_us));
        if slowest.as_ref().is_none_or(|(_, other)| other.p99_us < times.p99_us) {
            slowest = Some((facts.name(id), times));
        }
    }
    let seen = match slowest {
        Some((name, times)) => format!(
            "the slowest log, that of {name}, commits within {} at the median, {} at the 99th percentile",
            millis(times.p50_us),
            millis(times.p99_us)
        ),
        None => {
            return WRITES.unknown("too few commits were made to judge the logs' disks by them");
        }
    };
    WRITES.or_ok(found, seen)
}

fn versions(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut by_version = BTreeMap::<&str, Vec<(String, String)>>::new();
    let everybody = facts.everybody();
    for (id, answer) in &everybody {
        let name = facts.name(*id);
        let said = match facts.look(*id) {
            Some(look) => format!(", as it said {}", look.ago()),
            None => String::new(),
        };
        let reads = answer.checkup.reads_feature_level;
        if reads < facts.state.feature_level {
            found.push(VERSIONS.problem(
                &name,
                format!(
                    "{name} reads up to feature level {reads}, and the cluster is at {}{said}",
                    facts.state.feature_level
                ),
                &format!("install the newer version on {name}, then start it again"),
            ));
        }
        by_version.entry(answer.checkup.version.as_str()).or_default().push((name, said));
    }
    if by_version.len() > 1 {
        let parts: Vec<String> = by_version
            .iter()
            .map(|(version, nodes)| {
                let nodes: Vec<String> =
                    nodes.iter().map(|(name, said)| format!("{name}{said}")).collect();
                format!("{version} on {}", nodes.join(", "))
            })
            .collect();
        let seen = format!("{} versions run: {}", by_version.len(), parts.join("; "));
        found.push(VERSIONS.warning(
            "",
            seen,
            "finish the upgrade: the newest version on every node",
        ));
    }
    let could_read = everybody.values().map(|answer| answer.checkup.reads_feature_level).min();
    if let Some(could_read) = could_read.filter(|level| *level > facts.state.feature_level) {
        let seen = format!(
            "every node reads feature level {could_read}; the cluster is at {}",
            facts.state.feature_level
        );
        found.push(VERSIONS.info(
            "",
            seen,
            "once you will not go back: raise it by quorate node upgrade --all --binary FILE, with \
             the file that runs",
        ));
    }
    let seen = match by_version.keys().next() {
        Some(version) => {
            format!("all nodes run {version}, feature level {}", facts.state.feature_level)
        }
        None => return VERSIONS.unknown("nobody said what it runs"),
    };
    VERSIONS.or_ok(found, seen)
}

fn backups() -> Vec<Finding> {
    vec![BACKUPS.info(
        "",
        "not configured: this version makes no backups of the masters' state",
        "keep the root key apart from the hosts; a stopped master's data folder is a copy: cp -a",
    )]
}

fn operations(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let unfinished = || {
        facts.state.metadata.operations.values().filter(|operation| !operation.status.is_final())
    };
    for operation in unfinished() {
        let title = operation.plan.request.title();
        let id = operation.id;
        match &operation.status {
            OperationStatus::Stuck { refusal, .. } => found.push(OPERATIONS.problem(
                "",
                format!("{title} is stuck: {}", refusal.message),
                &format!("see why: quorate operation show {id}; {}", operation.to_do().join("; ")),
            )),
            status if status.as_str() == "paused" => {
                let since =
                    operation.transcript.last().map_or(operation.requested_at, |entry| entry.at);
                let ms = facts.now.0.saturating_sub(since.0);
                if ms > PAUSE_PATIENCE_MS {
                    found.push(OPERATIONS.warning(
                        "",
                        format!("{title} has been paused for {} h", ms / 3_600_000),
                        &operation.to_do().join("; "),
                    ));
                }
            }
            _ => {}
        }
    }
    found.extend(half_reset(facts));
    let seen = match unfinished().count() {
        0 => "none is under way".to_owned(),
        1 => "one is under way, and not stuck".to_owned(),
        many => format!("{many} are under way, and none is stuck"),
    };
    OPERATIONS.or_ok(found, seen)
}

/// A reset that was left where it stood has not reached every master's disk.
fn half_reset(facts: &DoctorFacts<'_>) -> Option<Finding> {
    let mut operations = facts.state.metadata.operations.values();
    let left = operations.rfind(|it| {
        it.plan.request == OperationRequest::Reset
            && it.status == OperationStatus::Aborted
            && it.passed().is_some()
    });
    left.map(|reset| {
        let seen = "the last reset did not end: masters that it had not reached hold the old state";
        OPERATIONS.warning("", seen, &reset.to_do().join("; "))
    })
}

fn components(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    if facts.state.metadata.components.is_empty() && facts.components.is_empty() {
        return Vec::new();
    }
    if !facts.leads {
        return COMPONENTS.unknown("only the leader sees them, and this master does not lead");
    }
    let mut found = Vec::new();
    for (name, verdict, reason) in &facts.components {
        let seen = format!("{name} is {verdict}: {reason}");
        let fix = format!("quorate component show {name}");
        match verdict.as_str() {
            "up" => {}
            "degraded" => found.push(COMPONENTS.warning(name, seen, &fix)),
            _ => found.push(COMPONENTS.problem(name, seen, &fix)),
        }
    }
    COMPONENTS.or_ok(found, format!("all {} are up", facts.components.len()))
}
