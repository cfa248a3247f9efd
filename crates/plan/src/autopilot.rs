//! Who is a voting master: a pure decision over what the leader sees, applied by `control`.
//!
//! A master joins as a learner. It is promoted when it is level with the leader, and has been for
//! the stabilization time. Voters stay odd in number: two learners enter in one change, so that
//! one master becomes three without standing at two, where one death would stop everything. Only
//! a person can allow an even number, with a reason. A learner that makes no progress is reported
//! and never promoted. Masters that fell silent are cleaned up only when a policy says so: first
//! they lose their votes, never so many that the rest could not act, and then they are removed.
//! Who was removed is no member any more, whatever was under way at that moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use quorate_model::{NodeId, majority, next_odd};

use crate::nodes::MASTER_FRESH_FOR;

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
    /// For how long it has been behind without getting any further.
    pub stuck_for: Duration,
    /// For how long the leader has not heard from it, counted from the beginning of its term when
    /// it never has.
    pub silent_for: Duration,
    /// Whether the membership holds another address than the one it announced.
    pub moved: bool,
    /// Whether somebody wants it without a vote.
    pub learner_only: bool,
    /// Whether its process has ever begun: one that joined and was not started yet is not dead.
    pub was_started: bool,
    /// Whether it runs instances of components, which would lose a member with it.
    pub carries_instances: bool,
}

/// When masters that fell silent lose their votes, and are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanUp {
    /// After so long in silence.
    pub after: Duration,
    /// Never leaving fewer voters than this.
    pub floor: usize,
}

/// Everything the decision depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutopilotInput {
    /// Who leads and decides.
    pub leader: NodeId,
    /// Every living master node.
    pub masters: BTreeMap<NodeId, MasterSeen>,
    /// Members with a vote for which a tombstone stands.
    pub removed_voters: BTreeSet<NodeId>,
    /// Members without a vote for which a tombstone stands.
    pub removed_learners: BTreeSet<NodeId>,
    /// How long a learner must have been level.
    pub stabilization: Duration,
    /// After how long without progress a learner counts as stalled.
    pub stall_after: Duration,
    /// Whether an even number of voters is allowed.
    pub even_allowed: bool,
    /// What happens to masters that fell silent; `None`: nothing.
    pub clean_up: Option<CleanUp>,
    /// Whether an operation holds the masters, and decides about them meanwhile.
    pub held: bool,
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
    /// Give and take votes, all in one change; who loses its vote goes on as a learner.
    ChangeVoters(VoterChange),
    /// This leader shall lose its vote: hand the leadership to that voter first.
    HandOver(NodeId),
    /// It has no vote any more and is dead to the policy: let an operation remove it for good.
    Remove(NodeId),
    /// They were removed and have no vote: the membership need not know them.
    Forget(Vec<NodeId>),
}

/// A change of voters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoterChange {
    /// They get a vote.
    pub promote: Vec<NodeId>,
    /// They lose theirs.
    pub demote: Vec<NodeId>,
    /// Why, in words.
    pub why: String,
}

/// Why a learner counts as stalled, in words; `None` while it does not, and for voters.
#[must_use]
pub fn stalled(seen: &MasterSeen, stall_after: Duration) -> Option<String> {
    if seen.voter || !seen.member {
        None
    } else if seen.silent_for >= stall_after {
        Some(format!("it has not been heard from for {} s", seen.silent_for.as_secs()))
    } else if seen.lag.is_none_or(|lag| lag > MAX_LAG) && seen.stuck_for >= stall_after {
        let behind = seen.lag.map_or_else(
            || "nothing was replicated to it".to_owned(),
            |lag| format!("it is {lag} entries behind"),
        );
        Some(format!("{behind} and has made no progress for {} s", seen.stuck_for.as_secs()))
    } else {
        None
    }
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
    // It counts on the voters it was planned for; who joins meanwhile may receive the log already.
    if input.held {
        let why = "an operation is changing the masters".to_owned();
        return AutopilotDecision::Nothing { why };
    }
    let view = View::new(input);
    if let Some(decision) = leave_behind(&view) {
        return decision;
    }
    match take_wanted_votes(&view) {
        Taken::Decided(decision) => return decision,
        Taken::Waits(why) => return AutopilotDecision::Nothing { why },
        Taken::Nothing => {}
    }
    let promoted = promote(&view);
    if matches!(promoted, AutopilotDecision::Promote(_)) {
        return promoted;
    }
    clean_up(&view).unwrap_or(promoted)
}

/// What would come of giving or taking votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VotesVerdict {
    /// Autopilot can carry it out.
    Fine,
    /// So many voters there would be, an even number, which is not allowed.
    Even(usize),
    /// The voters that remain could not act.
    TooFew,
}

