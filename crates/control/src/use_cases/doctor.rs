//! The doctor: asks every master itself and every host, and has `plan` judge what they say.

use std::{collections::BTreeMap, time::Duration};

use quorate_api::rest::{DoctorView, FindingView};
use quorate_keyring::identity::certificate_end;
use quorate_model::{MasterCheckup, NodeCheckup, NodeId, Reach, Refusal, Timestamp};
use quorate_plan::{
    doctor::{Answer, DoctorFacts, Finding, Severity, examine as judge},
    health,
};
use quorate_raft::Role;
use quorate_state::{FEATURE_LEVEL, State};
use sha2::{Digest, Sha256};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::status;
use crate::{Control, Permission, Principal};

/// How long a master may take to look at itself and to try the others' ports.
const ANSWER_DEADLINE: Duration = Duration::from_secs(8);
/// How long it may take to reach a port.
const REACH_DEADLINE: Duration = Duration::from_secs(3);
/// A pause before masters are asked again that name different leaders: while a hand-over goes on,
/// that is no trouble.
const SETTLES_IN: Duration = Duration::from_millis(700);
/// Whoever asks again within this time gets the same answer: a page that is open in ten browsers
/// does not examine the cluster ten times a second.
const SAME_ANSWER_FOR: Duration = Duration::from_secs(2);
/// How often states are compared anew when no two masters were seen at the same log index.
const COMPARE_AGAIN: usize = 3;
/// Not again after so long: somebody waits for the answer, and a silent master takes seconds a time.
const COMPARE_FOR: Duration = Duration::from_secs(6);
/// The path at which a master answers for itself.
const SELF_PATH: &str = "/admin/api/doctor/node";

/// Examines the cluster: every master is asked itself.
///
/// # Errors
/// When the principal may not see it.
pub async fn examine(control: &Control, principal: &Principal) -> Result<DoctorView, Refusal> {
    principal.require(Permission::Read)?;
    // Held meanwhile: whoever asks at the same time waits for this answer.
    let mut last = control.shared.doctor.last.lock().await;
    if let Some((at, view)) = &*last
        && at.elapsed() < SAME_ANSWER_FOR
    {
        return Ok(view.clone());
    }
    let view = examine_now(control, principal).await?;
    *last = Some((Instant::now(), view.clone()));
    Ok(view)
}

/// What this master says of itself, its host, and the ports it can reach.
///
/// # Errors
/// When the principal may not see it.
pub async fn node(control: &Control, principal: &Principal) -> Result<NodeCheckup, Refusal> {
    principal.require(Permission::Read)?;
    Ok(checkup(control).await)
}

async fn examine_now(control: &Control, principal: &Principal) -> Result<DoctorView, Refusal> {
    let begun = Instant::now();
    let mut masters = ask_all(control).await;
    for _ in 1..COMPARE_AGAIN {
        let is_settled = agree_who_leads(&masters);
        if is_settled && states_comparable(&masters) || begun.elapsed() > COMPARE_FOR {
            break;
        }
        if !is_settled {
            tokio::time::sleep(SETTLES_IN).await;
        }
        masters = ask_all(control).await;
    }
    let status = status::show(control, principal)?;
    let state = control.state();
    let observations = control.shared.inventory.observations(std::time::Instant::now());
    let components = control.with_facts(|facts| {
        let names = state.metadata.components.keys();
        names
            .filter_map(|name| {
                let health = health::component(name, facts).ok()?;
                Some((name.to_string(), health.verdict.as_str().to_owned(), health.reason))
            })
            .collect()
    });
    let now = control.now();
    let facts = DoctorFacts {
        now,
        asked_by: control.node(),
        quorate: status.quorate,
        state: &state,
        failure_tolerance: status.failure_tolerance,
        masters,
        managers: control.shared.inventory.checkups(),
        silent_for: silent_for(control),
        observations: &observations,
        leads: control.leading().is_some(),
        authority_until: certificate_end(&state.kms.ca_cert_pem).ok(),
        components,
    };
    let name = state.metadata.nodes.get(&control.node()).map(|node| node.name.to_string());
    let asked_by = name.unwrap_or_else(|| control.node().to_string());
    Ok(view(now, asked_by, status.quorate, &judge(&facts)))
}

