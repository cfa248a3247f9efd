//! What a person does when no quorum of masters acts: the same words wherever it shows.

use quorate_model::majority;

/// What to do next, in order. `missing` names the voters that are not reached, as far as that is
/// known.
#[must_use]
pub fn next_steps(voters: usize, missing: &[String]) -> Vec<String> {
    let who = if missing.is_empty() {
        "the masters that are down".to_owned()
    } else {
        missing.join(", ")
    };
    let until = match voters {
        0 | 1 => "until a majority runs".to_owned(),
        _ => format!("until {} of {voters} voters run and reach each other", majority(voters)),
    };
    let mut steps = vec![format!("start {who}, {until}; on each of their hosts: quorate start")];
    if voters != 1 {
        steps.push(
            "if too many are gone for good: on every master that is left, quorate stop, then \
             quorate recover collect --out NAME.json; docs/recover.md goes on from there"
                .to_owned(),
        );
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_are_named_and_recovery_comes_after_starting_them() {
        let missing = ["m2 at m2:9901".to_owned(), "m3 at m3:9901".to_owned()];
        let steps = next_steps(3, &missing);
        assert!(
            steps[0].starts_with("start m2 at m2:9901, m3 at m3:9901, until 2 of 3"),
            "{steps:?}"
        );
        assert!(steps[1].contains("quorate recover collect --out"), "{steps:?}");
        assert_eq!(next_steps(1, &[]).len(), 1, "the only master is all there is to recover from");
    }
}
