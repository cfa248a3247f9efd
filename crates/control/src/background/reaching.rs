//! While no quorum answers, tries every other master: whoever is missing is to be named, and a
//! master that does not lead hears of nobody.

use std::{collections::BTreeMap, time::Duration};

use quorate_model::NodeId;
use tokio::{task::JoinSet, time::timeout};

use crate::Control;

/// How often the others are tried. An election is over before it begins to matter.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// How long a master may take to answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(1);
/// What every master answers as long as its process serves.
const PATH: &str = "/healthz";

/// Which other masters this one reaches, or why not; empty while a quorum answers.
pub(crate) type Reached = BTreeMap<NodeId, Result<(), String>>;

/// Runs as long as this master does.
pub(super) async fn run(control: Control) {
    let mut readiness = control.readiness().changes();
    loop {
        if readiness.borrow_and_update().ready {
            control.shared.reached.send_replace(Reached::new());
            if readiness.changed().await.is_err() {
                return;
            }
            continue;
        }
        let reached = try_all(&control).await;
        control.shared.reached.send_replace(reached);
        tokio::time::sleep(TRY_EVERY).await;
    }
}

async fn try_all(control: &Control) -> Reached {
    let Some(surroundings) = control.surroundings() else { return Reached::new() };
    let state = control.state();
    // A master that is not in the state yet knows the voters from its log alone.
    let mut others = control.raft().status().voters;
    for (id, node) in state.metadata.nodes.iter().filter(|(_, node)| node.roles.master) {
        others.insert(*id, node.internal_addr.clone());
    }
    others.remove(&control.node());
    let mut tried = JoinSet::new();
    for (id, addr) in others {
        let surroundings = std::sync::Arc::clone(&surroundings);
        tried.spawn(async move {
            let answer = timeout(ANSWER_DEADLINE, surroundings.ask(id, &addr, PATH)).await;
            let seconds = ANSWER_DEADLINE.as_secs();
            let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {seconds} s")));
            (id, answer.map(drop))
        });
    }
    let mut reached = Reached::new();
    while let Some(answer) = tried.join_next().await {
        reached.extend(answer);
    }
    reached
}

impl Control {
    /// Who leads, if that can be known: a master that is cut off goes on believing in the last
    /// leader it had, or in itself.
    pub(crate) fn known_leader(&self) -> Option<NodeId> {
        self.raft().status().leader.filter(|_| self.readiness().live().ready)
    }

    /// The voters that this master tried and did not reach, as people call them; empty while a
    /// quorum answers.
    pub(crate) fn missing_voters(&self) -> Vec<String> {
        let voters = self.raft().status().voters;
        let state = self.state();
        let reached = self.shared.reached.borrow();
        let missing = reached.iter().filter(|(_, answer)| answer.is_err());
        missing
            .filter_map(|(id, _)| {
                let known = state.metadata.nodes.get(id);
                let addr = known.map_or_else(|| voters.get(id), |node| Some(&node.internal_addr));
                let name = known.map_or_else(|| id.to_string(), |node| node.name.to_string());
                voters.contains_key(id).then(|| match addr {
                    Some(addr) => format!("{name} at {addr}"),
                    None => name,
                })
            })
            .collect()
    }
}
