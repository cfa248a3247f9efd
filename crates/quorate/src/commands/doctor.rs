//! `quorate doctor`.

use std::os::unix::fs::PermissionsExt;

use quorate_api::{
    exit,
    rest::{DoctorView, FindingView},
};
use quorate_control::use_cases::doctor::view;
use quorate_keyring::identity::NodeIdentity;
use quorate_model::{Clock, NodeId, Reach};
use quorate_node_manager::KnownMasters;
use quorate_plan::doctor::{Finding, Repair, Severity, examine_host, sorted};

use super::Session;
use crate::{
    node::{
        FolderArgs, Folders, Invocation, LocalView, NodeConfig, SystemClock, checkup, local,
        refuse_file,
    },
    ui::{Failure, Outcome, views},
};

/// Go through the operational checklist and say what to do about each finding
///
/// Every master is asked itself, then every host. Where no master answers, what can be seen from
/// this host is judged. Exits with 0 when there is no problem, 1 when there is one (with --strict
/// also when there is a warning), 4 when no quorum of masters acts or none can be reached.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Mend what can safely be mended on this host: the permissions of the node's own files
    #[arg(long)]
    pub(crate) fix: bool,
    /// With --fix: show what would be mended, and mend nothing
    #[arg(long, requires = "fix")]
    pub(crate) plan: bool,
    /// Exit with 1 on warnings, too
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) folders: FolderArgs,
}

/// What the node of this host is, as its files say.
struct Here {
    folders: Folders,
    name: String,
    node: NodeId,
    is_master: bool,
    called: Invocation,
}

