//! Who becomes a voting master: a pure decision over what the leader sees, applied by `control`.
//!
//! A master joins as a learner. It is promoted when it is level with the leader, and has been for
//! the stabilization time. Voters stay odd in number: two learners enter in one change, so that
//! one master becomes three without standing at two, where one death would stop everything.

use std::{collections::BTreeMap, time::Duration};

use quorate_model::{NodeId, next_odd};

/// A learner this close to what the leader has committed has caught up, in entries.
pub const MAX_LAG: u64 = 1;

/// What the leader sees of one master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterSeen {
    /// Whether it votes.
    pub voter: bool,
    /// Whether it is in the Raft membership at all.
    pub member: bool,
    /// By how many entries it lags; `None` when the leader does not hear from it.
    pub lag: Option<u64>,
    /// For how long it has been level without a break.
    pub level_for: Duration,
    /// Whether the membership holds another address than the one it announced.
    pub moved: bool,
}

/// Everything the decision depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutopilotInput {
    /// Every living master node.
    pub masters: BTreeMap<NodeId, MasterSeen>,
    /// How long a learner must have been level.
    pub stabilization: Duration,
    /// Whether a change of voters was begun and not finished: until it is, majorities of the old
    /// and of the new voters are both needed.
    pub joint: bool,
}

/// What to do next; one thing at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AutopilotDecision {
    /// Nothing: `why` says what is waited for, if anything.
    Nothing {
        /// What is waited for, in words; empty when nothing is.
        why: String,
    },
    /// Finish the change of voters that a former leader left half-done.
    FinishChange,
    /// Record the address that this master announced.
    SetAddress(NodeId),
    /// Add this master as a learner.
    AddLearner(NodeId),
    /// Make these learners voters, all in one change.
    Promote(Vec<NodeId>),
}

/// Decides.
#[must_use]
pub fn decide(input: &AutopilotInput) -> AutopilotDecision {
    if input.joint {
        return AutopilotDecision::FinishChange;
    }
    if let Some((id, _)) = input.masters.iter().find(|(_, seen)| seen.member && seen.moved) {
        return AutopilotDecision::SetAddress(*id);
    }
    if let Some((id, _)) = input.masters.iter().find(|(_, seen)| !seen.member) {
        return AutopilotDecision::AddLearner(*id);
    }
    let voters = input.masters.values().filter(|seen| seen.voter).count();
    let learners: Vec<(&NodeId, &MasterSeen)> =
        input.masters.iter().filter(|(_, seen)| !seen.voter).collect();
    if learners.is_empty() {
        return AutopilotDecision::Nothing { why: String::new() };
    }
    let is_level = |seen: &MasterSeen| {
        seen.lag.is_some_and(|lag| lag <= MAX_LAG) && seen.level_for >= input.stabilization
    };
    let level: Vec<NodeId> =
        learners.iter().filter(|(_, seen)| is_level(seen)).map(|(id, _)| **id).collect();
    // From an odd number two at a time; from an even one, a single one makes it odd again.
    let wanted = if voters == next_odd(voters) { 2 } else { 1 };
    if level.len() >= wanted {
        return AutopilotDecision::Promote(level.into_iter().take(wanted).collect());
    }
    let waiting = learners.iter().filter(|(_, seen)| !is_level(seen)).count();
    AutopilotDecision::Nothing {
        why: if waiting == 0 {
            format!("{} learner has caught up; another is needed to keep voters odd", level.len())
        } else {
            format!("{waiting} of {} learners have not caught up", learners.len())
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STABLE: Duration = Duration::from_secs(2);

    fn voter() -> MasterSeen {
        MasterSeen { voter: true, member: true, lag: Some(0), level_for: STABLE, moved: false }
    }

    fn learner(lag: Option<u64>, level_for: Duration) -> MasterSeen {
        MasterSeen { voter: false, member: true, lag, level_for, moved: false }
    }

    fn decided(masters: Vec<MasterSeen>) -> AutopilotDecision {
        let masters = masters.into_iter().zip(1..).map(|(seen, id)| (NodeId(id), seen)).collect();
        decide(&AutopilotInput { masters, stabilization: STABLE, joint: false })
    }

    #[test]
    fn a_half_done_change_of_voters_is_finished_before_anything_else() {
        let mut input =
            AutopilotInput { masters: BTreeMap::new(), stabilization: STABLE, joint: true };
        input.masters.insert(NodeId(2), MasterSeen { member: false, ..learner(None, STABLE) });
        assert_eq!(decide(&input), AutopilotDecision::FinishChange);
    }

    #[test]
    fn a_master_that_announced_a_new_address_is_found_there() {
        let moved = MasterSeen { moved: true, ..voter() };
        assert_eq!(decided(vec![voter(), moved]), AutopilotDecision::SetAddress(NodeId(2)));
    }

    #[test]
    fn a_new_master_becomes_a_learner_first() {
        let new = MasterSeen { member: false, ..learner(None, STABLE) };
        assert_eq!(decided(vec![voter(), new]), AutopilotDecision::AddLearner(NodeId(2)));
    }

    #[test]
    fn one_master_becomes_three_in_one_change_and_never_stands_at_two() {
        let level = learner(Some(0), STABLE);
        assert!(matches!(
            decided(vec![voter(), level.clone()]),
            AutopilotDecision::Nothing { why } if why.contains("another is needed")
        ));
        assert_eq!(
            decided(vec![voter(), level.clone(), level]),
            AutopilotDecision::Promote(vec![NodeId(2), NodeId(3)])
        );
    }

    #[test]
    fn an_even_number_of_voters_is_mended_by_one() {
        let level = learner(Some(1), STABLE);
        assert_eq!(
            decided(vec![voter(), voter(), level]),
            AutopilotDecision::Promote(vec![NodeId(3)])
        );
    }

    #[test]
    fn a_learner_that_lags_or_has_only_just_caught_up_is_not_promoted() {
        for seen in [
            learner(Some(2), STABLE),
            learner(None, STABLE),
            learner(Some(0), STABLE - Duration::from_millis(1)),
        ] {
            let decision = decided(vec![voter(), seen, learner(Some(0), STABLE)]);
            assert!(matches!(decision, AutopilotDecision::Nothing { .. }), "{decision:?}");
        }
    }

    #[test]
    fn a_settled_cluster_is_left_alone() {
        assert_eq!(
            decided(vec![voter(), voter(), voter()]),
            AutopilotDecision::Nothing { why: String::new() }
        );
    }
}
