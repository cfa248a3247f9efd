//! Judges conditions over the state and fresh observations.

use std::collections::BTreeSet;

use quorate_model::{
    Code, ComponentName, ComponentSpec, Condition, InstanceName, InstanceObservation, MemberRole,
    NodeId, ProcessState, Readiness, Refusal, RunState, codes, has_quorum, majority,
};
use quorate_pack::{Catalog, PackRules, QuorumKind};
use quorate_state::{Component, State};

use crate::{Facts, Observations, nodes::Nodes};

/// Whether a condition holds: what was seen, or why not.
pub type Judgement = Result<String, Refusal>;

/// Judges one condition.
///
/// # Errors
/// The reason it does not hold, with a code and the way out. A condition that cannot be judged
/// does not hold.
pub fn judge(condition: &Condition, facts: &Facts<'_>) -> Judgement {
    match condition {
        Condition::QuorumWithout { component, instance } => {
            View::of(facts, component)?.quorum_without(instance)
        }
        Condition::CaughtUp { component, instance } => {
            View::of(facts, component)?.caught_up(instance)
        }
        Condition::NotLeading { component, instance } => {
            View::of(facts, component)?.not_leading(instance)
        }
        Condition::Whole { component } => View::of(facts, component)?.whole(),
        Condition::AllStopped { component } => View::of(facts, component)?.all_stopped(),
        Condition::NodesReporting { component } => View::of(facts, component)?.nodes_reporting(),
        Condition::MastersQuorateWithout { node } => Nodes::of(facts).quorate_without(*node),
        Condition::MastersQuorateAfter { without, with } => {
            Nodes::of(facts).quorate_after(*without, *with)
        }
        Condition::MastersWhole => Nodes::of(facts).whole(),
        Condition::NodeReady { node } => Nodes::of(facts).ready(*node),
        Condition::OrderDone { node } => Nodes::of(facts).order_done(*node),
        Condition::LevelReadable { level } => Nodes::of(facts).level_readable(*level),
        Condition::NodeEmpty { node } => Nodes::of(facts).empty(*node),
        Condition::LeaderIsNot { node } => Nodes::of(facts).leader_is_not(*node),
        Condition::LeaderIs { node } => Nodes::of(facts).leader_is(*node),
        Condition::NodeGone { node } => Nodes::of(facts).gone(*node),
    }
}

/// Whether waiting cannot make the condition hold any more, because a node has said that it did
/// not do what the condition waits for.
#[must_use]
pub fn is_hopeless(condition: &Condition, facts: &Facts<'_>) -> bool {
    match condition {
        Condition::NodeReady { node } | Condition::OrderDone { node } => {
            Nodes::of(facts).has_failed(*node)
        }
        _ => false,
    }
}

/// One component with its rules and what was observed of it.
pub(crate) struct View<'a> {
    pub(crate) component: &'a Component,
    pub(crate) rules: &'a dyn PackRules,
    observations: &'a Observations,
    facts: Facts<'a>,
}

impl<'a> View<'a> {
    pub(crate) fn of(facts: &Facts<'a>, name: &ComponentName) -> Result<Self, Refusal> {
        let Some(component) = facts.state.metadata.components.get(name) else {
            return Err(Refusal::new(codes::NOT_FOUND, format!("there is no component `{name}`"))
                .hint("list them with: quorate component list"));
        };
        let rules = rules_of(facts.catalog, &component.spec)?;
        Ok(Self { component, rules, observations: facts.observations, facts: *facts })
    }