/// Findings in the words of REST.
#[must_use]
pub fn view(at: Timestamp, asked_by: String, quorate: bool, findings: &[Finding]) -> DoctorView {
    let count = |severity| findings.iter().filter(|it| it.severity == severity).count();
    DoctorView {
        at: at.to_string(),
        asked_by,
        quorate,
        problems: count(Severity::Problem),
        warnings: count(Severity::Warning),
        findings: findings
            .iter()
            .map(|finding| FindingView {
                id: finding.id.to_owned(),
                severity: finding.severity.as_str().to_owned(),
                about: finding.about.clone(),
                seen: finding.seen.clone(),
                why: finding.why.to_owned(),
                fix: finding.fix.clone(),
            })
            .collect(),
    }
}

/// For how long each other master has not answered, as far as this one leads: one that never did
/// since it leads, for as long as that.
fn silent_for(control: &Control) -> BTreeMap<NodeId, Duration> {
    let Some(leading_for) = control.leading().and(control.shared.inventory.age()) else {
        return BTreeMap::new();
    };
    let peers = control.raft().status().peers.into_iter();
    peers.map(|(id, peer)| (id, peer.acked_ago.unwrap_or(leading_for))).collect()
}

/// Asks every master, this one included, at the same time.
async fn ask_all(control: &Control) -> BTreeMap<NodeId, Result<Answer, String>> {
    let state = control.state();
    let mut asked = JoinSet::new();
    for (id, node) in state.metadata.nodes.iter().filter(|(_, node)| node.roles.master) {
        let (control, id, addr) = (control.clone(), *id, node.internal_addr.clone());
        asked.spawn(async move { (id, ask(&control, id, &addr).await) });
    }
    let mut answers = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        if let Ok((id, answer)) = answer {
            answers.insert(id, answer);
        }
    }
    answers
}

async fn ask(control: &Control, id: NodeId, addr: &str) -> Result<Answer, String> {
    if id == control.node() {
        let checkup = checkup(control).await;
        return Ok(Answer { checkup, clock_ahead_ms: 0, clock_doubt_ms: 0 });
    }
    let surroundings =
        control.surroundings().ok_or_else(|| "this master has no way to ask it".to_owned())?;
    let sent = control.now();
    let answer = timeout(ANSWER_DEADLINE, surroundings.ask(id, addr, SELF_PATH)).await;
    let received = control.now();
    let body = answer
        .unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_DEADLINE.as_secs())))?;
    let checkup: NodeCheckup = serde_json::from_slice(&body)
        .map_err(|error| format!("its answer cannot be read: {error}"))?;
    let (clock_ahead_ms, clock_doubt_ms) =
        clock(sent, checkup.asked_at, checkup.answered_at, received);
    Ok(Answer { checkup, clock_ahead_ms, clock_doubt_ms })
}

/// By how much the other clock is ahead, and how far that may be off: from the four moments at
/// which a question was sent, arrived, was answered, and the answer arrived.
fn clock(
    sent: Timestamp,
    arrived: Timestamp,
    answered: Timestamp,
    received: Timestamp,
) -> (i64, u64) {
    let ms = |at: Timestamp| i128::from(at.0);
    let ahead = (ms(arrived) - ms(sent) + ms(answered) - ms(received)) / 2;
    let on_the_way = (ms(received) - ms(sent)) - (ms(answered) - ms(arrived));
    (
        i64::try_from(ahead).unwrap_or(i64::MAX),
        u64::try_from(on_the_way.max(0) / 2).unwrap_or(u64::MAX),
    )
}

/// Whether all that answered name the same leader in the same term.
fn agree_who_leads(masters: &BTreeMap<NodeId, Result<Answer, String>>) -> bool {
    let answers = masters.values().filter_map(|answer| answer.as_ref().ok());
    let mut led =
        answers.filter_map(|it| it.checkup.master.as_ref()).map(|it| (it.leader, it.term));
    let first = led.next();
    led.all(|other| Some(other) == first)
}

/// Whether all that answered were seen at the same log index.
fn states_comparable(masters: &BTreeMap<NodeId, Result<Answer, String>>) -> bool {
    let mut indexes = masters
        .values()
        .filter_map(|answer| answer.as_ref().ok()?.checkup.master.as_ref())
        .map(|master| master.state_index);
    let first = indexes.next();
    indexes.all(|index| Some(index) == first)
}

