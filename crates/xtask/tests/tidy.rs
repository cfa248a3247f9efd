//! The rules of the house, as a test.

use quorate_xtask::{Repository, tidy};

#[test]
fn the_house_is_tidy() {
    let violations = tidy::check(&Repository::here()).unwrap();
    let listed: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(listed.is_empty(), "{} violations:\n{}", listed.len(), listed.join("\n"));
}
