//! Decisions in `docs/adr/` are numbered without gaps and listed in their README.

use super::Violation;
use crate::{Repository, RepositoryError};

const FOLDER: &str = "docs/adr";

pub(super) fn check(repository: &Repository) -> Result<Vec<Violation>, RepositoryError> {
    let names = repository.list(FOLDER)?;
    let readme = repository.read(&format!("{FOLDER}/README.md"))?;
    Ok(compare(&names, &readme))
}

fn compare(names: &[String], readme: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let decisions = names.iter().filter(|name| *name != "README.md");
    for (index, name) in decisions.enumerate() {
        let path = format!("{FOLDER}/{name}");
        let expected = format!("{:04}-", index + 1);
        if !name.starts_with(&expected) || !name.ends_with(".md") {
            let message = format!("must be called `{expected}title.md`: numbers have no gaps");
            violations.push(Violation::new(path.as_str(), 0, message));
        }
        if !readme.contains(&format!("({name})")) {
            let message = format!("is not listed in {FOLDER}/README.md; add a link to it");
            violations.push(Violation::new(path, 0, message));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], readme: &str) -> usize {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        compare(&names, readme).len()
    }

    #[test]
    fn numbered_and_listed_decisions_are_good() {
        let readme = "- [Purity](0001-purity.md)\n- [Engine](0002-engine.md)\n";
        assert_eq!(check(&["0001-purity.md", "0002-engine.md", "README.md"], readme), 0);
    }

    #[test]
    fn gaps_doubles_and_unlisted_decisions_are_found() {
        assert_eq!(check(&["0001-a.md", "0003-b.md"], "(0001-a.md) (0003-b.md)"), 1);
        assert_eq!(check(&["0001-a.md", "0001-b.md"], "(0001-a.md) (0001-b.md)"), 1);
        assert_eq!(check(&["0001-a.md", "README.md"], "0001-a.md"), 1);
    }
}
