//! A finding, and the list of all checks there are.

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing, not wrong.
    Info,
    /// It could not be looked at: neither well nor wrong.
    Unknown,
    /// Nothing has failed, and something will, or would be lost.
    Warning,
    /// Something is broken, or one ordinary event away from harm.
    Problem,
}

impl Severity {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    /// Whether somebody has to do something: what is unknown is not blamed.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Warning | Self::Problem)
    }

    /// The severity of that word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Ok, Self::Info, Self::Unknown, Self::Warning, Self::Problem]
            .into_iter()
            .find(|severity| severity.as_str() == word)
    }
}

/// A mend that can be made by the command line on the host itself, and cannot do harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// Set the permission bits of a file or folder.
    SetMode {
        /// The file or folder.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
}

/// What one check found about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's stable id.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The node or component it concerns; empty when it concerns the cluster.
    pub about: String,
    /// What was seen.
    pub seen: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do, as a command line where there is one; empty when nothing is to be done.
    pub fix: String,
    /// How `quorate doctor --fix` mends it on the host itself, where that is safe.
    pub repair: Option<Repair>,
}

/// One check of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Its stable id.
    pub id: &'static str,
    /// Why it matters.
    pub why: &'static str,
}

impl Check {
    pub(super) fn finding(&self, severity: Severity, seen: impl Into<String>) -> Finding {
        Finding {
            id: self.id,
            severity,
            about: String::new(),
            seen: seen.into(),
            why: self.why,
            fix: String::new(),
            repair: None,
        }
    }

    pub(super) fn problem(&self, about: &str, seen: impl Into<String>, fix: &str) -> Finding {
        self.of(Severity::Problem, about, seen, fix)
    }

    pub(super) fn warning(&self, about: &str, seen: impl Into<String>, fix: &str) -> Finding {
        self.of(Severity::Warning, about, seen, fix)
    }

    pub(super) fn info(&self, about: &str, seen: impl Into<String>, fix: &str) -> Finding {
        self.of(Severity::Info, about, seen, fix)
    }

    /// It could not be looked at, and why.
    pub(super) fn unknown(&self, seen: impl Into<String>) -> Vec<Finding> {
        vec![self.finding(Severity::Unknown, seen)]
    }

    fn of(&self, severity: Severity, about: &str, seen: impl Into<String>, fix: &str) -> Finding {
        let finding = self.finding(severity, seen);
        Finding { about: about.to_owned(), fix: fix.to_owned(), ..finding }
    }

    /// What was found wrong; or that nothing was, in these words.
    pub(super) fn or_ok(&self, found: Vec<Finding>, ok: impl Into<String>) -> Vec<Finding> {
        if found.iter().any(|finding| finding.severity.is_bad()) {
            return found;
        }
        let mut all = found;
        all.push(self.finding(Severity::Ok, ok));
        all
    }
}

macro_rules! checks {
    ($($name:ident $id:literal $why:literal)*) => {
        $(pub(super) const $name: Check = Check { id: $id, why: $why };)*

        /// Every check, in the order of the checklist.
        pub const CHECKS: &[Check] = &[$($name),*];
    };
}

checks! {
    QUORUM "quorum" "Without a majority of voters nothing can be changed and no failure is acted on."
    MASTERS_ANSWER "masters-answer" "A master that does not answer is one death less that can be survived."
    MASTERS_AGREE "masters-agree" "Masters that see another leader, term or list of voters are cut off or of another history."
    LEADERSHIP "leadership" "While a leader is elected nothing is changed; elections without a cause are how a busy host, a slow disk or a bad link shows first."
    STATE_EQUAL "state-equal" "Equal logs give equal states; a difference means that one disk or binary cannot be trusted."
    LAG "lag" "A master that is behind takes over later, and helps no majority until it has caught up."
    VOTERS_ODD "voters-odd" "An even voter adds a vote to need without adding a death to survive."
    ZONES "zones" "Masters in one zone are lost together with it."
    LEARNERS "learners" "A learner has no vote: until it is promoted it helps nobody."
    PROPOSALS "proposals" "A change that was not acknowledged was lost or is in doubt."
    REPLICATION "replication" "Failing calls between masters are how a bad link, a slow disk or a firewall begins to show."
    REMOVED_NODES "removed-nodes" "A removed node that still calls was not switched off; its disk may hold what others believe gone."
    CLOCKS "clocks" "Certificates, tokens and logins are judged by the clock, and logs of several hosts are read by it."
    PORTS "ports" "A link that is closed one way shows only when leadership moves, at the worst moment."
    NODE_MANAGERS "node-managers" "What a silent node manager carries runs on, and nobody watches it or acts on it."
    WRITES "writes" "Every acknowledged change waits for a majority's disks; a slow one delays elections too."
    DISK_SPACE "disk-space" "A master whose disk is full acknowledges nothing; a component's data may be lost."
    PERMISSIONS "permissions" "Whoever can read or replace these files can act as this node, or read what it keeps."
    CERTIFICATES "certificates" "A node whose certificate has ended can speak with no other node."
    OPEN_FILES "open-files" "Every connection is an open file; a master at its limit accepts nobody."
    CORE_DUMPS "core-dumps" "A core dump holds the root key and everything that is sealed with it."
    TIME_SYNC "time-sync" "Without a daemon that keeps the time, clocks drift apart by seconds a day."
    VERSIONS "versions" "Mixed versions are for the time of an upgrade: the newest abilities wait for the oldest binary."
    BACKUPS "backups" "Replication is no backup: what is deleted by mistake is deleted on every master."
    OPERATIONS "operations" "A stuck or paused operation holds its lock: nothing else can be done to the same thing."
    COMPONENTS "components" "This is what the cluster is for."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_words_go_both_ways() {
        for (place, check) in CHECKS.iter().enumerate() {
            assert!(CHECKS[..place].iter().all(|other| other.id != check.id), "{}", check.id);
            assert!(check.id.chars().all(|it| it.is_ascii_lowercase() || it == '-'));
        }
        use Severity::{Info, Ok, Problem, Unknown, Warning};
        for severity in [Ok, Info, Unknown, Warning, Problem] {
            assert_eq!(Severity::of_word(severity.as_str()), Some(severity));
        }
    }
}