    pub(crate) const fn spec(&self) -> &'a ComponentSpec {
        &self.component.spec
    }

    fn name(&self) -> &'a ComponentName {
        &self.component.spec.name
    }

    /// The member that leads, if a ready member says that it leads. Where several say so, as may
    /// be seen for a moment after a change, it is the one in the newest term.
    pub(crate) fn leader(&self) -> Option<(&'a InstanceName, &'a InstanceObservation)> {
        let claims = self.spec().instances.iter().filter_map(|instance| {
            let seen = self.observations.fresh(&instance.name).ok()?;
            let member = seen.member.as_ref()?;
            let leads = member.role == MemberRole::Leader && seen.is_ready();
            leads.then_some((member.term, &instance.name, seen))
        });
        claims.max_by_key(|(term, ..)| *term).map(|(_, name, seen)| (name, seen))
    }

    /// Why an instance does not count as healthy; `Ok` when it does.
    pub(crate) fn healthy(&self, name: &InstanceName) -> Result<&'a InstanceObservation, Refusal> {
        let refuse = |code: Code, cause: String| {
            Refusal::new(code, format!("member `{name}` of `{}` is not healthy", self.name()))
                .cause(cause)
                .hint(format!("look at it: quorate component show {}", self.name()))
        };
        let seen =
            self.observations.fresh(name).map_err(|cause| refuse(codes::MEMBER_UNKNOWN, cause))?;
        match &seen.process {
            ProcessState::Running { .. } => {}
            other => return Err(refuse(codes::MEMBER_UNHEALTHY, process_words(other))),
        }
        match &seen.readiness {
            Readiness::Ready => Ok(seen),
            Readiness::NotReady { reason } => {
                Err(refuse(codes::MEMBER_UNHEALTHY, format!("it is not ready: {reason}")))
            }
            Readiness::Unknown { reason } => {
                Err(refuse(codes::MEMBER_UNKNOWN, format!("it cannot be judged: {reason}")))
            }
        }
    }

    /// How many members must be healthy for the component to act.
    pub(crate) fn needed(&self) -> usize {
        match self.rules.quorum() {
            QuorumKind::Majority => majority(self.spec().instances.len()),
            QuorumKind::AnyOne => 1,
        }
    }

    /// The healthy members, by name.
    pub(crate) fn healthy_members(&self) -> Vec<&'a InstanceName> {
        self.spec()
            .instances
            .iter()
            .map(|instance| &instance.name)
            .filter(|name| self.healthy(name).is_ok())
            .collect()
    }

    /// Healthy, and with a vote where members vote.
    fn counts(&self, name: &InstanceName) -> Result<(), Refusal> {
        let seen = self.healthy(name)?;
        let is_learner =
            seen.member.as_ref().is_some_and(|member| member.role == MemberRole::Learner);
        if is_learner && self.rules.quorum() == QuorumKind::Majority {
            return Err(Refusal::new(
                codes::MEMBER_UNHEALTHY,
                format!("member `{name}` of `{}` does not count", self.name()),
            )
            .cause("it is a learner: it has no vote"));
        }
        Ok(())
    }

    /// How many members vote: as many as are specified, or as any of them counts, if that is
    /// more, since people can add members behind our back.
    fn voters(&self) -> usize {
        let counted = self.spec().instances.iter().filter_map(|instance| {
            let seen = self.observations.fresh(&instance.name).ok()?;
            usize::try_from(seen.member.as_ref()?.voters).ok()
        });
        counted.max().unwrap_or(0).max(self.spec().instances.len())
    }

    fn quorum_without(&self, away: &InstanceName) -> Judgement {
        let mut remaining = 0;
        let mut missing = Vec::new();
        for instance in self.spec().instances.iter().filter(|one| one.name != *away) {
            match self.counts(&instance.name) {
                Ok(()) => remaining += 1,
                Err(refusal) => missing.push((&instance.name, refusal)),
            }
        }
        let (total, needed, survives) = match self.rules.quorum() {
            QuorumKind::Majority => {
                let voters = self.voters();
                (voters, majority(voters), has_quorum(remaining, voters))
            }
            QuorumKind::AnyOne => (self.spec().instances.len(), 1, remaining >= 1),
        };
        if survives {
            return Ok(format!(
                "without `{away}`, {remaining} of {total} members stay healthy; {needed} are needed"
            ));
        }
        let refusal = Refusal::new(
            codes::QUORUM_WOULD_BE_LOST,
            format!("cannot take `{away}` away: `{}` would lose its quorum", self.name()),
        );
        Err(match missing.first() {
            Some((name, why)) => refusal
                .cause(format!(
                    "`{name}` is not healthy ({}); {remaining} of {total} would remain, {needed} \
                     are needed",
                    why.cause.as_deref().unwrap_or("unknown")
                ))
                .hint(format!("bring `{name}` back first: quorate component show {}", self.name())),
            None if total > self.spec().instances.len() => refusal
                .cause(format!(
                    "its members count {total} voters where {} are specified; {remaining} of them \
                     would remain, {needed} are needed",
                    self.spec().instances.len()
                ))
                .hint(
                    "remove the members that Quorate does not know, by the component's own tools",
                ),
            None => refusal
                .cause(format!("{remaining} of {total} would remain, {needed} are needed"))
                .hint("add members first, or accept the interruption: --accept-interruption"),
        })
    }

    /// Running as last ordered, ready, and level with the leader.
    pub(crate) fn caught_up(&self, name: &InstanceName) -> Judgement {
        let seen = self.healthy(name)?;
        let lag = |cause: String| {
            Refusal::new(
                codes::MEMBER_UNHEALTHY,
                format!("member `{name}` of `{}` has not caught up", self.name()),
            )
            .cause(cause)
            .hint(format!("look at it: quorate component show {}", self.name()))
        };
        if let Some(record) = self.component.instances.get(name) {
            if seen.generation < record.generation {
                return Err(lag("its node manager has not obeyed the newest order yet".to_owned()));
            }
            match &seen.process {
                ProcessState::Running { start_generation, .. }
                    if *start_generation < record.start_generation =>
                {
                    return Err(lag("its process is still the one of before".to_owned()));
                }
                _ => {}
            }
        }
        let leader = self.leader().and_then(|(leader, now)| {
            if leader == name { Some(now) } else { self.observations.before(leader, name) }
        });
        self.rules.caught_up(seen, leader).map_err(lag)?;
        Ok(match &seen.member {
            Some(member) => format!(
                "`{name}` is {} with applied index {} in term {}",
                member.role.as_str(),
                member.applied_index,
                member.term
            ),
            None => format!("`{name}` is ready"),
        })
    }

    fn not_leading(&self, name: &InstanceName) -> Judgement {
        match self.leader() {
            Some((leader, _)) if leader != name && !self.claims_to_lead(name) => {
                Ok(format!("`{leader}` leads"))
            }
            Some(_) => Err(Refusal::new(
                codes::MEMBER_UNHEALTHY,
                format!("`{name}` still leads `{}`", self.name()),
            )
            .hint("move its leadership by the component's own means, then resume the operation")),
            None => Err(Refusal::new(
                codes::QUORUM_LOST,
                format!("no ready member of `{}` leads", self.name()),
            )
            .hint(format!("look at it: quorate component show {}", self.name()))),
        }
    }

    fn claims_to_lead(&self, name: &InstanceName) -> bool {
        self.observations
            .fresh(name)
            .ok()
            .and_then(|seen| seen.member.as_ref())
            .is_some_and(|member| member.role == MemberRole::Leader)
    }

    fn whole(&self) -> Judgement {
        for instance in &self.spec().instances {
            self.caught_up(&instance.name)?;
        }
        let total = self.spec().instances.len();
        if self.rules.quorum() == QuorumKind::AnyOne {
            return Ok(format!("all {total} instances are ready"));
        }
        self.agreed().map(|leader| {
            format!("all {total} members are healthy and agree that `{leader}` leads")
        })
    }

    /// All members name the same leader, term and number of voters.
    fn agreed(&self) -> Result<&'a InstanceName, Refusal> {
        let disagree = |cause: String| {
            Refusal::new(
                codes::MEMBER_UNHEALTHY,
                format!("the members of `{}` do not agree", self.name()),
            )
            .cause(cause)
        };
        let Some((leader, leading)) = self.leader() else {
            return Err(disagree("none of them leads".to_owned()));
        };
        let Some(leading) = &leading.member else {
            return Err(disagree(format!("`{leader}` says nothing of its consensus")));
        };
        for instance in &self.spec().instances {
            let seen = self.healthy(&instance.name)?;
            let Some(member) = &seen.member else {
                return Err(disagree(format!("`{}` says nothing of its consensus", instance.name)));
            };
            if member.leader_id.as_ref() != Some(&leading.member_id) {
                return Err(disagree(format!("`{}` follows another leader", instance.name)));
            }
            if member.term != leading.term {
                return Err(disagree(format!(
                    "`{}` is in term {}, the leader in term {}",
                    instance.name, member.term, leading.term
                )));
            }
            if member.voters as usize != self.spec().instances.len() {
                return Err(disagree(format!(
                    "`{}` counts {} voters, the specification {}",
                    instance.name,
                    member.voters,
                    self.spec().instances.len()
                )));
            }
        }
        Ok(leader)
    }

    fn all_stopped(&self) -> Judgement {
        for instance in &self.spec().instances {
            let waiting = |cause: String| {
                Refusal::new(
                    codes::MEMBER_UNHEALTHY,
                    format!("`{}` has not stopped", instance.name),
                )
                .cause(cause)
            };
            let seen = self.observations.fresh(&instance.name).map_err(&waiting)?;
            let record = self.component.instances.get(&instance.name);
            let obeyed = record.is_none_or(|record| {
                record.run == RunState::Stopped && seen.generation >= record.generation
            });
            if !obeyed {
                return Err(waiting("its node manager has not obeyed the order yet".to_owned()));
            }
            if matches!(seen.process, ProcessState::Running { .. }) {
                return Err(waiting("its process still runs".to_owned()));
            }
        }
        Ok(format!("all {} processes have stopped", self.spec().instances.len()))
    }

    fn nodes_reporting(&self) -> Judgement {
        match self.silent_nodes().into_iter().next() {
            Some(refusal) => Err(refusal),
            None => Ok("every node that carries an instance reports".to_owned()),
        }
    }

    /// A refusal for every node that carries an instance and does not report: an order to it
    /// would not be obeyed.
    pub(crate) fn silent_nodes(&self) -> Vec<Refusal> {
        let nodes: BTreeSet<NodeId> =
            self.spec().instances.iter().map(|instance| instance.node).collect();
        nodes
            .into_iter()
            .filter(|node| !self.observations.is_reporting(*node))
            .map(|node| node_silent(&self.facts.node_name(node)))
            .collect()
    }
}

