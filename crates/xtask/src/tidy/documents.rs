//! What documents promise exists: `quorate` commands that people are told to run, and files that
//! are linked to.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Violation,
    code::{Code, identifiers},
};
use crate::{Repository, RepositoryError};

const CLI: &str = "crates/quorate/src/cli.rs";
const COMMANDS: &str = "crates/quorate/src/commands";
const FOLDER: &str = "docs";
const AT_THE_ROOT: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// What may stand behind `quorate` without being a command, and why.
const EXCEPTIONS: [(&str, &str); 1] = [("COMMAND", "stands for any command")];

/// The commands of the command line; for a noun the verbs below it.
type Commands = BTreeMap<String, BTreeSet<String>>;

pub(super) fn check(repository: &Repository) -> Result<Vec<Violation>, RepositoryError> {
    let commands = commands(repository)?;
    let mut paths: Vec<String> = AT_THE_ROOT.iter().map(|&path| path.to_owned()).collect();
    collect(repository, FOLDER, &mut paths)?;
    let mut violations = Vec::new();
    for path in paths {
        let text = repository.read(&path)?;
        violations.extend(check_commands(&path, &text, &commands));
        violations
            .extend(check_links(&path, &text, |target| repository.root().join(target).exists()));
    }
    Ok(violations)
}

/// Every `.md` file below a folder.
fn collect(
    repository: &Repository,
    folder: &str,
    paths: &mut Vec<String>,
) -> Result<(), RepositoryError> {
    for name in repository.list(folder)? {
        let path = format!("{folder}/{name}");
        if repository.root().join(&path).is_dir() {
            collect(repository, &path, paths)?;
        } else if name.ends_with(".md") {
            paths.push(path);
        }
    }
    Ok(())
}

/// The commands, read from the enums that clap makes them of.
fn commands(repository: &Repository) -> Result<Commands, RepositoryError> {
    let mut commands = Commands::new();
    for (variant, kind) in variants(&repository.read(CLI)?, "Command") {
        let path = format!("{COMMANDS}/{variant}/mod.rs");
        let mut verbs = BTreeSet::new();
        if kind.ends_with("Command") && repository.root().join(&path).exists() {
            let text = repository.read(&path)?;
            verbs.extend(variants(&text, &kind).into_iter().map(|(verb, _)| verb));
        }
        commands.insert(variant, verbs);
    }
    Ok(commands)
}

/// The variants `Name(path::Kind)` of an enum: the name as clap writes it, and the kind.
fn variants(source: &str, name: &str) -> Vec<(String, String)> {
    let code = Code::new(source).shipped;
    let Some((_, body)) = code.split_once(&format!("enum {name} {{")) else {
        return Vec::new();
    };
    let body = body.split_once("\n}").map_or(body, |(body, _)| body);
    body.lines()
        .map(str::trim)
        .filter(|line| line.starts_with(|char: char| char.is_ascii_uppercase()))
        .map(|line| {
            let words: Vec<&str> = identifiers(line).map(|(_, _, word)| word).collect();
            let kind = words.last().copied().unwrap_or_default();
            (kebab(words.first().copied().unwrap_or_default()), kind.to_owned())
        })
        .collect()
}

fn kebab(name: &str) -> String {
    let mut text = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(char.to_ascii_lowercase());
    }
    text
}

fn check_commands(path: &str, text: &str, commands: &Commands) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (line, code) in code_of(text) {
        for [first, second] in calls(&code) {
            if let Some(problem) = problem(&first, &second, commands) {
                violations.push(Violation::new(path, line, problem));
            }
        }
    }
    violations
}

fn problem(first: &str, second: &str, commands: &Commands) -> Option<String> {
    if first.is_empty() || EXCEPTIONS.iter().any(|(word, _)| *word == first) {
        return None;
    }
    let Some(verbs) = commands.get(first) else {
        return Some(format!(
            "`quorate {first}` is no command ({CLI}); say what can be done today"
        ));
    };
    let wrong_verb = !verbs.is_empty() && !second.is_empty() && !verbs.contains(second);
    wrong_verb.then(|| {
        let known: Vec<&str> = verbs.iter().map(String::as_str).collect();
        format!("`quorate {first} {second}` is no command; there are: {}", known.join(", "))
    })
}

/// The text set as code, with its lines counted from 1: what stands between backticks, also over
/// the end of a line, and the lines of blocks between fences.
fn code_of(text: &str) -> Vec<(usize, String)> {
    let mut spans = Vec::new();
    let mut fenced = false;
    let mut open: Option<(usize, String)> = None;
    for (line, content) in (1..).zip(text.lines()) {
        if content.trim_start().starts_with("```") {
            fenced = !fenced;
            open = None;
            continue;
        }
        if fenced {
            spans.push((line, content.to_owned()));
            continue;
        }
        if content.trim().is_empty() {
            // A backtick without a partner does not reach beyond its paragraph.
            open = None;
        }
        for (index, part) in content.split('`').enumerate() {
            if index > 0 {
                open = match open.take() {
                    Some(span) => {
                        spans.push(span);
                        None
                    }
                    None => Some((line, String::new())),
                };
            }
            if let Some((_, span)) = &mut open {
                span.push_str(part);
            }
        }
        if let Some((_, span)) = &mut open {
            span.push(' ');
        }
    }
    spans
}

