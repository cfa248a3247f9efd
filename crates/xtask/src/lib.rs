//! Repository tasks: `cargo xtask` lists them.
//!
//! Compiled first on a fresh machine, so it depends on `serde_json` only and reads source as text.

pub mod bench;
pub mod chaos;
mod command;
pub mod hosts;
pub mod package;
mod repository;
pub mod sim;
pub mod test;
pub mod tidy;

pub use repository::{Dependency, Member, Repository, RepositoryError, SourceFile};
