//! `quorate doctor`.

use std::{fmt::Write as _, os::unix::fs::PermissionsExt};

use quorate_api::{
    exit,
    rest::{DoctorView, FindingView},
};
use quorate_control::use_cases::doctor::view;
use quorate_keyring::identity::NodeIdentity;
use quorate_model::{Clock, NodeId, Reach, majority};
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
        Ok(client) => session.awaited(&client, client.doctor()).await.map_err(Failure::from),
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

/// What is shown, and whether the masters are known to act, or enough of them are reached.
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
    let masters = local::masters(&here.folders);
    let known_masters = masters.masters.len();
    let mut reaches = checkup::reach_masters(masters, here.node).await;
    reaches.sort_by_key(|reach| !reach.error.is_empty());
    let mut known = local::look(&here.folders, &here.called);
    if let Some((reason, taken)) = failure.unanswered() {
        known = known.map(|it| it.unanswered(&reason, taken, &here.folders, &here.called));
    }
    // A node manager that has a session with a leader is all that can be seen from its host.
    let has_session = !here.is_master && known.as_ref().is_some_and(LocalView::is_well);
    let to_do = known.map(|known| known.to_do).unwrap_or_default();
    let reached = reaches.iter().filter(|reach| reach.error.is_empty()).count();
    let others = Others { reached, tried: reaches.len(), known: known_masters };
    // A master that answers, and says that it has no quorum, knows better than open ports.
    let others_may_act =
        here.is_master && failure.unanswered().is_some() && others.may_be_a_majority();
    findings.push(if here.is_master {
        master_silent(here, failure, &others, others_may_act, &to_do)
    } else {
        manager_alone(here, has_session, &others)
    });
    findings.extend(reaches.iter().filter(|reach| !reach.error.is_empty()).map(unreached));
    if here.is_master && reached > 0 && reached == reaches.len() {
        findings.push(Finding {
            severity: Severity::Ok,
            seen: format!("the internal ports of {} are reached", others.all()),
            ..check("ports")
        });
    }
    // That a quorum acts, an open port does not show.
    let view = view(SystemClock.now(), String::new(), has_session, &sorted(findings));
    Seen { view, has_quorum: has_session || others_may_act }
}

/// The other masters, as this host reaches them.
struct Others {
    reached: usize,
    tried: usize,
    /// How many masters are known, with this host's own.
    known: usize,
}

impl Others {
    /// Whether those that are reached are enough to act.
    fn may_be_a_majority(&self) -> bool {
        self.reached > 0 && self.reached >= majority(self.known)
    }

    fn all(&self) -> String {
        match self.tried {
            1 => "the other master".to_owned(),
            many => format!("all {many} other masters"),
        }
    }
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

/// What is said of this host's own master, which did not answer.
fn master_silent(
    here: &Here,
    failure: &Failure,
    others: &Others,
    others_may_act: bool,
    to_do: &[String],
) -> Finding {
    let name = &here.name;
    let cause = failure.body.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
    let mut seen = format!("{name} does not act: {}{cause}", failure.body.message);
    let Others { reached, tried, known } = others;
    if *tried == 0 {
        // Of a single master, or before it ever ran, that is all there is.
        if *known == 0 {
            seen.push_str("; no other master is known to this host since its last boot");
        }
    } else {
        let _ = write!(seen, "; {reached} of {tried} other masters are reached from here, ");
        let needed = majority(*known);
        seen.push_str(&if others_may_act {
            format!("a majority of {known}: they can act without it")
        } else {
            format!("and {needed} of {known} are needed to act")
        });
    }
    let id = if others_may_act { "masters-answer" } else { "quorum" };
    Finding { about: name.clone(), seen, fix: to_do.join("; "), ..check(id) }
}

/// What is said where there is no master to ask.
fn manager_alone(here: &Here, has_quorum: bool, others: &Others) -> Finding {
    let name = &here.name;
    let Others { reached, tried: known, .. } = others;
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
    fn a_master_that_does_not_answer_is_not_called_a_lost_quorum_where_the_others_are_reached() {
        let here = Here {
            folders: Folders::resolve(&FolderArgs::default(), Some("/srv/m1".as_ref()), None),
            name: "m1".to_owned(),
            node: NodeId(1),
            is_master: true,
            called: Invocation::default(),
        };
        let failure = Failure::from(quorate_client::ClientError::Silent {
            what: "/srv/m1/run/admin.sock".to_owned(),
            reason: "no answer within 20 s".to_owned(),
        });
        let said = |reached, tried, known| {
            let others = Others { reached, tried, known };
            let may = others.may_be_a_majority();
            let it = master_silent(&here, &failure, &others, may, &["do so".to_owned()]);
            assert!(!it.seen.contains("may or may not"), "{}", it.seen);
            assert_eq!(it.fix, "do so");
            (it.id, it.seen)
        };
        let head = "m1 does not act: /srv/m1/run/admin.sock did not answer: no answer within 20 s";
        let (id, seen) = said(2, 2, 3);
        assert_eq!(id, "masters-answer");
        let tail = "2 of 2 other masters are reached from here, a majority of 3: they can act \
                    without it";
        assert_eq!(seen, format!("{head}; {tail}"));
        let (id, seen) = said(1, 2, 3);
        assert_eq!(id, "quorum");
        assert!(
            seen.ends_with(
                "1 of 2 other masters are reached from here, and 2 of 3 are needed to act"
            )
        );
        assert_eq!(said(0, 0, 1), ("quorum", head.to_owned()), "a single master");
        let (id, seen) = said(0, 0, 0);
        assert!(id == "quorum" && seen.contains("no other master is known"), "{seen}");
        assert!(!Others { reached: 1, tried: 1, known: 2 }.may_be_a_majority());
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
