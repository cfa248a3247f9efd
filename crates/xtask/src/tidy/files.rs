//! Every source file begins with its purpose and stays small; every crate inherits the lints.

use super::Violation;
use crate::SourceFile;

/// More lines than this make a hub, which nobody reads as a whole.
const MOST_LINES: usize = 900;

pub(super) fn check_source(file: &SourceFile) -> Vec<Violation> {
    let mut violations = Vec::new();
    let first = file.text.lines().next().unwrap_or_default();
    if !first.starts_with("//! ") {
        let message = "does not begin with `//!`; say in one sentence what the file owns";
        violations.push(Violation::new(file.path.as_str(), 1, message));
    }
    let lines = file.text.lines().count();
    if lines > MOST_LINES {
        let message =
            format!("has {lines} lines, more than {MOST_LINES}; split it by what it owns");
        violations.push(Violation::new(file.path.as_str(), 0, message));
    }
    violations
}

pub(super) fn check_manifest(path: &str, text: &str) -> Vec<Violation> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    if lines.next() == Some("workspace = true") {
        return Vec::new();
    }
    let message = "does not inherit the lints; add `[lints]` with `workspace = true`";
    vec![Violation::new(path, 0, message)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<Violation> {
        check_source(&SourceFile { path: "crates/x/build.rs".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn a_file_without_a_purpose_is_found() {
        assert_eq!(check("//! Owns x.\nfn x() {}\n"), []);
        assert_eq!(check("fn x() {}\n").len(), 1);
        assert_eq!(check("\n//! Owns x.\n").len(), 1);
        assert_eq!(check("").len(), 1);
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(check(&format!("//! Owns x.\n{}", "\n".repeat(899))), []);
        assert_eq!(check(&format!("//! Owns x.\n{}", "\n".repeat(900))).len(), 1);
    }

    #[test]
    fn a_crate_without_the_lints_is_found() {
        assert_eq!(check_manifest("x", "[package]\n\n[lints]\nworkspace = true\n"), []);
        assert_eq!(check_manifest("x", "[package]\nname = \"x\"\n").len(), 1);
        assert_eq!(check_manifest("x", "[lints]\nrust = {}\n").len(), 1);
    }
}
