//! The programs that tests run, and the Debian packages they come in.
#![expect(clippy::print_stderr, reason = "a task talks to the person who started it")]

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::Install;
use crate::command::{run, succeeds};

struct Program {
    name: &'static str,
    package: &'static str,
    why: &'static str,
}

const PROGRAMS: [Program; 11] = [
    Program { name: "make", package: "make", why: "builds the allocator" },
    Program {
        name: "etcd",
        package: "etcd-server",
        why: "the real component that operations are tested on",
    },
    Program {
        name: "etcdctl",
        package: "etcd-client",
        why: "looks at that component from outside",
    },
    Program { name: "promtool", package: "prometheus", why: "checks what /metrics answers" },
    Program {
        name: "strace",
        package: "strace",
        why: "sees that a write is on the disk before it is acknowledged",
    },
    Program { name: "mount", package: "mount", why: "makes the small disk that fills up" },
    Program {
        name: "ip",
        package: "iproute2",
        why: "builds hosts of network namespaces and cuts the links between them",
    },
    Program { name: "nsenter", package: "util-linux", why: "starts processes on those hosts" },
    Program { name: "unshare", package: "util-linux", why: "makes a container to run a node in" },
    Program {
        name: "systemd-analyze",
        package: "systemd",
        why: "reads the packaged unit; nothing is started by it",
    },
    Program { name: "python3", package: "python3", why: "a web server to supervise" },
];

/// Packages keep some of their programs where only root's `PATH` leads.
const MORE_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Sees to it that every program is there.
///
/// # Errors
/// What to install and why, when something is missing and cannot be installed here.
pub(super) fn ensure(install: Install) -> Result<(), String> {
    let missing = missing();
    if missing.is_empty() {
        return ensure_tools(install);
    }
    eprintln!("programs that the tests need and this machine lacks:");
    for program in &missing {
        eprintln!("  {} (package {}): {}", program.name, program.package, program.why);
    }
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    let by_hand = format!(
        "install them: apt-get install --no-install-recommends {} (Debian, as root); elsewhere, put \
         {} into PATH",
        packages.join(" "),
        missing.iter().map(|program| program.name).collect::<Vec<_>>().join(", "),
    );
    if install == Install::Forbidden {
        return Err(by_hand);
    }
    if !is_root() {
        return Err(format!("not root, so nothing was installed; {by_hand}"));
    }
    if find("apt-get").is_none() {
        return Err(format!("there is no apt-get here; {by_hand}"));
    }
    run(apt_get().arg("update")).map_err(|reason| format!("{reason}; {by_hand}"))?;
    run(apt_get().args(["install", "-y", "--no-install-recommends"]).args(&packages))
        .map_err(|reason| format!("{reason}; {by_hand}"))?;
    match self::missing().as_slice() {
        [] => ensure_tools(install),
        [program, ..] => Err(format!(
            "`{}` is still missing after {} was installed",
            program.name, program.package
        )),
    }
}

/// The parts of the toolchain that check the sources; a minimal one lacks them.
fn ensure_tools(install: Install) -> Result<(), String> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let there = || succeeds(Command::new("cargo").args([subcommand, "--version"]));
        if there() {
            continue;
        }
        let by_hand = format!("install it: rustup component add {component}");
        if install == Install::Forbidden {
            return Err(format!("`cargo {subcommand}` is missing; {by_hand}"));
        }
        run(Command::new("rustup").args(["component", "add", component]))
            .map_err(|reason| format!("{reason}; {by_hand}"))?;
        if !there() {
            return Err(format!("`cargo {subcommand}` is still missing; {by_hand}"));
        }
    }
    Ok(())
}

fn missing() -> Vec<&'static Program> {
    PROGRAMS.iter().filter(|program| find(program.name).is_none()).collect()
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(MORE_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| is_program(candidate))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn is_root() -> bool {
    succeeds(Command::new("sh").args(["-c", "test \"$(id -u)\" -eq 0"]))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_where_they_are() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-at-all").is_none());
        assert!(!is_program(Path::new("/")));
    }

    #[test]
    fn every_program_says_why_it_is_needed() {
        for program in &PROGRAMS {
            assert!(!program.why.is_empty() && !program.package.is_empty(), "{}", program.name);
        }
    }
}
