//! Quorum arithmetic: three small functions that everything else leans on.

/// The least number of members that is more than half of `members`. Zero members have no
/// majority, so the answer for 0 is 1: nothing can act.
#[must_use]
pub const fn majority(members: usize) -> usize {
    members / 2 + 1
}

/// Whether `healthy` members of `members` can act.
#[must_use]
pub const fn has_quorum(healthy: usize, members: usize) -> bool {
    healthy >= majority(members)
}

/// How many of the `healthy` members may still die before the quorum of `members` is lost.
/// `None` when it is lost already.
#[must_use]
pub const fn failure_tolerance(healthy: usize, members: usize) -> Option<usize> {
    healthy.checked_sub(majority(members))
}

/// How many members may still die while a change of members is under way, when a majority of each
/// set, the former and the new, is needed: `(healthy, members)` of each. `None` when one of them
/// has lost its quorum already, or there is no set at all. The worst case is counted: every death
/// may strike the set that has the least to spare.
#[must_use]
pub fn joint_tolerance(sets: &[(usize, usize)]) -> Option<usize> {
    let spare: Option<Vec<usize>> =
        sets.iter().map(|&(healthy, members)| failure_tolerance(healthy, members)).collect();
    spare?.into_iter().min()
}

/// The smallest odd number that is at least `members`: an even member adds a vote to need
/// without adding a death to survive.
#[must_use]
pub const fn next_odd(members: usize) -> usize {
    members | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majorities_are_as_in_the_table() {
        // members, majority, tolerance with all healthy
        let table = [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3)];
        for (members, expected, tolerance) in table {
            assert_eq!(majority(members), expected, "{members}");
            assert_eq!(failure_tolerance(members, members), Some(tolerance), "{members}");
        }
    }

    #[test]
    fn no_members_can_never_act() {
        assert!(!has_quorum(0, 0));
        assert_eq!(failure_tolerance(0, 0), None);
    }

    #[test]
    fn two_majorities_always_share_a_member() {
        for members in 1..100 {
            assert!(2 * majority(members) > members);
        }
    }

    #[test]
    fn a_lost_quorum_has_no_tolerance() {
        assert_eq!(failure_tolerance(1, 3), None);
        assert_eq!(failure_tolerance(2, 3), Some(0));
    }

    #[test]
    fn while_voters_change_the_weaker_set_counts() {
        // From one to three voters, all healthy: the single old voter must not die.
        assert_eq!(joint_tolerance(&[(1, 1), (3, 3)]), Some(0));
        assert_eq!(joint_tolerance(&[(3, 3), (5, 5)]), Some(1));
        assert_eq!(joint_tolerance(&[(3, 3), (2, 5)]), None);
        assert_eq!(joint_tolerance(&[(3, 3)]), Some(1));
        assert_eq!(joint_tolerance(&[]), None);
    }

    #[test]
    fn the_target_is_odd() {
        assert_eq!([1, 2, 3, 4, 5].map(next_odd), [1, 3, 3, 5, 5]);
    }
}
