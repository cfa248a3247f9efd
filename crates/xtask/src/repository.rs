//! The repository as tasks see it: its root, its members, its source files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::command;

/// The repository could not be read.
#[derive(Debug)]
pub struct RepositoryError(String);

impl std::fmt::Display for RepositoryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RepositoryError {}

impl RepositoryError {
    fn of(action: &str, path: &Path, source: &io::Error) -> Self {
        Self(format!("cannot {action} {}: {source}", path.display()))
    }
}

/// A checkout of the repository.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
}

/// A dependency as a manifest declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The package, such as `quorate-model` or `tokio`.
    pub package: String,
    /// Whether only tests and examples use it.
    pub only_for_tests: bool,
}

/// A crate of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its folder below `crates/`, such as `node-manager`.
    pub folder: String,
    /// Its package, such as `quorate-node-manager`.
    pub package: String,
    /// What its manifest declares, build dependencies included.
    pub dependencies: Vec<Dependency>,
}

/// A Rust source file of the workspace.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its path from the root, with slashes, such as `crates/model/src/lib.rs`.
    pub path: String,
    /// The content.
    pub text: String,
}

impl SourceFile {
    /// The crate's folder below `crates/`.
    #[must_use]
    pub fn crate_folder(&self) -> &str {
        self.path.split('/').nth(1).unwrap_or_default()
    }

    /// Whether the whole file is compiled for tests only.
    #[must_use]
    pub fn is_test(&self) -> bool {
        let inside = self.path.splitn(3, '/').nth(2).unwrap_or_default();
        inside.starts_with("tests/")
            || inside.starts_with("benches/")
            || inside.contains("/tests/")
            || inside.ends_with("/tests.rs")
    }
}

impl Repository {
    /// The checkout that this program was built in.
    #[must_use]
    pub fn here() -> Self {
        let own_crate = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::at(own_crate.ancestors().nth(2).unwrap_or(own_crate))
    }

    /// The checkout at a folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A text file, by its path from the root.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, path: &str) -> Result<String, RepositoryError> {
        let full = self.root.join(path);
        fs::read_to_string(&full).map_err(|source| RepositoryError::of("read", &full, &source))
    }

    /// The names of the entries of a folder, in order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self, folder: &str) -> Result<Vec<String>, RepositoryError> {
        let full = self.root.join(folder);
        let error = |source| RepositoryError::of("list", &full, &source);
        let mut names = Vec::new();
        for entry in fs::read_dir(&full).map_err(error)? {
            names.push(entry.map_err(error)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Every `.rs` file below `crates/`, in order of their paths.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn sources(&self) -> Result<Vec<SourceFile>, RepositoryError> {
        let mut sources = Vec::new();
        self.collect_sources("crates", &mut sources)?;
        Ok(sources)
    }

    fn collect_sources(
        &self,
        folder: &str,
        sources: &mut Vec<SourceFile>,
    ) -> Result<(), RepositoryError> {
        for name in self.list(folder)? {
            let path = format!("{folder}/{name}");
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if self.root.join(&path).is_dir() {
                self.collect_sources(&path, sources)?;
            } else if name.ends_with(".rs") {
                sources.push(SourceFile { text: self.read(&path)?, path });
            }
        }
        Ok(())
    }

    /// The crates of the workspace and what they declare, as cargo reads their manifests.
    ///
    /// # Errors
    /// When cargo cannot be run or a manifest is wrong.
    pub fn members(&self) -> Result<Vec<Member>, RepositoryError> {
        let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
        let output = command::cargo(self, &arguments)
            .output()
            .map_err(|source| RepositoryError(format!("cannot run cargo metadata: {source}")))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(RepositoryError(format!("cargo metadata failed: {}", reason.trim())));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|source| RepositoryError(format!("cannot read cargo metadata: {source}")))?;
        let mut members: Vec<Member> = list_of(&metadata, "packages").map(member).collect();
        members.sort_by(|left, right| left.folder.cmp(&right.folder));
        Ok(members)
    }
}

fn list_of<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text_of(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn member(package: &Value) -> Member {
    let manifest = text_of(package, "manifest_path");
    let folder = Path::new(&manifest).parent().and_then(Path::file_name).unwrap_or_default();
    Member {
        folder: folder.to_string_lossy().into_owned(),
        package: text_of(package, "name"),
        dependencies: list_of(package, "dependencies")
            .map(|dependency| Dependency {
                package: text_of(dependency, "name"),
                only_for_tests: text_of(dependency, "kind") == "dev",
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_checkout_lists_its_members_and_sources() {
        let here = Repository::here();
        let members = here.members().unwrap();
        let own = members.iter().find(|member| member.folder == "xtask").unwrap();
        assert_eq!(own.package, "quorate-xtask");
        let only = Dependency { package: "serde_json".to_owned(), only_for_tests: false };
        assert_eq!(own.dependencies, [only], "it is compiled first: keep it small");
        assert!(here.sources().unwrap().iter().any(|file| file.path == "crates/xtask/src/lib.rs"));
    }

    #[test]
    fn test_files_are_told_apart_from_others() {
        let file = |path: &str| SourceFile { path: path.to_owned(), text: String::new() };
        assert!(file("crates/model/tests/all.rs").is_test());
        assert!(file("crates/model/src/quorum/tests.rs").is_test());
        assert!(!file("crates/xtask/src/test.rs").is_test());
        assert_eq!(file("crates/model/src/lib.rs").crate_folder(), "model");
    }
}