/// Judges a wish about votes before it is decided.
#[must_use]
pub fn judge_votes(input: &AutopilotInput, nodes: &[NodeId], votes: bool) -> VotesVerdict {
    let mut wished = input.clone();
    for id in nodes {
        if let Some(seen) = wished.masters.get_mut(id) {
            seen.learner_only = !votes;
        }
    }
    if votes {
        let may_vote = |seen: &&MasterSeen| !seen.learner_only;
        let voters = wished.masters.values().filter(may_vote).count();
        let even = !input.even_allowed && voters != next_odd(voters);
        return if even { VotesVerdict::Even(voters) } else { VotesVerdict::Fine };
    }
    let leaving = View::new(&wished).leaving();
    if leaving.is_empty() || View::new(&wished).without(&leaving, 1).is_some() {
        return VotesVerdict::Fine;
    }
    let left = wished.masters.values().filter(|seen| seen.voter).count() - leaving.len();
    let even = AutopilotInput { even_allowed: true, ..wished };
    match View::new(&even).without(&leaving, 1) {
        Some(_) => VotesVerdict::Even(left),
        None => VotesVerdict::TooFew,
    }
}

/// The masters sorted by what they are.
struct View<'a> {
    input: &'a AutopilotInput,
    voters: BTreeSet<NodeId>,
    /// Learners that may vote.
    waiting: Vec<NodeId>,
    /// Those of them that are level.
    level: Vec<NodeId>,
}

impl<'a> View<'a> {
    fn new(input: &'a AutopilotInput) -> Self {
        let of = |wanted: &dyn Fn(&MasterSeen) -> bool| -> Vec<NodeId> {
            let found = input.masters.iter().filter(|(_, seen)| wanted(seen));
            found.map(|(id, _)| *id).collect()
        };
        let may_vote = |seen: &MasterSeen| !seen.voter && seen.member && !seen.learner_only;
        let is_level = |seen: &MasterSeen| {
            // On an idle leader a dead learner does not fall behind.
            seen.silent_for < MASTER_FRESH_FOR
                && seen.lag.is_some_and(|lag| lag <= MAX_LAG)
                && seen.level_for >= input.stabilization
        };
        Self {
            input,
            voters: of(&|seen| seen.voter).into_iter().collect(),
            waiting: of(&may_vote),
            level: of(&|seen| may_vote(seen) && is_level(seen)),
        }
    }

    fn seen(&self, id: NodeId) -> Option<&MasterSeen> {
        self.input.masters.get(&id)
    }

    /// The voters that somebody wants without a vote.
    fn leaving(&self) -> Vec<NodeId> {
        let unwanted = |id: &NodeId| self.seen(*id).is_some_and(|seen| seen.learner_only);
        self.voters.iter().copied().filter(unwanted).collect()
    }

    /// Whether these voters could act: a majority of them answers.
    fn could_act(&self, voters: &BTreeSet<NodeId>) -> bool {
        let heard = |id: &&NodeId| {
            **id == self.input.leader
                || self.seen(**id).is_some_and(|seen| seen.silent_for < MASTER_FRESH_FOR)
        };
        !voters.is_empty() && voters.iter().filter(heard).count() >= majority(voters.len())
    }

    fn number_is_fine(&self, voters: usize) -> bool {
        self.input.even_allowed || voters == next_odd(voters)
    }

    /// The leader is among those that shall not vote: another voter leads first, the one that
    /// answers and is furthest ahead.
    fn hand_over(&self, leaving: &[NodeId]) -> AutopilotDecision {
        let heir = self
            .voters
            .iter()
            .filter(|id| !leaving.contains(id))
            .filter_map(|id| Some((self.seen(*id)?, *id)))
            .filter(|(seen, _)| seen.silent_for < MASTER_FRESH_FOR)
            .min_by_key(|(seen, _)| seen.lag.unwrap_or(u64::MAX));
        match heir {
            Some((_, heir)) => AutopilotDecision::HandOver(heir),
            None => AutopilotDecision::Nothing {
                why: "no other voter answers that could lead".to_owned(),
            },
        }
    }

    /// The best change that takes the votes of `leaving`, all of them, and lets as many level
    /// learners in as are needed for a number of voters that is fine.
    fn without(&self, leaving: &[NodeId], floor: usize) -> Option<VoterChange> {
        let most = self.level.len().min(leaving.len());
        (0..=most).rev().find_map(|count| {
            let promote: Vec<NodeId> = self.level.iter().copied().take(count).collect();
            let mut voters = self.voters.clone();
            voters.retain(|id| !leaving.contains(id));
            voters.extend(&promote);
            let fits = voters.len() >= floor.max(1)
                && self.number_is_fine(voters.len())
                && self.could_act(&voters);
            fits.then(|| VoterChange { promote, demote: leaving.to_vec(), why: String::new() })
        })
    }
}

