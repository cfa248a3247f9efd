//! What stands in no file: unfinished code, silenced tests, silenced lints.

use super::{
    Violation,
    code::{Code, identifiers, line_of},
};
use crate::SourceFile;

const MACROS: [(&str, &str); 3] = [
    ("todo", "finish it, or leave it out"),
    ("unimplemented", "finish it, or return a refusal"),
    ("dbg", "use `tracing`"),
];

const ATTRIBUTES: [(&str, &str); 2] = [
    ("ignore", "a test that is not run proves nothing: mend it, or remove it"),
    ("allow", "use `#[expect(.., reason = \"..\")]`, which says why and ends by itself"),
];

pub(super) fn check_source(file: &SourceFile, code: &Code) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (line, at, word) in identifiers(&code.bare) {
        let called = code.bare[at + word.len()..].starts_with('!');
        if let (true, Some((_, instead))) = (called, MACROS.iter().find(|(name, _)| *name == word))
        {
            violations.push(Violation::new(
                file.path.as_str(),
                line,
                format!("`{word}!`: {instead}"),
            ));
        }
    }
    // A support module is compiled into several test binaries, each of which uses its own part of
    // it: what is unused there differs, so nothing could be expected.
    let is_shared_by_tests = file.path.ends_with("tests/support/mod.rs");
    for (at, attribute) in attributes(&code.bare) {
        if attribute == "allow" && is_shared_by_tests {
            continue;
        }
        if let Some((_, instead)) = ATTRIBUTES.iter().find(|(name, _)| *name == attribute) {
            let line = line_of(&code.bare, at);
            let message = format!("`#[{attribute}]`: {instead}");
            violations.push(Violation::new(file.path.as_str(), line, message));
        }
    }
    violations
}

/// The names of attributes (`#[name..]`, `#![name..]`) with their positions.
fn attributes(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.match_indices('#').filter_map(move |(at, _)| {
        let rest = code[at + 1..].trim_start_matches('!').strip_prefix('[')?.trim_start();
        let end = rest.find(|char: char| !super::code::is_word(char)).unwrap_or(rest.len());
        Some((at, &rest[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<usize> {
        let file = SourceFile { path: "crates/x/src/x.rs".to_owned(), text: text.to_owned() };
        check_source(&file, &Code::new(text)).into_iter().map(|found| found.line).collect()
    }

    #[test]
    fn unfinished_code_is_found_in_tests_too() {
        assert_eq!(check("fn x() {\n todo!()\n}\nfn y() { unimplemented!() }"), [2, 4]);
        assert_eq!(
            check("#[cfg(test)]\nmod tests {\n #[ignore = \"slow\"]\n fn x() { dbg!(1); } }"),
            [4, 3]
        );
    }

    #[test]
    fn silenced_lints_are_found() {
        assert_eq!(check("#![allow(dead_code)]\n#[allow(unused)]\nfn x() {}"), [1, 2]);
        assert_eq!(check("#[expect(dead_code, reason = \"x\")]\nfn x() {}"), [0; 0]);
    }

    #[test]
    fn words_in_comments_and_strings_are_left_alone() {
        assert_eq!(
            check("// todo! #[allow(x)]\nlet a = \"#[ignore] dbg!\"; let todo = allow;"),
            [0; 0]
        );
    }
}