/// The two words behind each `quorate` that is called: options and their values are skipped, and
/// a word that does not look like one ends the call.
fn calls(code: &str) -> Vec<[String; 2]> {
    let words: Vec<&str> = code.split_whitespace().collect();
    let mut calls = Vec::new();
    for (at, _) in words.iter().enumerate().filter(|(_, word)| is_program(word)) {
        // `$(quorate keygen)` and `"quorate status"` end behind the command.
        let ends = |char: char| matches!(char, ')' | '"' | '\'' | ';' | ',' | '.' | ':' | '|');
        let mut rest = words[at + 1..].iter().copied();
        let mut names = Vec::new();
        while names.len() < 2 {
            let Some(word) = rest.next() else { break };
            if word.starts_with('-') {
                if takes_value(word) {
                    rest.next();
                }
                continue;
            }
            let name = word.trim_end_matches(ends);
            if name.is_empty()
                || !name.chars().all(|char| char.is_ascii_alphabetic() || char == '-')
            {
                break;
            }
            names.push(name.to_owned());
            if name.len() < word.len() {
                break;
            }
        }
        let mut names = names.into_iter();
        calls.push([names.next().unwrap_or_default(), names.next().unwrap_or_default()]);
    }
    calls
}

/// `quorate` alone, also as in `A=$(quorate` and `"quorate`; not `/run/quorate`.
fn is_program(word: &str) -> bool {
    word.rsplit(['(', '"', '\'']).next() == Some("quorate")
}

/// The global options with a value, which may stand before the command.
fn takes_value(option: &str) -> bool {
    ["--server", "--root", "--run-dir", "--output", "-o"].contains(&option)
}

/// The links of a document into nothing, by its place and its text.
pub(crate) fn check_links(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut fenced = false;
    for (line, content) in (1..).zip(text.lines()) {
        if content.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for target in content.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            if !exists(&resolve(folder, file)) {
                let message = format!("links to `{target}`, which does not exist");
                violations.push(Violation::new(path, line, message));
            }
        }
    }
    violations
}

/// A link's target from the root of the repository.
fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            // A link that leaves the repository keeps its `..`, so that it is looked for there.
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Commands {
        let verbs = |verbs: &[&str]| verbs.iter().map(|&verb| verb.to_owned()).collect();
        [
            ("run", verbs(&[])),
            ("keygen", verbs(&[])),
            ("help", verbs(&[])),
            ("node", verbs(&["list"])),
            ("component", verbs(&["create", "restart"])),
        ]
        .map(|(name, verbs)| (name.to_owned(), verbs))
        .into()
    }

    fn lines(text: &str) -> Vec<usize> {
        check_commands("x.md", text, &known()).into_iter().map(|found| found.line).collect()
    }

    #[test]
    fn commands_that_exist_are_good() {
        for text in [
            "`quorate run`, `sudo -E quorate run`, `quorate`, `quorate --version`",
            "`quorate help Q2104` and `quorate COMMAND --help`",
            "`quorate node\nlist` and `quorate node` and `quorate node --help`",
            "```sh\nexport A=$(quorate keygen)   # secret\n$ quorate component restart orders\n```",
            "```sh\nquorate --root DIR node list\nquorate -q -o json node list\n```",
            "the quorate cluster, quorate members, and `quorate-model`, `quorate.toml`, `/run/quorate x`",
        ] {
            assert_eq!(lines(text), [0; 0], "{text}");
        }
    }

    #[test]
    fn commands_that_do_not_exist_are_found_with_their_lines() {
        for (text, line) in [
            ("`quorate stop`", 1),
            ("x\n`quorate run`, `quorate node remove NAME`", 2),
            ("`quorate node\nremove NAME`", 1),
            ("```sh\nquorate --root DIR stop\n```", 2),
            ("```\nexport A=$(quorate doctor)\n```", 2),
            ("`see \"quorate node show\" first`", 1),
            ("an odd ` backtick\n\n`quorate user`", 3),
        ] {
            assert_eq!(lines(text), [line], "{text}");
        }
    }

    #[test]
    fn variants_are_read_from_the_enums_of_the_command_line() {
        let source = "/// Enum Command {\npub(crate) enum Command {\n    /// Run\n    Run(run::RunArgs),\n    \
                      #[command(subcommand)]\n    NodeManager(nodes::NodeCommand),\n    Top,\n}\n\
                      enum Other {\n    Not(X),\n}\n";
        let found = variants(source, "Command");
        let names: Vec<(&str, &str)> =
            found.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
        assert_eq!(names, [("run", "RunArgs"), ("node-manager", "NodeCommand"), ("top", "Top")]);
        assert_eq!(variants(source, "Missing"), []);
    }

    #[test]
    fn the_commands_of_this_checkout_are_found() {
        let commands = commands(&Repository::here()).unwrap();
        assert!(commands["run"].is_empty());
        assert!(commands["node"].contains("list"));
        assert!(commands["component"].contains("restart"));
        assert!(commands.len() > 10, "{commands:?}");
    }

    #[test]
    fn links_are_looked_for_beside_their_document() {
        let exists = |target: &str| ["docs/a.md", "README.md", "docs/errors"].contains(&target);
        let check = |text: &str| check_links("docs/b.md", text, exists).len();
        let good = "[a](a.md), [b](../README.md#top), [c](errors/), [d](#here), [e](https://x.y/z)";
        assert_eq!(check(good), 0);
        assert_eq!(check("```\n[x](gone.md)\n```\n"), 0);
        assert_eq!(check("[x](gone.md) and [y](../docs/gone.md)"), 2);
        assert_eq!(check("[x](../../README.md)"), 1, "outside the repository");
    }
}