pub(crate) async fn run(session: &Session, args: &DoctorArgs) -> Outcome {
    let here = if session.servers()?.is_some() { None } else { here(session, args) };
    let mut of_host = here.as_ref().map(findings_of).unwrap_or_default();
    if args.fix {
        of_host = mend(session, args, of_host, here.as_ref())?;
    }
    let asked = match session.client() {
        Ok(client) => client.doctor().await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    let seen = match asked {
        Ok(cluster) => Seen { has_quorum: cluster.quorate, view: joined(cluster, of_host) },
        Err(failure) => match &here {
            Some(here) => alone(here, of_host, &failure).await,
            // There is nothing to look at here, so the failure is all there is to tell.
            None => {
                return Err(if is_unanswered(&failure) {
                    failure.exiting(exit::NO_QUORUM)
                } else {
                    failure
                });
            }
        },
    };
    session.ui.show(&seen.view, |paint| views::doctor(&seen.view, paint))?;
    Ok(exit_code(&seen, args.strict))
}

/// What is shown, and whether the masters are known to act.
struct Seen {
    view: DoctorView,
    has_quorum: bool,
}

fn exit_code(seen: &Seen, strict: bool) -> u8 {
    match (seen.has_quorum, seen.view.problems, seen.view.warnings) {
        (false, _, _) => exit::NO_QUORUM,
        (true, 0, 0) => exit::DONE,
        (true, 0, _) if !strict => exit::DONE,
        (true, ..) => exit::FAILED,
    }
}

fn is_unanswered(failure: &Failure) -> bool {
    use quorate_model::codes;
    failure.exit == exit::NO_QUORUM || failure.body.code == codes::MASTER_UNREACHABLE
}

fn here(session: &Session, args: &DoctorArgs) -> Option<Here> {
    let global = &session.global;
    let folders =
        Folders::resolve(&args.folders, global.root.as_deref(), global.run_dir.as_deref());
    let config = NodeConfig::load(&folders.config_file()).ok()?;
    let identity = NodeIdentity::load(&folders.identity()).ok()?;
    Some(Here {
        name: config.node.name.to_string(),
        node: identity.node,
        is_master: config.node.role.is_master(),
        called: Invocation::of(global.root.as_deref(), global.run_dir.as_deref()),
        folders,
    })
}

fn findings_of(here: &Here) -> Vec<Finding> {
    let mut host = checkup::host(&here.folders, false);
    // These are of this command's process, and say nothing of the node's.
    host.open_files = None;
    host.core_bytes = None;
    let mut findings = examine_host(SystemClock.now(), &here.name, here.is_master, &host);
    for finding in &mut findings {
        finding.fix = here.called.fit(&finding.fix);
    }
    findings
}

/// The findings of the cluster with those of this host that nobody else has: the node may run
/// from other folders, or not at all.
fn joined(mut cluster: DoctorView, of_host: Vec<Finding>) -> DoctorView {
    let bad: Vec<Finding> = of_host.into_iter().filter(|it| it.severity.is_bad()).collect();
    let of_host = view(SystemClock.now(), String::new(), true, &bad).findings;
    for finding in of_host {
        let told = |it: &FindingView| it.id == finding.id && it.about == finding.about;
        if cluster.findings.iter().any(told) {
            continue;
        }
        match finding.severity.as_str() {
            "problem" => cluster.problems += 1,
            _ => cluster.warnings += 1,
        }
        // Before what is well, behind what is as bad.
        let rank = |word: &str| Severity::of_word(word);
        let place = cluster
            .findings
            .iter()
            .position(|it| rank(&it.severity) < rank(&finding.severity))
            .unwrap_or(cluster.findings.len());
        // A check that is not well here is not well.
        cluster.findings.insert(place, finding.clone());
        cluster.findings.retain(|it| it.id != finding.id || it.severity != "ok");
    }
    cluster
}

/// What can be said from this host alone.
async fn alone(here: &Here, of_host: Vec<Finding>, failure: &Failure) -> Seen {
    let mut findings = of_host;
    let masters = KnownMasters::load(&here.folders.node_manager()).unwrap_or_default();
    let mut reaches = checkup::reach_masters(masters, here.node).await;
    reaches.sort_by_key(|reach| !reach.error.is_empty());
    // A node manager that has a session with a leader is all that can be seen from its host.
    let known = local::look(&here.folders, &here.called);
    let has_quorum = !here.is_master && known.as_ref().is_some_and(LocalView::is_well);
    let to_do = known.map(|known| known.to_do).unwrap_or_default();
    let reached = reaches.iter().filter(|reach| reach.error.is_empty()).count();
    findings.push(no_answer(here, failure, has_quorum, (reached, reaches.len()), &to_do));
    findings.extend(reaches.iter().filter(|reach| !reach.error.is_empty()).map(unreached));
    let view = view(SystemClock.now(), String::new(), has_quorum, &sorted(findings));
    Seen { view, has_quorum }
}

fn check(id: &str) -> Finding {
    // The list holds every id that is asked for here; the first stands for one that it does not.
    let check = quorate_plan::doctor::CHECKS.iter().find(|check| check.id == id);
    let check = check.unwrap_or(&quorate_plan::doctor::CHECKS[0]);
    Finding {
        id: check.id,
        severity: Severity::Problem,
        about: String::new(),
        seen: String::new(),
        why: check.why,
        fix: String::new(),
        repair: None,
    }
}

fn no_answer(
    here: &Here,
    failure: &Failure,
    has_quorum: bool,
    (reached, known): (usize, usize),
    to_do: &[String],
) -> Finding {
    let name = &here.name;
    if here.is_master {
        let cause =
            failure.body.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
        return Finding {
            about: name.clone(),
            seen: format!("{name} does not act: {}{cause}", failure.body.message),
            fix: to_do.join("; "),
            ..check("quorum")
        };
    }
    let session =
        if has_quorum { "has a session with a leader" } else { "has no session with a leader" };
    let severity = if has_quorum { Severity::Info } else { Severity::Problem };
    Finding {
        severity,
        about: name.clone(),
        seen: format!(
            "{name} is a node manager only and {session}; {reached} of {known} masters are reached from here"
        ),
        fix: "ask a master for the whole picture: quorate doctor --server http://MASTER:8080"
            .to_owned(),
        ..check("quorum")
    }
}

fn unreached(reach: &Reach) -> Finding {
    Finding {
        about: reach.node.to_string(),
        severity: Severity::Warning,
        seen: format!(
            "the {} port of {} at {} is not reached: {}",
            reach.port, reach.node, reach.addr, reach.error
        ),
        fix: format!("see that {} runs, and what is between it and this host", reach.node),
        ..check("ports")
    }
}

/// Mends what can be mended, says so, and looks again.
fn mend(
    session: &Session,
    args: &DoctorArgs,
    found: Vec<Finding>,
    here: Option<&Here>,
) -> Result<Vec<Finding>, Failure> {
    let repairs: Vec<&Repair> = found.iter().filter_map(|it| it.repair.as_ref()).collect();
    if repairs.is_empty() {
        session.ui.note("nothing on this host can be mended by itself");
    }
    for Repair::SetMode { path, mode } in repairs {
        if args.plan {
            session.ui.note(&format!("would do: chmod {mode:04o} {path}"));
            continue;
        }
        let permissions = std::fs::Permissions::from_mode(*mode);
        std::fs::set_permissions(path, permissions)
            .map_err(|error| refuse_file("set the permissions of", path.as_ref(), &error))?;
        session.ui.note(&format!("done: chmod {mode:04o} {path}"));
    }
    Ok(if args.plan { found } else { here.map(findings_of).unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(has_quorum: bool, problems: usize, warnings: usize) -> Seen {
        let view = view(SystemClock.now(), String::new(), has_quorum, &[]);
        Seen { has_quorum, view: DoctorView { problems, warnings, ..view } }
    }

    #[test]
    fn a_cron_line_can_trust_the_exit_code() {
        for (has_quorum, problems, warnings, strict, code) in [
            (true, 0, 0, false, exit::DONE),
            (true, 0, 0, true, exit::DONE),
            (true, 0, 2, false, exit::DONE),
            (true, 0, 2, true, exit::FAILED),
            (true, 1, 0, false, exit::FAILED),
            (false, 1, 0, false, exit::NO_QUORUM),
            (false, 0, 0, false, exit::NO_QUORUM),
        ] {
            let seen = seen(has_quorum, problems, warnings);
            assert_eq!(exit_code(&seen, strict), code, "{has_quorum} {problems} {warnings}");
        }
    }

    #[test]
    fn every_check_has_its_row_in_the_documentation() {
        let page = include_str!("../../../../docs/doctor.md");
        for check in quorate_plan::doctor::CHECKS {
            assert!(page.contains(&format!("| `{}` |", check.id)), "{}", check.id);
        }
    }

    #[test]
    fn what_only_this_host_sees_is_added_once() {
        let folder = Finding { about: "m1".to_owned(), ..check("permissions") };
        let well = Finding { severity: Severity::Ok, ..check("permissions") };
        let cluster = view(SystemClock.now(), "m1".to_owned(), true, &[well]);
        let added = joined(cluster, vec![folder.clone()]);
        assert_eq!((added.problems, added.findings.len()), (1, 1));
        let again = joined(added, vec![folder]);
        assert_eq!((again.problems, again.findings.len()), (1, 1));
    }
}