async fn checkup(control: &Control) -> NodeCheckup {
    let asked_at = control.now();
    let surroundings = control.surroundings();
    let (host, zone) = match &surroundings {
        Some(surroundings) => (surroundings.host(true).await, surroundings.zone()),
        None => Default::default(),
    };
    let reaches = reaches(control).await;
    let version = control
        .state()
        .metadata
        .nodes
        .get(&control.node())
        .map_or_else(String::new, |node| node.version.clone());
    // Last, so that what masters say of their logs is of nearly the same moment.
    let master = Some(master(control).await);
    NodeCheckup {
        version,
        reads_feature_level: FEATURE_LEVEL,
        zone,
        asked_at,
        master,
        host,
        reaches,
        answered_at: control.now(),
    }
}

async fn master(control: &Control) -> MasterCheckup {
    let raft = control.raft();
    let state = control.state();
    let (state_index, epoch, feature_level) = (state.applied.0, state.epoch.0, state.feature_level);
    // Encoding a large state takes a while, which must not hold up anybody else's work.
    let state_digest =
        tokio::task::spawn_blocking(move || digest(&state)).await.unwrap_or_default();
    let status = raft.status();
    let leader = control.known_leader();
    // One that is cut off goes on believing that it leads.
    let is_cut_off = status.role == Role::Leader && leader.is_none();
    MasterCheckup {
        role: if is_cut_off { "voter" } else { status.role.as_str() }.to_owned(),
        term: status.term.0,
        leader,
        voters: status.voters.keys().copied().collect(),
        learners: status.learners.keys().copied().collect(),
        joint: status.joint,
        epoch,
        feature_level,
        applied_index: status.applied.map_or(0, |index| index.0),
        state_index,
        state_digest,
        storage_failure: status.storage_failure.map(|refusal| refusal.to_string()),
        commits: raft.commit_times(),
        elections: control.shared.elections.counted().lately,
        troubles: raft.troubles().recent(),
    }
}

/// SHA-256 of the state as it is written into snapshots, which are byte-identical on masters with
/// the same log.
fn digest(state: &State) -> String {
    let bytes = state.encode().unwrap_or_default();
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tries both ports of every other master.
async fn reaches(control: &Control) -> Vec<Reach> {
    let Some(surroundings) = control.surroundings() else { return Vec::new() };
    let state = control.state();
    let mut tried = JoinSet::new();
    let others = state.metadata.nodes.iter();
    for (id, node) in others.filter(|(id, node)| node.roles.master && **id != control.node()) {
        let (id, internal, admin) = (*id, node.internal_addr.clone(), node.admin_addr.clone());
        let by_call = std::sync::Arc::clone(&surroundings);
        let by_connecting = std::sync::Arc::clone(&surroundings);
        tried.spawn(async move {
            let answer = timeout(REACH_DEADLINE, by_call.ask(id, &internal, "/healthz")).await;
            reach(id, "internal", internal, answer.map(|answer| answer.map(drop)))
        });
        tried.spawn(async move {
            let answer = timeout(REACH_DEADLINE, by_connecting.connects(&admin)).await;
            reach(id, "admin", admin, answer)
        });
    }
    let mut reaches: Vec<Reach> = Vec::new();
    while let Some(reach) = tried.join_next().await {
        reaches.extend(reach.ok());
    }
    reaches.sort_by(|a, b| (a.node, &b.port).cmp(&(b.node, &a.port)));
    reaches
}

fn reach(
    node: NodeId,
    port: &str,
    addr: String,
    answer: Result<Result<(), String>, tokio::time::error::Elapsed>,
) -> Reach {
    let error = match answer {
        Ok(Ok(())) => String::new(),
        Ok(Err(error)) => error,
        Err(_) => format!("no answer within {} s", REACH_DEADLINE.as_secs()),
    };
    Reach { node, port: port.to_owned(), addr, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_measured_whatever_the_answer_took() {
        let at = |ms: u64| Timestamp(1_000_000 + ms);
        // 20 ms there, 3 s of work, 20 ms back; equal clocks.
        assert_eq!(clock(at(0), at(20), at(3020), at(3040)), (0, 20));
        // An hour ahead, an hour behind.
        assert_eq!(clock(at(0), at(3_600_020), at(3_603_020), at(3040)), (3_600_000, 20));
        assert_eq!(clock(at(3_600_000), at(20), at(3020), at(3_603_040)), (-3_600_000, 20));
        // One way takes all the time: the doubt covers it.
        assert_eq!(clock(at(0), at(100), at(100), at(100)), (50, 50));
    }
}
