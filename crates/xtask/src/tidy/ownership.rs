//! What only one room knows: the engine (`raft`), and products by name (`packs`).

use super::{
    Violation,
    code::{Code, identifiers, is_word, line_of},
};
use crate::{Member, SourceFile};

const PRODUCTS: [&str; 4] = ["etcd", "zookeeper", "patroni", "haproxy"];
/// They may name products: the packs, and what stands beside the house.
const MAY_NAME_PRODUCTS: [&str; 5] = ["packs", "testkit", "sim", "xtask", "bench"];
/// The throw-away cluster offers a real component if its program is installed.
const DEV_COMMAND: &str = "crates/quorate/src/dev";

pub(super) fn check_dependencies(members: &[Member]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in members.iter().filter(|member| member.folder != "raft") {
        for dependency in member.dependencies.iter().filter(|it| it.package.starts_with("openraft"))
        {
            let path = format!("crates/{}/Cargo.toml", member.folder);
            violations.push(Violation::new(path, 0, engine(&dependency.package)));
        }
    }
    violations
}

pub(super) fn check_source(file: &SourceFile, code: &Code) -> Vec<Violation> {
    let mut violations = Vec::new();
    if file.crate_folder() != "raft" {
        for (line, _, word) in identifiers(&code.bare) {
            if word.starts_with("openraft") {
                violations.push(Violation::new(file.path.as_str(), line, engine(word)));
            }
        }
    }
    let may_name = MAY_NAME_PRODUCTS.contains(&file.crate_folder())
        || file.is_test()
        || file.path.starts_with(DEV_COMMAND);
    if !may_name {
        for (line, product) in products(&code.shipped_with_strings) {
            let message = format!(
                "names the product `{product}`; ask its pack through `PackRules` or `PackDriver`"
            );
            violations.push(Violation::new(file.path.as_str(), line, message));
        }
    }
    violations
}

fn engine(what: &str) -> String {
    format!("`{what}` outside crates/raft; use what `quorate-raft` offers (docs/adr/0002)")
}

/// Products that are named, in any case, as a word or a part of a name such as `EtcdDriver`.
fn products(code: &str) -> Vec<(usize, &'static str)> {
    let lower = code.to_ascii_lowercase();
    let mut found = Vec::new();
    for product in PRODUCTS {
        for (at, _) in lower.match_indices(product) {
            // `fetcdata` is not a product: a name begins at a word's beginning or in CamelCase.
            let before = code[..at].chars().next_back().filter(|char| is_word(*char));
            let begins = before.is_none_or(|char| char == '_')
                || code[at..].starts_with(|char: char| char.is_ascii_uppercase());
            if begins {
                found.push((line_of(code, at), product));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dependency;

    fn check(path: &str, text: &str) -> usize {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned() };
        check_source(&file, &Code::new(text)).len()
    }

    #[test]
    fn the_engine_outside_its_room_is_found() {
        assert_eq!(check("crates/control/src/x.rs", "use openraft::Raft;"), 1);
        assert_eq!(check("crates/sim/src/x.rs", "use openraft_rt_sim::Sim;"), 1);
        assert_eq!(check("crates/raft/src/x.rs", "use openraft::Raft;"), 0);
        assert_eq!(check("crates/control/src/x.rs", "// openraft does this\n"), 0);
        let member = Member {
            folder: "control".to_owned(),
            package: "quorate-control".to_owned(),
            dependencies: vec![Dependency { package: "openraft".to_owned(), only_for_tests: true }],
        };
        assert_eq!(check_dependencies(&[member]).len(), 1);
    }

    #[test]
    fn a_product_in_code_or_a_string_is_found() {
        let path = "crates/control/src/x.rs";
        assert_eq!(check(path, "if pack == \"etcd\" {}"), 1);
        assert_eq!(check(path, "struct EtcdThing; fn is_zookeeper() {}"), 2);
        assert_eq!(check(path, "/// Such as etcd.\nfn x() {}"), 0);
        assert_eq!(check(path, "let fetcdata = 1;"), 0);
        assert_eq!(check(path, "#[cfg(test)]\nmod tests { const A: &str = \"etcd\"; }"), 0);
    }

    #[test]
    fn packs_tests_and_the_dev_command_may_name_products() {
        for path in [
            "crates/packs/src/etcd/mod.rs",
            "crates/testkit/src/x.rs",
            "crates/plan/tests/x.rs",
            "crates/quorate/src/dev/components.rs",
            "crates/quorate/src/dev/cluster.rs",
        ] {
            assert_eq!(check(path, "const A: &str = \"etcd\";"), 0, "{path}");
        }
    }
}
