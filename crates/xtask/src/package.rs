//! `cargo xtask package`: a Debian package of the release binary, with its systemd unit.
//!
//! Only `dpkg-deb` is needed. What goes where is in one table; what it is made of is in
//! `packaging/`.
#![expect(clippy::print_stderr, reason = "a task talks to the person who started it")]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use crate::{Repository, command};

/// A file of the package: where it comes from, where it goes, its mode.
const FILES: [(&str, &str, u32); 3] = [
    ("packaging/quorate.service", "usr/lib/systemd/system/quorate.service", 0o644),
    ("packaging/quorate.tmpfiles", "usr/lib/tmpfiles.d/quorate.conf", 0o644),
    ("packaging/quorate.default", "etc/default/quorate", 0o644),
];
/// Where documents go. What operators read is packed as a whole, since its pages link to each other.
const DOCUMENTS: &str = "usr/share/doc/quorate";
/// The table of contents, which leads to developers' documents as well, and is of the repository.
const CONTENTS: &str = "README.md";
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/quorate"),
    ("zsh", "usr/share/zsh/vendor-completions/_quorate"),
    ("fish", "usr/share/fish/vendor_completions.d/quorate.fish"),
];

/// Builds the release binary, or takes the one given, and packs it into `target/package/`.
#[must_use]
pub fn main(repository: &Repository, binary: Option<&str>) -> ExitCode {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository.root().join("target"), PathBuf::from);
    let made = match binary {
        Some(binary) => Ok(PathBuf::from(binary)),
        None => {
            let line = ["build", "--release", "--package", "quorate", "--bin", "quorate"];
            command::run(&mut command::cargo(repository, &line))
                .map(|()| target.join("release/quorate"))
        }
    };
    let folder = target.join("package");
    match made.and_then(|binary| pack(repository, &binary, &folder)) {
        Ok(package) => {
            eprintln!("\n{}", package.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Packs a binary into a folder and returns the package.
///
/// # Errors
/// What could not be read, written or run.
pub fn pack(repository: &Repository, binary: &Path, folder: &Path) -> Result<PathBuf, String> {
    let stage = folder.join("stage");
    if stage.exists() {
        fs::remove_dir_all(&stage).map_err(|error| failed("clear", &stage, &error))?;
    }
    put(binary, &stage.join("usr/bin/quorate"), 0o755)?;
    for (from, to, mode) in FILES {
        put(&repository.root().join(from), &stage.join(to), mode)?;
    }
    put_documents(repository, &stage.join(DOCUMENTS))?;
    for (shell, to) in COMPLETIONS {
        let text = output(Command::new(binary).args(["completions", shell]))?;
        write(&stage.join(to), &text, 0o644)?;
    }
    let copyright = repository.root().join("packaging/debian/copyright");
    put(&copyright, &stage.join("usr/share/doc/quorate/copyright"), 0o644)?;
    let control = stage.join("DEBIAN");
    for script in SCRIPTS {
        let from = repository.root().join("packaging/debian").join(script);
        put(&from, &control.join(script), 0o755)?;
    }
    write(&control.join("conffiles"), "/etc/default/quorate\n", 0o644)?;
    let size = size(&stage)? / 1024;
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    let libc = output(Command::new("dpkg-query").args([
        "-W",
        "-f",
        "${source:Upstream-Version}",
        "libc6",
    ]))?;
    let version = env!("CARGO_PKG_VERSION");
    let architecture = architecture.trim();
    let text = control_file(version, architecture, libc.trim(), size);
    write(&control.join("control"), &text, 0o644)?;
    let package = folder.join(format!("quorate_{version}_{architecture}.deb"));
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.args(["--root-owner-group", "-Zxz", "--build"]).arg(&stage).arg(&package);
    output(&mut dpkg)?;
    Ok(package)
}

/// The binary needs the C library it was linked against, or a newer one.
fn control_file(version: &str, architecture: &str, libc: &str, kibibytes: u64) -> String {
    format!(
        "Package: quorate\n\
         Version: {version}\n\
         Architecture: {architecture}\n\
         Maintainer: The Quorate authors <quorate@localhost>\n\
         Section: admin\n\
         Priority: optional\n\
         Installed-Size: {kibibytes}\n\
         Depends: libc6 (>= {libc}), libgcc-s1, adduser\n\
         Description: runs the day-2 operations of clusters that live by a quorum\n \
         One binary, which is master, node manager and command line. It restarts, grows, shrinks\n \
         and repairs clusters such as etcd without their losing quorum.\n"
    )
}

/// The operators' pages, the pages of error codes, and the changelog.
fn put_documents(repository: &Repository, to: &Path) -> Result<(), String> {
    for folder in ["", "errors"] {
        let from = repository.root().join("docs").join(folder);
        let entries = fs::read_dir(&from).map_err(|error| failed("list", &from, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| failed("list", &from, &error))?.path();
            let Some(name) = path.file_name().filter(|name| *name != CONTENTS) else { continue };
            if path.extension().is_some_and(|extension| extension == "md") {
                put(&path, &to.join(folder).join(name), 0o644)?;
            }
        }
    }
    let changelog = repository.root().join("CHANGELOG.md");
    let text =
        fs::read_to_string(&changelog).map_err(|error| failed("read", &changelog, &error))?;
    // It lies beside the pages here.
    write(&to.join("CHANGELOG.md"), &text.replace("](docs/", "]("), 0o644)
}

/// Copies a file, making the folders above it.
fn put(from: &Path, to: &Path, mode: u32) -> Result<(), String> {
    make_folder(to)?;
    fs::copy(from, to).map_err(|error| failed("copy", from, &error))?;
    set_mode(to, mode)
}

fn write(to: &Path, text: &str, mode: u32) -> Result<(), String> {
    make_folder(to)?;
    fs::write(to, text).map_err(|error| failed("write", to, &error))?;
    set_mode(to, mode)
}

/// Makes the folder of a file. Modes do not depend on the umask of whoever builds.
fn make_folder(file: &Path) -> Result<(), String> {
    let Some(folder) = file.parent() else { return Ok(()) };
    if folder.is_dir() {
        return Ok(());
    }
    make_folder(folder)?;
    fs::create_dir(folder).map_err(|error| failed("make", folder, &error))?;
    set_mode(folder, 0o755)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), String> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| failed("set the mode of", path, &error))
}

fn size(folder: &Path) -> Result<u64, String> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).map_err(|error| failed("list", folder, &error))? {
        let path = entry.map_err(|error| failed("list", folder, &error))?.path();
        sum += match path.is_dir() {
            true => size(&path)?,
            false => fs::metadata(&path).map_err(|error| failed("look at", &path, &error))?.len(),
        };
    }
    Ok(sum)
}

