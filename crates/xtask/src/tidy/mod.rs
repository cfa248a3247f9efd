//! `cargo xtask tidy`: the rules of the house that the compiler does not know. Also run as a test.
#![expect(clippy::print_stderr, reason = "a task talks to the person who started it")]

mod code;
mod decisions;
mod documents;
mod error_pages;
mod files;
mod forbidden;
mod ownership;
mod purity;
mod tiers;

#[cfg(test)]
pub(crate) use documents::check_links as dead_links;

use std::{fmt, process::ExitCode};

use crate::{Repository, RepositoryError};

/// A broken rule: where, what, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, from the root of the repository.
    pub path: String,
    /// The line, counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong and what to do instead.
    pub message: String,
}

impl Violation {
    fn new(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Every broken rule, in order of the files.
///
/// # Errors
/// When the repository cannot be read.
pub fn check(repository: &Repository) -> Result<Vec<Violation>, RepositoryError> {
    let members = repository.members()?;
    let mut violations = tiers::check(&members);
    violations.extend(purity::check_dependencies(&members));
    violations.extend(ownership::check_dependencies(&members));
    for member in &members {
        let path = format!("crates/{}/Cargo.toml", member.folder);
        violations.extend(files::check_manifest(&path, &repository.read(&path)?));
    }
    for file in repository.sources()? {
        let code = code::Code::new(&file.text);
        violations.extend(files::check_source(&file));
        violations.extend(purity::check_source(&file, &code));
        violations.extend(ownership::check_source(&file, &code));
        violations.extend(forbidden::check_source(&file, &code));
    }
    violations.extend(error_pages::check(repository)?);
    violations.extend(decisions::check(repository)?);
    violations.extend(documents::check(repository)?);
    violations.sort();
    violations.dedup();
    Ok(violations)
}

/// Checks and reports.
#[must_use]
pub fn main(repository: &Repository) -> ExitCode {
    match check(repository) {
        Ok(violations) if violations.is_empty() => {
            eprintln!("tidy: the house is tidy");
            ExitCode::SUCCESS
        }
        Ok(violations) => {
            for violation in &violations {
                eprintln!("{violation}");
            }
            eprintln!("error: tidy: broken rules: {}", violations.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: tidy: {error}");
            ExitCode::FAILURE
        }
    }
}
