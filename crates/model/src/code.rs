//! Stable error codes. `docs/errors/` has one page for each; `quorate-api` links them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A stable error code, written `Q2104`. A code keeps its meaning for ever; the thousands say
/// where it belongs: 1 starting and configuration, 2 operations and quorum, 3 access, 4 requests,
/// 5 storage, 6 nodes and instances, 9 our own bugs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Q{:04}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix(['Q', 'q'])
            .filter(|digits| digits.len() == 4)
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not an error code such as `Q2104`"))
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// Every code there is. The doc comment of each is the title of its page.
        pub mod codes {
            use super::Code;

            $($(#[$doc])* pub const $name: Code = Code($number);)*

            /// All codes, in order of their numbers, with their constant names.
            pub const ALL: &[(&str, Code)] = &[$((stringify!($name), $name)),*];
        }
    };
}

codes! {
    /// The root key is absent.
    ROOT_KEY_ABSENT = 1001;
    /// The root key is not in the form that `quorate keygen` prints.
    ROOT_KEY_MALFORMED = 1002;
    /// The root key does not open this node's keyring.
    ROOT_KEY_WRONG = 1003;
    /// The root key is not the one of the cluster being joined.
    ROOT_KEY_OF_ANOTHER_CLUSTER = 1004;
    /// This folder holds no node yet.
    NOT_INITIALISED = 1010;
    /// This folder holds a node already.
    ALREADY_INITIALISED = 1011;
    /// Another process runs on this data folder.
    DATA_FOLDER_IN_USE = 1012;
    /// The address is in use.
    ADDRESS_IN_USE = 1013;
    /// The configuration is wrong.
    CONFIGURATION_INVALID = 1014;
    /// A file or folder cannot be read or written.
    FILE_ACCESS = 1015;
    /// The clock of a master's host was reset.
    CLOCK_RESET = 1016;
    /// The join token is unusable.
    JOIN_TOKEN_INVALID = 1020;
    /// The cluster that answered is not the one the token was made for.
    CLUSTER_NOT_AUTHENTIC = 1021;
    /// The master at the address did not answer.
    MASTER_UNREACHABLE = 1022;
    /// The binary is older than the cluster's feature level.
    BINARY_TOO_OLD = 1030;
    /// The cluster did not become ready in time.
    READINESS_TIMEOUT = 1031;
    /// The node ended while it started.
    NODE_DID_NOT_START = 1040;
    /// The node has not stopped in time.
    NODE_DID_NOT_STOP = 1041;
    /// The pid file names a process that cannot be told to be this node.
    PID_FILE_DOUBTFUL = 1042;
    /// A node of a throw-away cluster has ended.
    DEV_NODE_ENDED = 1043;

    /// An operation is running on the same thing.
    OPERATION_CONFLICT = 2001;
    /// What the plan was made for has changed since.
    PLAN_OUTDATED = 2002;
    /// The operation cannot do that in its present status.
    OPERATION_STATUS = 2003;
    /// A step did not reach its end in time.
    STEP_DEADLINE = 2004;
    /// A component action failed.
    MEMBER_ACTION_FAILED = 2005;
    /// A change of the masters' own membership or leadership failed.
    MASTERS_CHANGE_FAILED = 2006;
    /// The component would lose its quorum.
    QUORUM_WOULD_BE_LOST = 2104;
    /// The component has lost its quorum.
    QUORUM_LOST = 2105;
    /// A member's state is unknown: there is no fresh observation of it.
    MEMBER_UNKNOWN = 2106;
    /// A member is not healthy.
    MEMBER_UNHEALTHY = 2107;
    /// It cannot be restarted without an interruption.
    INTERRUPTION_CERTAIN = 2108;
    /// An even number of voting masters would remain.
    EVEN_VOTERS = 2109;
    /// A master is not in the state that this needs.
    MASTER_UNFIT = 2110;
    /// A majority of the masters survives: there is nothing to recover from.
    RECOVERY_NOT_NEEDED = 2121;
    /// The reports do not make a recovery.
    RECOVERY_REPORTS_UNFIT = 2122;
    /// The plan is damaged, was edited, or is not for this node.
    RECOVERY_PLAN_INVALID = 2123;
    /// Another recovery was begun or made here.
    RECOVERY_CONFLICT = 2124;
    /// This node has changed since it was asked for its report.
    RECOVERY_NODE_CHANGED = 2125;
    /// A master that is to be written off is alive.
    WRITTEN_OFF_ALIVE = 2126;
    /// A recovery was begun on this node and not finished.
    RECOVERY_UNFINISHED = 2127;
    /// The recovery is not complete yet.
    RECOVERY_INCOMPLETE = 2128;
    /// This node was written off in a recovery from lost quorum.
    NODE_WRITTEN_OFF = 2129;
    /// The epoch this node belongs to has ended.
    EPOCH_ENDED = 2130;
    /// The reset was not confirmed by the hash of its plan.
    RESET_NOT_CONFIRMED = 2131;
    /// A node went back to the binary it ran before.
    UPGRADE_ROLLED_BACK = 2141;
    /// The binary is not fit for this cluster or this node.
    BINARY_UNFIT = 2142;
    /// No master holds the binary.
    BINARY_ABSENT = 2143;
    /// A node cannot read the feature level.
    FEATURE_LEVEL_UNREADABLE = 2144;

    /// Login is needed.
    UNAUTHENTICATED = 3001;
    /// The user name or the password is wrong.
    LOGIN_FAILED = 3002;
    /// The principal may not do this.
    FORBIDDEN = 3003;
    /// The password must be changed first.
    PASSWORD_CHANGE_REQUIRED = 3004;
    /// The new password is too weak.
    PASSWORD_TOO_WEAK = 3005;
    /// The last administrator cannot be taken away.
    LAST_ADMIN = 3006;
    /// The node's certificate does not allow this.
    NODE_NOT_AUTHORIZED = 3010;
    /// The enrolment waits for approval.
    ENROLMENT_PENDING = 3011;
    /// This node was removed from the cluster.
    NODE_REMOVED = 3012;

    /// The request is malformed.
    REQUEST_MALFORMED = 4001;
    /// There is no such thing.
    NOT_FOUND = 4004;
    /// The name is taken.
    NAME_TAKEN = 4009;
    /// The revision has changed since it was read.
    REVISION_MISMATCH = 4012;
    /// The value is too large.
    VALUE_TOO_LARGE = 4013;
    /// The specification is invalid.
    SPECIFICATION_INVALID = 4022;
    /// The thing is in use.
    IN_USE = 4023;
    /// Two instances, or an instance and a node, would listen on one port.
    PORT_CLASH = 4024;
    /// The cluster is not ready.
    NOT_READY = 4503;
    /// There is no leader or no quorum of masters.
    NO_LEADER = 4504;
    /// The outcome is unknown: the change may or may not have been made.
    OUTCOME_UNKNOWN = 4505;

    /// The disk is full.
    DISK_FULL = 5001;
    /// The last write to the log was torn; it was taken back.
    LOG_TAIL_TORN = 5002;
    /// A record of the log is corrupt.
    LOG_CORRUPT = 5003;
    /// The stored format is of a newer version.
    FORMAT_TOO_NEW = 5004;
    /// The node's storage failed.
    STORAGE_FAILED = 5005;

    /// A program that is needed is not installed.
    PROGRAM_MISSING = 6001;
    /// The instance cannot be started.
    INSTANCE_START_FAILED = 6002;
    /// The node has not reported lately.
    NODE_SILENT = 6003;
    /// A process of an earlier instance of this name still runs, unmanaged.
    INSTANCE_LEFT_RUNNING = 6004;

    /// This is a bug in Quorate.
    INTERNAL = 9001;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_order() {
        for pair in codes::ALL.windows(2) {
            assert!(pair[0].1 < pair[1].1, "{:?} {:?}", pair[0], pair[1]);
        }
    }

    #[test]
    fn a_code_is_read_as_it_is_written() {
        assert_eq!("Q2104".parse::<Code>().unwrap(), codes::QUORUM_WOULD_BE_LOST);
        assert!("2104".parse::<Code>().is_err());
    }
}
