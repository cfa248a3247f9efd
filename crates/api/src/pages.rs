//! The pages of the error codes, compiled in from `docs/errors/`, so that `quorate help` works
//! at night without a network.

use quorate_model::{Code, codes};

/// The page of one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorPage {
    /// The code.
    pub code: Code,
    /// The page, Markdown.
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

/// The page of a code, if there is such a code.
#[must_use]
pub fn page(code: Code) -> Option<ErrorPage> {
    PAGES.iter().find(|(number, _)| *number == code.0).map(|(_, text)| ErrorPage { code, text })
}

/// All pages, in order of their codes.
pub fn pages() -> impl Iterator<Item = ErrorPage> {
    codes::ALL.iter().filter_map(|(_, code)| page(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_that_begins_with_its_code_and_says_what_to_do() {
        for (name, code) in codes::ALL {
            let page = page(*code).unwrap_or_else(|| panic!("no docs/errors/{code}.md ({name})"));
            assert!(page.text.starts_with(&format!("# {code}: ")), "{code}");
            for heading in ["## What happened", "## Why", "## What to do"] {
                assert!(page.text.contains(heading), "{code} lacks `{heading}`");
            }
        }
    }

    #[test]
    fn every_page_belongs_to_a_code() {
        for (number, _) in PAGES {
            assert!(codes::ALL.iter().any(|(_, code)| code.0 == *number), "Q{number}");
        }
    }
}