pub(crate) fn node_silent(node: &str) -> Refusal {
    Refusal::new(codes::NODE_SILENT, format!("the node manager of {node} does not report"))
        .hint("see that it runs on that host: quorate status")
}

pub(crate) fn rules_of<'a>(
    catalog: &'a Catalog,
    spec: &ComponentSpec,
) -> Result<&'a dyn PackRules, Refusal> {
    catalog.get(&spec.pack).ok_or_else(|| {
        let known: Vec<&str> = catalog.names().map(quorate_model::PackName::as_str).collect();
        Refusal::new(codes::SPECIFICATION_INVALID, format!("there is no pack `{}`", spec.pack))
            .hint(format!("the packs are: {}", known.join(", ")))
    })
}

pub(crate) fn process_words(process: &ProcessState) -> String {
    match process {
        ProcessState::Absent => "its process was never started".to_owned(),
        ProcessState::Running { pid, .. } => format!("its process runs as pid {pid}"),
        ProcessState::Exited { status, .. } => format!("its process ended with {status}"),
        ProcessState::Failed { refusal } => format!("it cannot be started: {}", refusal.message),
    }
}

/// The facts of a state and its observations; for tests and callers that hold the parts.
impl<'a> Facts<'a> {
    /// Puts the parts together.
    #[must_use]
    pub const fn new(
        state: &'a State,
        observations: &'a Observations,
        catalog: &'a Catalog,
    ) -> Self {
        Self { state, observations, catalog }
    }

    /// A node as people know it: its name, or its id when it has none any more.
    pub(crate) fn node_name(&self, id: NodeId) -> String {
        let node = self.state.metadata.nodes.get(&id);
        node.map_or_else(|| id.to_string(), |node| format!("`{}`", node.name))
    }
}
