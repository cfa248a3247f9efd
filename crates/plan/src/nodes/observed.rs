//! What the leader sees of the masters, with its age, as one value.

use std::{collections::BTreeMap, time::Duration};

use quorate_model::{NodeId, majority};

use crate::observations::in_words;

/// A master that has not answered the leader for this long counts as away. Heartbeats go out
/// every 40 ms, so this is no hasty judgement, even on a busy host.
pub const MASTER_FRESH_FOR: Duration = Duration::from_secs(3);

/// A master this close to what the leader has committed is level with it, in entries. Under a
/// stream of writes the newest ones are always on their way; so many are made up for in a moment.
pub const LEVEL_LAG: u64 = 1_000;

/// One master in the membership, as the leader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasterObserved {
    /// Whether it votes; it is a learner otherwise.
    pub voter: bool,
    /// How long ago it last answered; `None` when it never answered this leader.
    pub heard_ago: Option<Duration>,
    /// By how many entries it lags behind what is committed; `None` when that is unknown.
    pub lag: Option<u64>,
}

/// The masters' membership, as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MastersObserved {
    /// Who leads; `None` on a master that does not lead itself: it sees nothing of the others.
    pub leader: Option<NodeId>,
    /// Whether a change of voters was begun and not finished.
    pub joint: bool,
    /// Every member.
    pub members: BTreeMap<NodeId, MasterObserved>,
}

impl MastersObserved {
    /// Why a master does not count as answering.
    ///
    /// # Errors
    /// In words.
    pub fn answers(&self, node: NodeId) -> Result<(), String> {
        let Some(seen) = self.members.get(&node) else {
            return Err("it is no member of the masters' quorum".to_owned());
        };
        match seen.heard_ago {
            Some(ago) if ago <= MASTER_FRESH_FOR => Ok(()),
            Some(ago) => Err(format!("it has not answered for {}", in_words(ago))),
            None => Err("it has not answered this leader yet".to_owned()),
        }
    }

    /// Why a master does not count as answering and level with the leader.
    ///
    /// # Errors
    /// In words.
    pub fn level(&self, node: NodeId) -> Result<(), String> {
        self.answers(node)?;
        match self.members.get(&node).and_then(|seen| seen.lag) {
            Some(lag) if lag <= LEVEL_LAG => Ok(()),
            Some(lag) => Err(format!("it is {lag} entries behind")),
            None => Err("nothing was replicated to it yet".to_owned()),
        }
    }

    /// The voters.
    pub fn voters(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.iter().filter(|(_, seen)| seen.voter).map(|(id, _)| *id)
    }

    /// Whether a node votes.
    #[must_use]
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.members.get(&node).is_some_and(|seen| seen.voter)
    }

    /// The voter that could lead next best: it answers, is level, and is furthest ahead. `None`
    /// when no other voter can.
    #[must_use]
    pub fn heir(&self, leader: NodeId) -> Option<NodeId> {
        self.voters()
            .filter(|id| *id != leader && self.level(*id).is_ok())
            .min_by_key(|id| self.members.get(id).and_then(|seen| seen.lag))
    }

    /// How many of `voters` answer, and how many must.
    pub(crate) fn count(&self, voters: &[NodeId], away: Option<NodeId>) -> (usize, usize) {
        let answering =
            voters.iter().filter(|id| Some(**id) != away && self.answers(**id).is_ok()).count();
        (answering, majority(voters.len()))
    }

    /// The age of the oldest answer that counts.
    #[must_use]
    pub fn oldest_counted(&self) -> Duration {
        self.members
            .values()
            .filter_map(|seen| seen.heard_ago)
            .filter(|ago| *ago <= MASTER_FRESH_FOR)
            .max()
            .unwrap_or_default()
    }
}
