//! Judges conditions on nodes: what is decided about them, and what the leader sees of them.

use quorate_model::{
    Generation, NodeId, OrderKind, OrderOutcome, OrderReport, Refusal, codes, has_quorum, majority,
};
use quorate_state::Node;

use crate::{
    Facts,
    condition::{Judgement, node_silent},
};

/// One cluster's nodes.
#[derive(Clone, Copy)]
pub(crate) struct Nodes<'a> {
    facts: &'a Facts<'a>,
}

impl<'a> Nodes<'a> {
    pub(crate) const fn of(facts: &'a Facts<'a>) -> Self {
        Self { facts }
    }

    fn masters(&self) -> &'a crate::MastersObserved {
        &self.facts.observations.masters
    }

    /// What people call a node.
    pub(crate) fn name(&self, node: NodeId) -> String {
        let metadata = &self.facts.state.metadata;
        let living = metadata.nodes.get(&node).map(|known| known.name.to_string());
        let dead = || metadata.tombstones.get(&node).map(|known| known.name.to_string());
        living.or_else(dead).unwrap_or_else(|| node.to_string())
    }

    pub(crate) fn living(&self, node: NodeId) -> Result<&'a Node, Refusal> {
        self.facts.state.metadata.nodes.get(&node).ok_or_else(|| {
            Refusal::new(codes::NOT_FOUND, format!("there is no node `{}`", self.name(node)))
                .hint("list them with: quorate node list")
        })
    }

    /// Who leads, with no change of voters under way.
    pub(crate) fn settled(&self) -> Result<NodeId, Refusal> {
        let masters = self.masters();
        if masters.joint {
            return Err(Refusal::new(
                codes::OPERATION_CONFLICT,
                "a change of the voting masters is not finished",
            )
            .hint("the leader finishes it by itself within seconds: try again"));
        }
        masters.leader.ok_or_else(|| {
            Refusal::new(codes::NO_LEADER, "the masters have no leader at this moment")
                .hint("try again in a second; if it lasts: quorate status")
        })
    }

    fn lost(&self, away: NodeId, counted: &[NodeId], remaining: usize) -> Refusal {
        let needed = majority(counted.len());
        let missing: Vec<String> = counted
            .iter()
            .filter(|id| **id != away)
            .filter_map(|id| {
                let why = self.masters().answers(*id).err()?;
                Some(format!("`{}` does not count: {why}", self.name(*id)))
            })
            .collect();
        let sum = format!("{remaining} of {} would answer, {needed} are needed", counted.len());
        let refusal = Refusal::new(
            codes::QUORUM_WOULD_BE_LOST,
            format!("without `{}` the masters would lose their quorum", self.name(away)),
        );
        if missing.is_empty() {
            return refusal
                .cause(sum)
                .hint("let another master join first: quorate token create --role master");
        }
        refusal
            .cause(format!("{}; {sum}", missing.join("; ")))
            .hint("bring those masters back first: quorate status")
    }

    pub(crate) fn quorate_without(&self, away: NodeId) -> Judgement {
        self.settled()?;
        let voters: Vec<NodeId> = self.masters().voters().collect();
        let (answering, needed) = self.masters().count(&voters, Some(away));
        if !has_quorum(answering, voters.len()) {
            return Err(self.lost(away, &voters, answering));
        }
        Ok(format!(
            "without `{}`, {answering} of {} voting masters answer; {needed} are needed",
            self.name(away),
            voters.len()
        ))
    }

    pub(crate) fn quorate_after(&self, without: NodeId, with: Option<NodeId>) -> Judgement {
        self.settled()?;
        let now: Vec<NodeId> = self.masters().voters().collect();
        let after: Vec<NodeId> = now
            .iter()
            .copied()
            .filter(|id| *id != without)
            .chain(with.filter(|with| !now.contains(with)))
            .collect();
        // The change itself is agreed on by a majority of those that vote before it.
        let (answering, needed) = self.masters().count(&now, None);
        if answering < needed {
            return Err(Refusal::new(codes::QUORUM_LOST, "the masters have lost their quorum")
                .cause(format!("{answering} of {} answer, {needed} are needed", now.len()))
                .hint("bring masters back first: quorate status"));
        }
        let (answering, needed) = self.masters().count(&after, None);
        if !has_quorum(answering, after.len()) {
            return Err(self.lost(without, &after, answering));
        }
        Ok(format!(
            "{answering} of the {} masters that vote afterwards answer; {needed} are needed",
            after.len()
        ))
    }

    pub(crate) fn whole(&self) -> Judgement {
        let leader = self.settled()?;
        let masters: Vec<NodeId> = self
            .facts
            .state
            .metadata
            .nodes
            .iter()
            .filter(|(_, node)| node.roles.master)
            .map(|(id, _)| *id)
            .collect();
        for id in &masters {
            self.master_level(*id)?;
        }
        Ok(format!(
            "all {} masters answer and are level; `{}` leads",
            masters.len(),
            self.name(leader)
        ))
    }

    /// A master that answers and is level.
    pub(crate) fn master_level(&self, node: NodeId) -> Result<(), Refusal> {
        self.masters().level(node).map_err(|cause| {
            Refusal::new(
                codes::MEMBER_UNHEALTHY,
                format!("the master `{}` is not ready", self.name(node)),
            )
            .cause(cause)
            .hint("see that it runs, and what it logs: quorate status")
        })
    }

    pub(crate) fn ready(&self, node: NodeId) -> Judgement {
        let known = self.living(node)?;
        let mut seen = Vec::new();
        if known.roles.master {
            self.settled()?;
            obeyed(known, known.obeyed, known.order_report.as_ref())?;
            self.master_level(node)?;
            let role = if self.masters().is_voter(node) { "votes" } else { "is a learner" };
            let lag = self.masters().members.get(&node).and_then(|seen| seen.lag).unwrap_or(0);
            seen.push(format!("`{}` {role} and is {lag} entries behind", known.name));
        }
        if known.roles.node_manager {
            let observations = self.facts.observations;
            if !observations.is_reporting(node) {
                return Err(node_silent(&self.facts.node_name(node)));
            }
            let generation = observations.obeyed.get(&node).copied().unwrap_or_default();
            obeyed(known, generation, observations.orders.get(&node))?;
            seen.push(format!("the node manager of `{}` reports", known.name));
        }
        Ok(seen.join("; "))
    }

    pub(crate) fn order_done(&self, node: NodeId) -> Judgement {
        let known = self.living(node)?;
        let report = self.report(node, known);
        let generation = report.map_or(known.obeyed, |report| report.generation);
        obeyed(known, generation, report)?;
        Ok(match report.map(|report| &report.outcome) {
            Some(OrderOutcome::Done { seen }) => format!("`{}`: {seen}", known.name),
            _ => format!("`{}` did what it was ordered to", known.name),
        })
    }

    /// The node has said that it did not do what it was ordered to.
    pub(crate) fn has_failed(&self, node: NodeId) -> bool {
        let Ok(known) = self.living(node) else { return false };
        let order = known.order.as_ref().map(|order| order.generation);
        self.report(node, known).is_some_and(|report| {
            Some(report.generation) == order
                && matches!(report.outcome, OrderOutcome::Failed { .. })
        })
    }

    /// What a node says of the newest order it took up: a master in the log, a node manager in its
    /// reports.
    fn report(&self, node: NodeId, known: &'a Node) -> Option<&'a OrderReport> {
        if known.roles.master {
            known.order_report.as_ref()
        } else {
            self.facts.observations.orders.get(&node)
        }
    }

    pub(crate) fn level_readable(&self, level: u32) -> Judgement {
        let nodes = &self.facts.state.metadata.nodes;
        let behind: Vec<String> = nodes
            .values()
            .filter(|node| !node.reads(level))
            .map(|node| format!("`{}` reads up to {}", node.name, node.reads_level.max(1)))
            .collect();
        if behind.is_empty() {
            return Ok(format!("all {} nodes read feature level {level}", nodes.len()));
        }
        Err(Refusal::new(
            codes::FEATURE_LEVEL_UNREADABLE,
            format!("not every node has said that it reads feature level {level}"),
        )
        .cause(behind.join("; "))
        .hint("see which binary those nodes run: quorate node list"))
    }

    pub(crate) fn empty(&self, node: NodeId) -> Judgement {
        let carried = self.facts.state.metadata.instances_on(node);
        if carried.is_empty() {
            return Ok(format!("`{}` carries no instance", self.name(node)));
        }
        let names: Vec<String> = carried.iter().map(|name| format!("`{name}`")).collect();
        let mut hint = "remove their components first: quorate component remove NAME".to_owned();
        if self.masters().is_voter(node) {
            let name = self.name(node);
            hint = format!(
                "{hint}; of a dead host the vote alone can be taken: quorate node demote {name}"
            );
        }
        Err(Refusal::new(codes::IN_USE, format!("`{}` carries instances", self.name(node)))
            .cause(format!("{} run there", names.join(", ")))
            .hint(hint))
    }

    pub(crate) fn leader_is_not(&self, node: NodeId) -> Judgement {
        let leader = self.settled()?;
        if leader == node {
            return Err(Refusal::new(
                codes::MASTER_UNFIT,
                format!("`{}` still leads the masters", self.name(node)),
            ));
        }
        Ok(format!("`{}` leads", self.name(leader)))
    }

    pub(crate) fn leader_is(&self, node: NodeId) -> Judgement {
        let leader = self.settled()?;
        if leader != node {
            return Err(Refusal::new(
                codes::MASTER_UNFIT,
                format!("`{}` does not lead the masters", self.name(node)),
            )
            .cause(format!("`{}` leads", self.name(leader))));
        }
        Ok(format!("`{}` leads", self.name(leader)))
    }

    pub(crate) fn gone(&self, node: NodeId) -> Judgement {
        let still =
            |what: &str| Refusal::new(codes::MASTER_UNFIT, format!("`{}` {what}", self.name(node)));
        if !self.facts.state.metadata.tombstones.contains_key(&node) {
            return Err(still("has no tombstone"));
        }
        if self.masters().members.contains_key(&node) {
            return Err(still("is a member of the masters' quorum still"));
        }
        Ok(format!("a tombstone stands for `{}` ({node})", self.name(node)))
    }
}

