//! Who shall lead: a pure decision over priorities, applied by `control`.
//!
//! Leadership is sticky. A master with a higher priority than the leader takes over only after it
//! has been live and level without a break for the whole window; a flap starts the window anew.
//! Among equals nothing moves.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use quorate_model::NodeId;

use crate::nodes::LEVEL_LAG;

/// How one master stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether it votes.
    pub voter: bool,
    /// The highest is preferred.
    pub priority: u32,
    /// By how many entries it lags; `None` when the leader does not hear from it.
    pub lag: Option<u64>,
    /// For how long it has been live and level without a break; `None` while it is not.
    pub steady_for: Option<Duration>,
    /// Whether somebody wants it without a vote.
    pub learner_only: bool,
}

/// Everything the decision depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadershipInput {
    /// Who leads.
    pub leader: NodeId,
    /// Every living master node.
    pub masters: BTreeMap<NodeId, Standing>,
    /// How long a preferred master must have been steady.
    pub window: Duration,
    /// Whether an operation holds the masters, and decides about them meanwhile.
    pub held: bool,
}

/// What to do about who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeadershipDecision {
    /// The leader is as good as any other.
    Stay,
    /// That master is preferred and cannot take over yet.
    Wait {
        /// The preferred master.
        preferred: NodeId,
        /// When it takes over if it stays steady; `None` while it is not steady.
        left: Option<Duration>,
    },
    /// Hand the leadership to that master.
    Transfer(NodeId),
}

/// Decides.
#[must_use]
pub fn decide_leader(input: &LeadershipInput) -> LeadershipDecision {
    let own = input.masters.get(&input.leader).map_or(0, |leader| leader.priority);
    let better = || {
        input.masters.iter().filter(|(id, standing)| {
            **id != input.leader
                && standing.voter
                && !standing.learner_only
                && standing.priority > own
        })
    };
    // The highest priority first, and among equals the lowest id.
    let best = |steady: bool| {
        better()
            .filter(|(_, standing)| !steady || standing.steady_for.is_some())
            .max_by_key(|(id, standing)| (standing.priority, Reverse(**id)))
    };
    // One that is away does not keep the next best from leading.
    if let Some((id, standing)) = best(true) {
        let left = standing.steady_for.map(|steady| input.window.saturating_sub(steady));
        return if left == Some(Duration::ZERO) && !input.held {
            LeadershipDecision::Transfer(*id)
        } else {
            LeadershipDecision::Wait { preferred: *id, left }
        };
    }
    best(false).map_or(LeadershipDecision::Stay, |(id, _)| LeadershipDecision::Wait {
        preferred: *id,
        left: None,
    })
}

/// Who could take over when the leader leaves, the best first: the steady voter with the highest
/// priority that is close to the leader's log, and among equals the one furthest ahead.
#[must_use]
pub fn heirs(input: &LeadershipInput) -> Vec<NodeId> {
    let mut heirs: Vec<_> = input
        .masters
        .iter()
        .filter(|(id, standing)| {
            **id != input.leader && standing.voter && standing.steady_for.is_some()
        })
        .collect();
    heirs.sort_by_key(|(id, standing)| {
        let lag = standing.lag.unwrap_or(u64::MAX);
        let close = lag <= LEVEL_LAG;
        let wanted = !standing.learner_only;
        // Of those that are far behind, the furthest ahead loses the least time.
        let priority = if close { standing.priority } else { 0 };
        (Reverse((close, wanted, priority)), lag, **id)
    });
    heirs.into_iter().map(|(id, _)| *id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(120);

    fn standing(priority: u32, steady_s: Option<u64>) -> Standing {
        Standing {
            voter: true,
            priority,
            lag: Some(0),
            steady_for: steady_s.map(Duration::from_secs),
            learner_only: false,
        }
    }

    /// Node 1 leads.
    fn input(masters: Vec<Standing>) -> LeadershipInput {
        LeadershipInput {
            leader: NodeId(1),
            masters: masters.into_iter().zip(1..).map(|(it, id)| (NodeId(id), it)).collect(),
            window: WINDOW,
            held: false,
        }
    }

    fn wait(id: u64, left_s: Option<u64>) -> LeadershipDecision {
        LeadershipDecision::Wait { preferred: NodeId(id), left: left_s.map(Duration::from_secs) }
    }

    #[test]
    fn a_preferred_master_leads_after_the_whole_window_and_not_before() {
        let leader = standing(0, Some(500));
        let table = [
            (standing(10, Some(0)), wait(2, Some(120))),
            (standing(10, Some(119)), wait(2, Some(1))),
            (standing(10, Some(120)), LeadershipDecision::Transfer(NodeId(2))),
            (standing(10, Some(999)), LeadershipDecision::Transfer(NodeId(2))),
            (standing(10, None), wait(2, None)),
            (standing(0, Some(999)), LeadershipDecision::Stay),
            (Standing { voter: false, ..standing(10, Some(999)) }, LeadershipDecision::Stay),
            (Standing { learner_only: true, ..standing(10, Some(999)) }, LeadershipDecision::Stay),
        ];
        for (other, wanted) in table {
            let input = input(vec![leader.clone(), other]);
            assert_eq!(decide_leader(&input), wanted, "{input:?}");
        }
    }

    #[test]
    fn among_equals_nothing_moves() {
        let equals = vec![standing(5, Some(1)), standing(5, Some(999)), standing(5, Some(999))];
        assert_eq!(decide_leader(&input(equals)), LeadershipDecision::Stay);
    }

    #[test]
    fn the_best_that_is_there_leads_while_a_better_one_is_away() {
        let masters = vec![standing(0, Some(999)), standing(10, None), standing(5, Some(120))];
        assert_eq!(decide_leader(&input(masters)), LeadershipDecision::Transfer(NodeId(3)));
        // One that is back is waited for, rather than moving twice.
        let masters = vec![standing(0, Some(999)), standing(10, Some(90)), standing(5, Some(120))];
        assert_eq!(decide_leader(&input(masters)), wait(2, Some(30)));
    }

    #[test]
    fn an_operation_on_the_masters_is_not_disturbed() {
        let masters = vec![standing(0, Some(999)), standing(10, Some(999))];
        let input = LeadershipInput { held: true, ..input(masters) };
        assert_eq!(decide_leader(&input), wait(2, Some(0)));
    }

    #[test]
    fn a_leaving_leader_is_followed_by_the_highest_priority_that_is_level() {
        let behind = |priority, lag| Standing { lag: Some(lag), ..standing(priority, Some(9)) };
        let table = [
            (vec![standing(1, Some(9)), standing(3, Some(9))], Some(3)),
            (vec![standing(9, None), standing(3, Some(9))], Some(3)),
            (vec![behind(9, LEVEL_LAG + 1), standing(3, Some(9))], Some(3)),
            (vec![behind(9, LEVEL_LAG), standing(3, Some(9))], Some(2)),
            (vec![behind(9, 9_000), behind(0, 5_000)], Some(3)),
            (vec![standing(0, Some(9)), standing(0, Some(9))], Some(2)),
            (vec![Standing { voter: false, ..standing(9, Some(9)) }], None),
            (vec![Standing { learner_only: true, ..standing(9, Some(9)) }, behind(0, 4)], Some(3)),
            (vec![standing(9, None)], None),
        ];
        for (others, wanted) in table {
            let mut masters = vec![standing(0, Some(9))];
            masters.extend(others);
            let input = input(masters);
            assert_eq!(heirs(&input).first().copied(), wanted.map(NodeId), "{input:?}");
        }
    }
}
