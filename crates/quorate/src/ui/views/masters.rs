//! The masters' policy, and joiners that wait.

use std::fmt::Write as _;

use quorate_api::rest::{EnrolmentView, MasterPolicyView};

use crate::ui::{Cell, Grid, Paint, Tone};

/// The joiners that wait, as a table.
pub(crate) fn enrolments(enrolments: &[EnrolmentView], paint: Paint) -> String {
    let mut grid = Grid::new(&["ID", "NAME", "ROLE", "KEY", "ADDRESS", "EXPIRES", "STATUS"]);
    for enrolment in enrolments {
        grid.row(vec![
            Cell::new(&enrolment.id),
            Cell::new(&enrolment.name),
            Cell::new(&enrolment.role),
            Cell::new(&enrolment.fingerprint),
            Cell::new(&enrolment.address),
            Cell::new(&enrolment.expires_at),
            Cell::new(&enrolment.status),
        ]);
    }
    grid.render(paint, "nobody waits")
}

/// The policy as text.
pub(crate) fn master_policy(policy: &MasterPolicyView, paint: Paint) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let label = paint.text(Tone::Dim, &format!("{label:<14}"));
        let _ = writeln!(text, "{label} {value}");
    };
    line("fail-back", &format!("{} after a preferred master is steady", of(policy.fail_back_ms)));
    line("stall-after", &format!("{} without progress", of(policy.stall_after_ms)));
    let cleanup = policy.cleanup_after_ms.map_or_else(
        || "off".to_owned(),
        |after| format!("{} in silence, down to {} voters", of(after), policy.cleanup_floor),
    );
    line("cleanup-after", &cleanup);
    if let Some(even) = &policy.even_voters {
        line("even voters", &format!("allowed: {} ({}, {})", even.reason, even.by, even.at));
    }
    text
}

/// Whole minutes or seconds where it is such, else milliseconds.
fn of(ms: u64) -> String {
    match ms {
        0 => "0s".to_owned(),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}
