//! Every error code has a page in `docs/errors/`, and every page a code.

use std::collections::BTreeMap;

use super::Violation;
use crate::{Repository, RepositoryError};

const CODES: &str = "crates/model/src/code.rs";
const PAGES: &str = "docs/errors";
const HEADINGS: [&str; 3] = ["## What happened", "## Why", "## What to do"];

pub(super) fn check(repository: &Repository) -> Result<Vec<Violation>, RepositoryError> {
    let mut pages = BTreeMap::new();
    for name in repository.list(PAGES)? {
        pages.insert(name.clone(), repository.read(&format!("{PAGES}/{name}"))?);
    }
    Ok(compare(&repository.read(CODES)?, &pages))
}

/// Codes by the file names of their pages, each with its title.
fn titles(code: &str) -> BTreeMap<String, String> {
    let mut titles = BTreeMap::new();
    let mut title = String::new();
    let block = code.lines().skip_while(|line| !line.starts_with("codes! {"));
    for line in block.take_while(|line| *line != "}").map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            if !title.is_empty() {
                title.push(' ');
            }
            title.push_str(text.trim());
        } else if let Some((_, number)) = line.split_once(" = ") {
            let number = number.trim_end_matches(';');
            titles.insert(format!("Q{number:0>4}.md"), title.trim_end_matches('.').to_owned());
            title.clear();
        }
    }
    titles
}

fn compare(code: &str, pages: &BTreeMap<String, String>) -> Vec<Violation> {
    let titles = titles(code);
    let mut violations = Vec::new();
    for (name, title) in &titles {
        let path = format!("{PAGES}/{name}");
        let Some(page) = pages.get(name) else {
            let message = format!("there is no such page; write it for \u{201c}{title}\u{201d}");
            violations.push(Violation::new(path, 0, message));
            continue;
        };
        let expected = format!("# {}: {title}", name.trim_end_matches(".md"));
        if page.lines().next() != Some(&expected) {
            violations.push(Violation::new(
                path.as_str(),
                1,
                format!("must begin with `{expected}`"),
            ));
        }
        let found: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
        if found != HEADINGS {
            let message = format!("must have the headings {}", HEADINGS.join(", "));
            violations.push(Violation::new(path, 0, message));
        }
    }
    for name in pages.keys().filter(|name| !titles.contains_key(*name)) {
        let message =
            format!("belongs to no code of {CODES}; a code is never removed once released");
        violations.push(Violation::new(format!("{PAGES}/{name}"), 0, message));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "codes! {\n    /// The disk\n    /// is full.\n    DISK_FULL = 5001;\n}\n";
    const PAGE: &str =
        "# Q5001: The disk is full\n\n## What happened\n\nx\n\n## Why\n\nx\n\n## What to do\n\nx\n";

    fn check(pages: &[(&str, &str)]) -> usize {
        let pages = pages.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        compare(CODE, &pages.collect()).len()
    }

    #[test]
    fn a_page_that_fits_its_code_is_good() {
        assert_eq!(check(&[("Q5001.md", PAGE)]), 0);
    }

    #[test]
    fn missing_surplus_and_misshapen_pages_are_found() {
        assert_eq!(check(&[]), 1);
        assert_eq!(check(&[("Q5001.md", PAGE), ("Q5002.md", PAGE)]), 1);
        assert_eq!(check(&[("Q5001.md", &PAGE.replace("is full", "is gone"))]), 1);
        assert_eq!(check(&[("Q5001.md", &PAGE.replace("## Why\n", ""))]), 1);
    }

    #[test]
    fn the_real_codes_are_read() {
        let code = Repository::here().read(CODES).unwrap();
        assert!(titles(&code).len() > 40);
    }
}
