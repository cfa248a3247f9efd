//! Verdicts: what the observations of a component amount to.

use quorate_model::{ComponentName, Refusal, codes, failure_tolerance};
use quorate_pack::QuorumKind;

use crate::{Facts, condition::View};

/// What is known of a component's health. *Unknown* is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All of it serves.
    Up,
    /// It serves, with less tolerance than it should have.
    Degraded,
    /// It cannot serve.
    Down,
    /// Not enough is known to say.
    Unknown,
}

impl Verdict {
    /// One word for tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// A component's verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentHealth {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// How many more instances may die before it stops; `None` when it has stopped, or nothing
    /// is known.
    pub failure_tolerance: Option<usize>,
}

/// Judges a component. Members nobody can see count neither as up nor as down: when they would
/// decide, the verdict is unknown.
///
/// # Errors
/// When there is no such component or no such pack.
pub fn component(name: &ComponentName, facts: &Facts<'_>) -> Result<ComponentHealth, Refusal> {
    let view = View::of(facts, name)?;
    let total = view.spec().instances.len();
    let healthy = view.healthy_members().len();
    let unseen = view
        .spec()
        .instances
        .iter()
        .filter_map(|instance| view.healthy(&instance.name).err())
        .filter(|refusal| refusal.code == codes::MEMBER_UNKNOWN)
        .count();
    let needed = view.needed();
    let tolerance = match view.rules.quorum() {
        QuorumKind::Majority => failure_tolerance(healthy, total),
        QuorumKind::AnyOne => healthy.checked_sub(1),
    };
    let verdict = if healthy == total {
        Verdict::Up
    } else if healthy >= needed {
        Verdict::Degraded
    } else if healthy + unseen >= needed {
        Verdict::Unknown
    } else {
        Verdict::Down
    };
    let reason = match verdict {
        Verdict::Up => format!("{healthy} of {total} healthy"),
        _ => {
            let first = view
                .spec()
                .instances
                .iter()
                .find_map(|instance| view.healthy(&instance.name).err())
                .map_or_else(String::new, |refusal| {
                    let cause = refusal.cause.unwrap_or_default();
                    format!("; {}: {cause}", refusal.message)
                });
            format!("{healthy} of {total} healthy, {needed} needed{first}")
        }
    };
    Ok(ComponentHealth { verdict, reason, failure_tolerance: tolerance })
}
