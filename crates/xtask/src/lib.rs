//! Repository tasks: `cargo xtask tidy`, `cargo xtask test`, `cargo xtask bench`,
//! `cargo xtask package`.
//!
//! Compiled first on a fresh machine, so it depends on `serde_json` only and reads source as text.

pub mod bench;
mod command;
pub mod package;
mod repository;
pub mod test;
pub mod tidy;

pub use repository::{Dependency, Member, Repository, RepositoryError, SourceFile};
