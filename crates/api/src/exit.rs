//! Exit codes of the command line: documented constants, a part of the contract.

use quorate_model::{Code, codes};

/// Done; for `status` and `doctor` also: healthy.
pub const DONE: u8 = 0;
/// Failed; for `status` and `doctor`: not healthy.
pub const FAILED: u8 = 1;
/// The command line or its input was wrong.
pub const USAGE: u8 = 2;
/// Refused by preflight.
pub const REFUSED: u8 = 3;
/// No leader or no quorum of masters.
pub const NO_QUORUM: u8 = 4;
/// Still running: detached, or timed out waiting.
pub const STILL_RUNNING: u8 = 5;
/// Our own bug.
pub const BUG: u8 = 255;

/// The exit code for an error code.
#[must_use]
pub const fn for_code(code: Code) -> u8 {
    match code.0 {
        2128 => FAILED,
        1030 | 2104..=2199 | 2001 | 2002 | 3012 | 4024 | 6004 => REFUSED,
        4503 | 4504 => NO_QUORUM,
        1041 | 3011 => STILL_RUNNING,
        4001 | 4022 | 1014 => USAGE,
        9000..=9999 => BUG,
        _ => FAILED,
    }
}

/// Whether a code means that the masters have no leader or no quorum.
#[must_use]
pub fn is_no_quorum(code: Code) -> bool {
    code == codes::NO_LEADER || code == codes::NOT_READY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_quorum_exits_with_3() {
        assert_eq!(for_code(codes::QUORUM_WOULD_BE_LOST), REFUSED);
        assert_eq!(for_code(codes::OPERATION_CONFLICT), REFUSED);
        assert_eq!(for_code(codes::NO_LEADER), NO_QUORUM);
        assert_eq!(for_code(codes::INTERNAL), BUG);
        assert_eq!(for_code(codes::NOT_FOUND), FAILED);
        assert_eq!(for_code(codes::PORT_CLASH), REFUSED);
        assert_eq!(for_code(codes::INSTANCE_LEFT_RUNNING), REFUSED);
        assert_eq!(for_code(codes::RESET_NOT_CONFIRMED), REFUSED);
        assert_eq!(for_code(codes::ENROLMENT_PENDING), STILL_RUNNING);
    }

    #[test]
    fn every_exit_code_has_its_row_in_the_documentation() {
        let page = include_str!("../../../docs/exit-codes.md");
        for code in [DONE, FAILED, USAGE, REFUSED, NO_QUORUM, STILL_RUNNING, BUG] {
            assert!(page.contains(&format!("\n| {code} | ")), "docs/exit-codes.md lacks {code}");
        }
    }
}