/// What a program prints; its failure with its last words.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot start `{name}`: {error}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("`{name}` failed ({}): {words}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn failed(action: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {action} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::dead_links;

    /// The package, unpacked, of something that stands for the binary: all it is asked for is
    /// completions.
    fn packed(folder: &Path) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let binary = folder.join("binary");
        write(&binary, "#!/bin/sh\necho \"$@\"\n", 0o755).unwrap();
        pack(&Repository::here(), &binary, folder).unwrap()
    }

    fn scratch(of: &str) -> PathBuf {
        env::temp_dir().join(format!("quorate-package-{of}-{}", std::process::id()))
    }

    #[test]
    fn a_packed_document_links_to_nothing_that_is_not_packed() {
        let folder = scratch("links");
        packed(&folder);
        let documents = folder.join("stage").join(DOCUMENTS);
        let mut pages = Vec::new();
        for place in ["", "errors/"] {
            for entry in fs::read_dir(documents.join(place)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name.ends_with(".md") {
                    pages.push(format!("{place}{name}"));
                }
            }
        }
        assert!(pages.iter().any(|page| page == "errors/Q2104.md"), "{pages:?}");
        for page in pages {
            let text = fs::read_to_string(documents.join(&page)).unwrap();
            let dead = dead_links(&page, &text, |target| documents.join(target).is_file());
            assert!(dead.is_empty(), "{dead:?}");
        }
        // It can fail: this one leads out of the package.
        let text = "see [decisions](adr/README.md)";
        assert_eq!(dead_links("x.md", text, |target| documents.join(target).is_file()).len(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn systemd_reads_every_line_of_the_unit_and_finds_it_little_exposed() {
        let folder = scratch("unit");
        packed(&folder);
        let unit = folder.join("quorate.service");
        let packed = folder.join("stage/usr/lib/systemd/system/quorate.service");
        let text = fs::read_to_string(packed).unwrap();
        let program = folder.join("stage/usr/bin/quorate");
        let here = text.replace("/usr/bin/quorate", &program.display().to_string());
        let words = |text: &str| {
            write(&unit, text, 0o644).unwrap();
            let mut verify = Command::new("systemd-analyze");
            let verify = verify.arg("verify").arg(&unit).env("LC_ALL", "C");
            let output = verify.output().expect("systemd-analyze is installed: cargo xtask test");
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        assert_eq!(words(&here), "");
        // It can fail: a misspelt key is ignored by systemd, which only says so.
        let misspelt = words(&here.replace("\nLimitCORE=", "\nLimitCores="));
        assert!(misspelt.contains("Unknown key 'LimitCores'"), "{misspelt}");
        write(&unit, &here, 0o644).unwrap();
        let mut security = Command::new("systemd-analyze");
        // Tenths of its scale, on which 10 is no protection at all.
        security.args(["security", "--offline=true", "--threshold=25"]).arg(&unit);
        output(&mut security).unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_package_holds_what_a_host_needs_and_no_right_to_become_root() {
        let folder = scratch("files");
        let package = packed(&folder);
        let listed = output(Command::new("dpkg-deb").arg("-c").arg(&package)).unwrap();
        let line = |path: &str| {
            listed.lines().find(|line| line.ends_with(path)).unwrap_or_else(|| panic!("{listed}"))
        };
        assert!(line("./usr/bin/quorate").starts_with("-rwxr-xr-x root/root"));
        assert!(
            line("./usr/lib/systemd/system/quorate.service").starts_with("-rw-r--r-- root/root")
        );
        assert!(line("./etc/default/quorate").starts_with("-rw-r--r-- root/root"));
        assert!(line("./usr/").starts_with("drwxr-xr-x root/root"));
        let all = format!(
            "{listed}{}",
            fs::read_to_string(folder.join("stage/DEBIAN/postinst")).unwrap()
        );
        assert!(!all.contains("sudoers") && !all.contains("NOPASSWD"), "{all}");
        let control = output(Command::new("dpkg-deb").arg("-f").arg(&package)).unwrap();
        assert!(control.contains("Package: quorate\n"), "{control}");
        assert!(control.contains(&format!("Version: {}", env!("CARGO_PKG_VERSION"))), "{control}");
        for script in SCRIPTS {
            let script = folder.join("stage/DEBIAN").join(script);
            assert!(command::succeeds(Command::new("sh").arg("-n").arg(&script)), "{script:?}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
