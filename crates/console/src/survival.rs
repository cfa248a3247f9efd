//! What would break if one more host died: the question of every night, answered before it is
//! asked. Pure arithmetic over the views of REST.

use std::collections::BTreeMap;

use quorate_api::rest::{ComponentView, StatusView};
use quorate_model::majority;

use crate::words::any_of;

/// How one thing would take the death of one more host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Survival {
    /// `safe`, `at risk`, `stopped serving` or `unknown`.
    pub(crate) word: &'static str,
    /// The same as a sentence; names stand between backticks.
    pub(crate) sentence: String,
}

impl Survival {
    fn new(word: &'static str, sentence: impl Into<String>) -> Self {
        Self { word, sentence: sentence.into() }
    }

    /// The order in which a person should look: what is worst first.
    pub(crate) fn urgency(&self) -> u8 {
        match self.word {
            "stopped serving" => 0,
            "at risk" => 1,
            "unknown" => 2,
            _ => 3,
        }
    }
}

/// How the masters would take it.
pub(crate) fn of_masters(status: &StatusView) -> Survival {
    if !status.quorate {
        return Survival::new("stopped serving", "The masters have no quorum now.");
    }
    let voters: Vec<_> = status.masters.iter().filter(|master| master.role == "voter").collect();
    let ready: Vec<_> = voters.iter().filter(|master| master.ready).collect();
    match ready.len().checked_sub(majority(voters.len())) {
        None => Survival::new("unknown", "This master cannot see enough of the others to say."),
        Some(0) => {
            let names: Vec<String> = ready.iter().map(|master| master.name.clone()).collect();
            let effect =
                "nothing could be changed until a majority is back; components would go on";
            Survival::new("at risk", format!("Without {}, {effect}.", any_of(&names)))
        }
        Some(spare) => Survival::new("safe", survives(spare)),
    }
}

/// How a component would take it.
pub(crate) fn of_component(component: &ComponentView) -> Survival {
    let Some(spare) = component.failure_tolerance else {
        return match component.verdict.as_str() {
            "down" => Survival::new("stopped serving", "It does not serve now."),
            _ => Survival::new("unknown", "Not enough of it can be seen to say."),
        };
    };
    let mut ready_on: BTreeMap<&str, usize> = BTreeMap::new();
    for instance in component.instances.iter().filter(|instance| instance.ready) {
        *ready_on.entry(&instance.node_name).or_default() += 1;
    }
    let critical: Vec<String> = ready_on
        .into_iter()
        .filter(|(_, ready)| *ready > spare)
        .map(|(host, _)| host.to_owned())
        .collect();
    if critical.is_empty() {
        Survival::new("safe", survives(spare))
    } else {
        Survival::new("at risk", format!("Without {}, it would stop serving.", any_of(&critical)))
    }
}

fn survives(spare: usize) -> String {
    match spare {
        0 | 1 => "Survives the death of any one host.".to_owned(),
        more => format!("Survives the death of any one host, and {more} deaths in all."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn three_healthy_masters_survive_one_death() {
        let survival = of_masters(&samples::healthy(samples::NIGHT).status);
        assert_eq!(survival.word, "safe");
        assert_eq!(survival.sentence, "Survives the death of any one host.");
    }

    #[test]
    fn with_one_master_dead_each_of_the_others_matters() {
        let survival = of_masters(&samples::degraded(samples::NIGHT).status);
        assert_eq!(survival.word, "at risk");
        assert!(survival.sentence.starts_with("Without `host-a` or `host-b`,"), "{survival:?}");
    }

    #[test]
    fn two_members_on_one_host_make_that_host_critical() {
        let mut component = samples::healthy(samples::NIGHT).components[0].clone();
        assert_eq!(of_component(&component).word, "safe");
        component.instances[1].node_name = component.instances[0].node_name.clone();
        let survival = of_component(&component);
        assert_eq!(survival.word, "at risk");
        assert!(survival.sentence.contains("`host-a`,"), "{survival:?}");
    }

    #[test]
    fn what_cannot_be_seen_is_unknown_not_safe() {
        let mut component = samples::healthy(samples::NIGHT).components[0].clone();
        component.failure_tolerance = None;
        component.verdict = "unknown".to_owned();
        assert_eq!(of_component(&component).word, "unknown");
    }
}
