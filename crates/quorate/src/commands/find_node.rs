//! Finds the unix socket of the node on this host.

use std::path::{Path, PathBuf};

use quorate_model::{Refusal, codes};

use crate::{
    cli::GlobalArgs,
    node::{FolderArgs, Folders, NodeConfig},
    ui::Failure,
};

/// The socket in the run folder; when `--root` holds the roots of several nodes, the one that
/// has a socket.
///
/// # Errors
/// When there is none, or more than one, with what to do about it.
pub(crate) fn socket(global: &GlobalArgs) -> Result<PathBuf, Failure> {
    let folders =
        Folders::resolve(&FolderArgs::default(), global.root.as_deref(), global.run_dir.as_deref());
    let (run_dir, socket) = (&folders.run, folders.admin_socket());
    if socket.exists() {
        return Ok(socket);
    }
    let below = match (&global.run_dir, &global.root) {
        (None, Some(root)) => sockets_below(root),
        _ => Vec::new(),
    };
    match below.as_slice() {
        [] => Err(none(global, &socket)),
        [only] => Ok(only.clone()),
        several => Err(too_many(global.root.as_deref().unwrap_or(run_dir), several)),
    }
}

/// The sockets of the nodes whose roots lie directly in this folder, in order of their names.
fn sockets_below(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let mut sockets: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| Folders::resolve(&FolderArgs::default(), Some(&entry.path()), None))
        .map(|folders| folders.admin_socket())
        .filter(|socket| socket.exists())
        .collect();
    sockets.sort();
    sockets
}

/// Says why there is nobody to ask on this host: no node, no master, or one that does not run.
fn none(global: &GlobalArgs, socket: &Path) -> Failure {
    let folders = Folders::resolve(
        &FolderArgs::of_environment(),
        global.root.as_deref(),
        global.run_dir.as_deref(),
    );
    let unseen = || format!("{} does not exist, or may not be seen by this user", socket.display());
    let elsewhere = "a master elsewhere: --server http://HOST:8080 or QUORATE_SERVER";
    let another = "its folder is another one: --root DIR or QUORATE_ROOT";
    let (cause, hint) = match NodeConfig::load(&folders.config_file()) {
        Ok(config) if !config.node.role.is_master() => (
            format!("{} is a node manager only", config.node.name),
            format!(
                "name a master: --server http://HOST:8080 or QUORATE_SERVER\n\
                 what this host knows itself: quorate status\n{another}"
            ),
        ),
        Ok(_) => (unseen(), format!("start it: quorate start\n{another}\n{elsewhere}")),
        Err(refusal) if refusal.code == codes::NOT_INITIALISED => (
            unseen(),
            format!(
                "no node was made in these folders yet: quorate init, or quorate join TOKEN\n\
                 {another}\n{elsewhere}"
            ),
        ),
        // Whether there is a node may be for root to see.
        Err(_) => {
            (unseen(), format!("ask as root, or start it: quorate start\n{another}\n{elsewhere}"))
        }
    };
    Refusal::new(codes::MASTER_UNREACHABLE, "there is no running master on this host to ask")
        .cause(cause)
        .hint(hint)
        .into()
}

fn too_many(root: &Path, sockets: &[PathBuf]) -> Failure {
    let roots: Vec<String> = sockets
        .iter()
        .filter_map(|socket| socket.parent()?.parent())
        .map(|node| format!("--root {}", node.display()))
        .collect();
    Failure::usage(
        format!("{} holds the folders of several nodes", root.display()),
        format!("say which one:\n{}", roots.join("\n")),
    )
}

#[cfg(test)]
mod tests {
    use quorate_api::exit;

    use super::*;

    fn global(root: &Path) -> GlobalArgs {
        GlobalArgs { root: Some(root.to_owned()), ..GlobalArgs::default() }
    }

    fn touch(root: &Path, node: &str) -> PathBuf {
        let run = root.join(node).join("run");
        std::fs::create_dir_all(&run).unwrap();
        let socket = run.join("admin.sock");
        std::fs::write(&socket, "").unwrap();
        socket
    }

    #[test]
    fn the_only_node_below_a_root_is_found_and_two_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let failure = socket(&global(folder.path())).unwrap_err();
        assert_eq!((failure.body.code, failure.exit), (codes::MASTER_UNREACHABLE, exit::FAILED));
        let first = touch(folder.path(), "m1");
        assert_eq!(socket(&global(folder.path())).unwrap(), first);
        touch(folder.path(), "m2");
        let failure = socket(&global(folder.path())).unwrap_err();
        assert_eq!(failure.exit, exit::USAGE);
        let hint = failure.body.hint.unwrap();
        assert!(hint.contains("m1") && hint.contains("m2"), "{hint}");
    }

    #[test]
    fn a_host_without_a_master_is_not_told_to_start_one() {
        let folder = tempfile::tempdir().unwrap();
        let hint = || socket(&global(folder.path())).unwrap_err().body.hint.unwrap();
        assert!(hint().contains("quorate init") && !hint().contains("start"), "{}", hint());
        let etc = folder.path().join("etc");
        std::fs::create_dir_all(&etc).unwrap();
        let node = |role: &str| {
            let text = format!(
                "[node]\nname = \"n\"\nrole = \"{role}\"\nadvertise = \"n\"\n\
                 internal_addr = \"0.0.0.0:9901\"\nadmin_addr = \"0.0.0.0:8080\"\n"
            );
            std::fs::write(etc.join("quorate.toml"), text).unwrap();
        };
        node("node-manager");
        assert!(hint().starts_with("name a master: --server"), "{}", hint());
        node("master");
        assert!(hint().starts_with("start it: quorate start"), "{}", hint());
    }

    #[test]
    fn a_node_of_its_own_root_comes_first_and_the_run_folder_before_all() {
        let folder = tempfile::tempdir().unwrap();
        let own = touch(folder.path(), ".");
        touch(folder.path(), "m1");
        assert_eq!(socket(&global(folder.path())).unwrap(), own.components().collect::<PathBuf>());
        let run_dir =
            GlobalArgs { run_dir: Some(folder.path().join("m1/run")), ..global(folder.path()) };
        assert_eq!(socket(&run_dir).unwrap(), folder.path().join("m1/run/admin.sock"));
    }
}
