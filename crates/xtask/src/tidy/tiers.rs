//! The rooms of the house: which crate may import which. The table of `ARCHITECTURE.md`.

use super::Violation;
use crate::Member;

/// A row of the table.
struct Room {
    folder: &'static str,
    tier: u8,
    /// Crates of the same tier that it may import.
    same_tier: &'static [&'static str],
}

const fn room(folder: &'static str, tier: u8, same_tier: &'static [&'static str]) -> Room {
    Room { folder, tier, same_tier }
}

/// Every room; a crate imports lower tiers, and of its own tier what its row names. `health`,
/// `identity` and `sim` are rooms whose furniture may stand elsewhere for now.
const ROOMS: &[Room] = &[
    // 0 words
    room("model", 0, &[]),
    room("api", 0, &["model"]),
    // 1 pure
    room("state", 1, &[]),
    room("health", 1, &[]),
    room("pack", 1, &[]),
    room("plan", 1, &["state", "health", "pack"]),
    // 2 mechanisms
    room("raft", 2, &["keyring"]),
    room("keyring", 2, &[]),
    room("identity", 2, &["keyring"]),
    room("supervisor", 2, &[]),
    room("packs", 2, &["probe"]),
    room("probe", 2, &[]),
    room("archive", 2, &["keyring"]),
    room("client", 2, &[]),
    // 3 services
    room("operations", 3, &[]),
    room("control", 3, &["operations"]),
    room("node-manager", 3, &[]),
    // 4 faces
    room("server", 4, &[]),
    room("console", 4, &[]),
    // 5 product
    room("quorate", 5, &[]),
];

/// Beside the house: they may import all, and only tests import them.
const BESIDE: [&str; 4] = ["testkit", "sim", "xtask", "bench"];

/// Every import that goes upwards or sideways.
pub(super) fn check(members: &[Member]) -> Vec<Violation> {
    members.iter().flat_map(|member| check_member(member, members)).collect()
}

fn check_member(member: &Member, members: &[Member]) -> Vec<Violation> {
    let manifest = format!("crates/{}/Cargo.toml", member.folder);
    let mut violations = Vec::new();
    let expected = match member.folder.as_str() {
        "quorate" => "quorate".to_owned(),
        folder => format!("quorate-{folder}"),
    };
    if member.package != expected {
        let message = format!("the package is `{}`; name it `{expected}`", member.package);
        violations.push(Violation::new(manifest.as_str(), 0, message));
    }
    if BESIDE.contains(&member.folder.as_str()) {
        return violations;
    }
    let Some(room) = find(&member.folder) else {
        let message = format!(
            "`{}` has no row in the table of rooms; give it one in ARCHITECTURE.md and in \
             crates/xtask/src/tidy/tiers.rs",
            member.folder
        );
        violations.push(Violation::new(manifest, 0, message));
        return violations;
    };
    for dependency in member.dependencies.iter().filter(|dependency| !dependency.only_for_tests) {
        let other = members.iter().find(|other| other.package == dependency.package);
        if let Some(reason) = other.and_then(|other| why_not(room, &other.folder)) {
            violations.push(Violation::new(manifest.as_str(), 0, reason));
        }
    }
    violations
}

fn find(folder: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.folder == folder)
}

/// Why `room` may not import `other`; `None` when it may.
fn why_not(room: &Room, other: &str) -> Option<String> {
    if BESIDE.contains(&other) {
        return Some(format!("`{}` imports `{other}`, which is for tests only", room.folder));
    }
    let imported = find(other)?;
    let allowed =
        imported.tier < room.tier || imported.tier == room.tier && room.same_tier.contains(&other);
    (!allowed).then(|| {
        format!(
            "`{}` (tier {}) imports `{other}` (tier {}); move what is shared to a lower tier, or \
             pass it in as a trait",
            room.folder, room.tier, imported.tier
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dependency;

    fn member(folder: &str, imports: &[&str]) -> Member {
        let package = |folder: &str| {
            if folder == "quorate" { folder.to_owned() } else { format!("quorate-{folder}") }
        };
        Member {
            folder: folder.to_owned(),
            package: package(folder),
            dependencies: imports
                .iter()
                .map(|import| Dependency { package: package(import), only_for_tests: false })
                .collect(),
        }
    }

    fn violations(folder: &str, import: &str) -> usize {
        check(&[member(folder, &[import]), member(import, &[])]).len()
    }

    #[test]
    fn imports_go_down_or_where_the_row_allows() {
        for (folder, import) in [
            ("api", "model"),
            ("plan", "state"),
            ("packs", "probe"),
            ("control", "operations"),
            ("quorate", "console"),
            ("testkit", "quorate"),
        ] {
            assert_eq!(violations(folder, import), 0, "{folder} -> {import}");
        }
    }

    #[test]
    fn imports_upwards_and_sideways_are_found() {
        for (folder, import) in [
            ("model", "api"),
            ("state", "plan"),
            ("supervisor", "keyring"),
            ("operations", "control"),
            ("server", "console"),
            ("control", "testkit"),
        ] {
            assert_eq!(violations(folder, import), 1, "{folder} -> {import}");
        }
    }

    #[test]
    fn tests_may_import_what_they_need() {
        let mut server = member("server", &["testkit"]);
        server.dependencies[0].only_for_tests = true;
        assert_eq!(check(&[server, member("testkit", &[])]), []);
    }

    #[test]
    fn a_crate_without_a_row_or_with_another_name_is_found() {
        assert_eq!(check(&[member("cellar", &[])]).len(), 1);
        let renamed = Member { package: "model".to_owned(), ..member("model", &[]) };
        assert_eq!(check(&[renamed]).len(), 1);
    }
}