/// The process has done what it was last ordered to, by its own word.
fn obeyed(node: &Node, obeyed: Generation, report: Option<&OrderReport>) -> Result<(), Refusal> {
    let Some(order) = &node.order else { return Ok(()) };
    let generation = order.generation;
    let not_yet = |message: String| Refusal::new(codes::MEMBER_UNHEALTHY, message);
    let told = report.filter(|report| report.generation == generation);
    match (told.map(|report| &report.outcome), &order.kind) {
        (Some(OrderOutcome::Failed { refusal }), _) => Err(refusal.clone()),
        (Some(OrderOutcome::Done { .. }), _) => Ok(()),
        (_, OrderKind::Restart | OrderKind::Purge) if obeyed >= generation => Ok(()),
        (_, OrderKind::Restart | OrderKind::Purge) => {
            Err(not_yet(format!("`{}` has not come back from its restart", node.name))
                .cause(format!(
                    "it was ordered under generation {generation} and has obeyed {obeyed}"
                ))
                .hint("see that its process runs, and what it logs"))
        }
        (_, OrderKind::Stage { binary }) => Err(not_yet(format!(
            "`{}` has not said that it holds the binary {}",
            node.name,
            binary.sha256.short()
        ))
        .hint("see that its process runs, and what it logs")),
        (Some(OrderOutcome::UnderWay), OrderKind::Upgrade { .. }) => {
            Err(not_yet(format!("`{}` runs the new binary and is not ready yet", node.name))
                .hint("it goes back by itself when it is not ready in time"))
        }
        (None, OrderKind::Upgrade { .. }) => {
            Err(not_yet(format!("`{}` has not come back with the new binary", node.name))
                .hint("see that its process runs, and what it logs; a start goes back by itself"))
        }
    }
}