/// What remains of removed masters in the membership goes: their votes first. The operation that
/// removes one does so itself; but a change that was under way when it ended may have brought one
/// back. That an even number of voters may remain is no reason to keep one that counts for nothing.
fn leave_behind(view: &View<'_>) -> Option<AutopilotDecision> {
    let (votes, members) = (&view.input.removed_voters, &view.input.removed_learners);
    if votes.is_empty() {
        let members: Vec<NodeId> = members.iter().copied().collect();
        return (!members.is_empty()).then_some(AutopilotDecision::Forget(members));
    }
    let demote: Vec<NodeId> = votes.iter().copied().collect();
    let with = |count: usize| -> (Vec<NodeId>, BTreeSet<NodeId>) {
        let promote: Vec<NodeId> = view.level.iter().copied().take(count).collect();
        let voters = view.voters.iter().chain(&promote).copied().collect();
        (promote, voters)
    };
    let most = view.level.len().min(votes.len());
    let odd = (0..=most)
        .rev()
        .map(with)
        .find(|(_, voters)| view.number_is_fine(voters.len()) && view.could_act(voters));
    let any = || Some(with(0)).filter(|(_, voters)| view.could_act(voters));
    let Some((promote, _)) = odd.or_else(any) else {
        let why = format!(
            "{} was removed and still has a vote, but the other voters are too few to act",
            names(&demote)
        );
        return Some(AutopilotDecision::Nothing { why });
    };
    if votes.contains(&view.input.leader) {
        return Some(view.hand_over(&demote));
    }
    let why = "a tombstone stands for them".to_owned();
    Some(AutopilotDecision::ChangeVoters(VoterChange { promote, demote, why }))
}

enum Taken {
    Nothing,
    Decided(AutopilotDecision),
    Waits(String),
}

/// Takes the votes of those that somebody wants without one.
fn take_wanted_votes(view: &View<'_>) -> Taken {
    let leaving = view.leaving();
    if leaving.is_empty() {
        return Taken::Nothing;
    }
    let Some(change) = view.without(&leaving, 1) else {
        return Taken::Waits(format!(
            "{} shall lose the vote, but the other voters would be too few to act, or even in \
             number without a reason given",
            names(&leaving)
        ));
    };
    if leaving.contains(&view.input.leader) {
        return Taken::Decided(view.hand_over(&leaving));
    }
    let why = "somebody wants them without a vote".to_owned();
    Taken::Decided(AutopilotDecision::ChangeVoters(VoterChange { why, ..change }))
}

/// Lets level learners in, keeping the number of voters odd unless even is allowed.
fn promote(view: &View<'_>) -> AutopilotDecision {
    if view.waiting.is_empty() {
        return AutopilotDecision::Nothing { why: String::new() };
    }
    // From an odd number two at a time; from an even one, a single one makes it odd again.
    let odd = view.voters.len() == next_odd(view.voters.len());
    let wanted = if odd && !view.input.even_allowed { 2 } else { 1 };
    if view.level.len() >= wanted {
        let count = if odd { view.level.len().min(2) } else { 1 };
        return AutopilotDecision::Promote(view.level.iter().copied().take(count).collect());
    }
    let behind = view.waiting.len() - view.level.len();
    AutopilotDecision::Nothing {
        why: if behind == 0 {
            format!(
                "{} learner has caught up; another is needed to keep voters odd",
                view.level.len()
            )
        } else {
            format!("{behind} of {} learners have not caught up", view.waiting.len())
        },
    }
}

/// Takes the votes of masters that have been silent for too long: as many at once as leave a
/// number of voters that is fine, that can act and is not below the floor. A level learner takes
/// the place of a silent voter in the same change.
fn clean_up(view: &View<'_>) -> Option<AutopilotDecision> {
    let policy = view.input.clean_up?;
    let mut silent: Vec<NodeId> = view
        .voters
        .iter()
        .copied()
        .filter(|id| *id != view.input.leader)
        .filter(|id| view.seen(*id).is_some_and(|seen| seen.silent_for >= policy.after))
        .collect();
    // The longest silent goes first.
    silent.sort_by_key(|id| std::cmp::Reverse(view.seen(*id).map(|seen| seen.silent_for)));
    if silent.is_empty() {
        return remove_dead(view, policy);
    }
    let change =
        (1..=silent.len()).rev().find_map(|count| view.without(silent.get(..count)?, policy.floor));
    Some(change.map_or_else(
        || AutopilotDecision::Nothing {
            why: format!(
                "{} fell silent but keeps the vote: the rest would be below the floor of {}, too \
                 few to act, or even in number; a new master can take the place",
                names(&silent),
                policy.floor
            ),
        },
        |change| {
            let why = format!("not heard from for {} s or longer", policy.after.as_secs());
            AutopilotDecision::ChangeVoters(VoterChange { why, ..change })
        },
    ))
}

/// Removes those that are silent and without a vote, one after the other. Whom a person wants
/// without a vote stays: somebody knows about it.
fn remove_dead(view: &View<'_>, policy: CleanUp) -> Option<AutopilotDecision> {
    let mut dead = view.input.masters.iter().filter(|(_, seen)| {
        !seen.voter && !seen.learner_only && seen.was_started && seen.silent_for >= policy.after
    });
    let (id, seen) = dead.clone().find(|(_, seen)| !seen.carries_instances).or(dead.next())?;
    Some(if seen.carries_instances {
        AutopilotDecision::Nothing {
            why: format!("{id} fell silent but is not removed: it carries instances of components"),
        }
    } else {
        AutopilotDecision::Remove(*id)
    })
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
