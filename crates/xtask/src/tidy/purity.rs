//! The pure crates perform no I/O and know no clock, no randomness, no runtime (docs/adr/0001).

use super::{
    Violation,
    code::{Code, identifiers, is_word, line_of},
};
use crate::{Member, SourceFile};

const PURE: [&str; 5] = ["model", "state", "health", "pack", "plan"];
/// Drives drivers, so it acts; it is compiled into tests of packs only.
const EXEMPT: &str = "crates/pack/src/conformance.rs";

/// Modules of `std` and what to do instead.
const STD_MODULES: [(&str, &str); 7] = [
    ("fs", "files are read and written by a mechanism (tier 2)"),
    ("io", "reading and writing belongs to a mechanism (tier 2)"),
    ("net", "the network belongs to a mechanism; pass addresses as text or model types"),
    ("process", "processes belong to `supervisor`"),
    ("thread", "a pure function runs on its caller's thread"),
    ("env", "configuration is read by `quorate` and passed in"),
    ("os", "the operating system belongs to a mechanism"),
];

/// Words and what to do instead.
const WORDS: [(&str, &str); 7] = [
    ("tokio", "nothing here waits; the caller does"),
    ("SystemTime", "time is chosen by the proposer; take a `Timestamp`"),
    ("Instant", "time is chosen by the caller; take a `Timestamp` or a duration"),
    ("rand", "randomness is chosen by the proposer; take an `IdSource` or the ids"),
    ("getrandom", "randomness is chosen by the proposer; take an `IdSource` or the ids"),
    ("HashMap", "its order differs from run to run; use `BTreeMap` or `imbl::OrdMap`"),
    ("HashSet", "its order differs from run to run; use `BTreeSet` or `imbl::OrdSet`"),
];

/// Packages that a pure crate does not depend on.
const PACKAGES: [&str; 9] =
    ["tokio", "rand", "getrandom", "fastrand", "openraft", "redb", "tonic", "hyper", "reqwest"];

pub(super) fn check_dependencies(members: &[Member]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in members.iter().filter(|member| PURE.contains(&member.folder.as_str())) {
        for dependency in &member.dependencies {
            if !dependency.only_for_tests && PACKAGES.contains(&dependency.package.as_str()) {
                let message = format!(
                    "`{}` is pure and depends on `{}`; that belongs to a mechanism (tier 2)",
                    member.folder, dependency.package
                );
                violations.push(Violation::new(
                    format!("crates/{}/Cargo.toml", member.folder),
                    0,
                    message,
                ));
            }
        }
    }
    violations
}

pub(super) fn check_source(file: &SourceFile, code: &Code) -> Vec<Violation> {
    let source_of_pure = PURE.contains(&file.crate_folder()) && file.path.contains("/src/");
    if !source_of_pure || file.is_test() || file.path == EXEMPT {
        return Vec::new();
    }
    let mut violations = Vec::new();
    for (line, _, word) in identifiers(&code.shipped) {
        if let Some((_, instead)) = WORDS.iter().find(|(banned, _)| *banned == word) {
            violations.push(banned(file, line, word, instead));
        }
    }
    for (at, module) in std_modules(&code.shipped) {
        if let Some((_, instead)) = STD_MODULES.iter().find(|(banned, _)| *banned == module) {
            let line = line_of(&code.shipped, at);
            violations.push(banned(file, line, &format!("std::{module}"), instead));
        }
    }
    violations
}

fn banned(file: &SourceFile, line: usize, what: &str, instead: &str) -> Violation {
    let message = format!("`{what}` in the pure crate `{}`: {instead}", file.crate_folder());
    Violation::new(file.path.as_str(), line, message)
}

/// The modules of `std` that are named, alone (`std::fs::read`) or in a group
/// (`use std::{fs, io}`), with their positions.
fn std_modules(code: &str) -> Vec<(usize, &str)> {
    let mut modules = Vec::new();
    for (_, at, word) in identifiers(code) {
        let Some(rest) = code[at + word.len()..].strip_prefix("::") else {
            continue;
        };
        if word != "std" {
            continue;
        }
        let start = code.len() - rest.len();
        if let Some(group) = rest.strip_prefix('{') {
            modules.extend(group_heads(group).map(|(offset, head)| (start + 1 + offset, head)));
        } else {
            let end = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
            modules.push((start, &rest[..end]));
        }
    }
    modules
}

/// The first identifiers of a group's entries: `a, b::{c, d}}` gives `a` and `b`.
fn group_heads(group: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut depth = 0_i32;
    let mut fresh = true;
    identifiers(group)
        .scan(0, move |behind, (_, at, word)| {
            for char in group[*behind..at].chars() {
                match char {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => fresh = true,
                    _ => {}
                }
            }
            *behind = at + word.len();
            if depth < 0 {
                return None;
            }
            let head = fresh && depth == 0;
            fresh = fresh && !head;
            Some(head.then_some((at, word)))
        })
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dependency;

    fn check(path: &str, text: &str) -> Vec<usize> {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned() };
        check_source(&file, &Code::new(text)).into_iter().map(|found| found.line).collect()
    }

    #[test]
    fn clocks_files_and_unordered_maps_are_found_with_their_lines() {
        let path = "crates/state/src/x.rs";
        assert_eq!(check(path, "//! X.\nuse std::time::SystemTime;\n"), [2]);
        assert_eq!(check(path, "use std::{collections::HashMap,\n fmt, fs};\n"), [1, 2]);
        assert_eq!(check(path, "fn x() {\n std::thread::sleep(d);\n tokio::spawn(y);\n}"), [3, 2]);
        assert_eq!(check(path, "let a = Instant::now();"), [1]);
    }

    #[test]
    fn comments_strings_tests_and_other_crates_are_left_alone() {
        let text = "//! No HashMap.\nconst A: &str = \"std::fs\";\n#[cfg(test)]\nmod tests { use std::fs; }";
        assert_eq!(check("crates/state/src/x.rs", text), [0; 0]);
        let bad = "use std::fs;";
        for path in
            ["crates/raft/src/x.rs", "crates/state/tests/x.rs", EXEMPT, "crates/plan/build.rs"]
        {
            assert_eq!(check(path, bad), [0; 0], "{path}");
        }
    }

    #[test]
    fn names_that_only_look_alike_are_left_alone() {
        let text = "use std::{collections::BTreeMap, fmt::{self, Write}}; fn fs(operand: u8, process: u8) {}";
        assert_eq!(check("crates/plan/src/x.rs", text), [0; 0]);
        assert_eq!(check("crates/plan/src/x.rs", "use std::fmt; use crate::{fs, net};"), [0; 0]);
    }

    #[test]
    fn a_runtime_among_the_dependencies_is_found() {
        let mut member = Member {
            folder: "plan".to_owned(),
            package: "quorate-plan".to_owned(),
            dependencies: vec![Dependency { package: "tokio".to_owned(), only_for_tests: false }],
        };
        assert_eq!(check_dependencies(std::slice::from_ref(&member)).len(), 1);
        member.dependencies[0].only_for_tests = true;
        assert_eq!(check_dependencies(&[member]), []);
    }
}
