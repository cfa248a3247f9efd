//! What a node sees of its host: folders, disks, permissions, limits, the time.
//!
//! The same look is taken by a running node when the doctor asks it, and by `quorate doctor` on
//! the host when no node answers.

use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use quorate_keyring::identity::certificate_lifetime;
use quorate_model::{Clock as _, FileFacts, FolderFacts, HostCheckup, NodeCheckup, NodeId, Reach};
use quorate_node_manager::KnownMasters;
use rustix::process::{Resource, getrlimit};
use tokio::{net::TcpStream, sync::watch, time::timeout};

use super::{Folders, SystemClock, binary, memory};

/// How often a node manager looks at itself.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// How long connecting to a master may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// So many small writes are measured.
const PROBES: usize = 5;
/// Daemons that keep a host's time, by the names of their processes.
const TIME_DAEMONS: [&str; 6] =
    ["chronyd", "ntpd", "systemd-timesyn", "systemd-timesyncd", "openntpd", "ptp4l"];
/// Where the packaged unit takes variables from, the root key among them.
const VARIABLE_FILES: [&str; 2] = ["/etc/default/quorate", "/run/quorate-root-key.env"];

/// Looks at the host; `probe` also measures a few small synced writes. It blocks.
pub(crate) fn host(folders: &Folders, probe: bool) -> HostCheckup {
    let all = [
        ("data", &folders.data),
        ("configuration", &folders.config),
        ("log", &folders.log),
        ("run", &folders.run),
    ];
    let lifetime = fs::read_to_string(folders.identity().join("node.pem"))
        .ok()
        .and_then(|pem| certificate_lifetime(&pem).ok());
    HostCheckup {
        folders: all.iter().filter_map(|(what, path)| folder(what, path)).collect(),
        secret_files: secret_files(folders),
        open_files: getrlimit(Resource::Nofile).current,
        core_bytes: Some(memory::core_bytes()),
        time_daemon: time_daemon(),
        certificate_from: lifetime.map(|(from, _)| from),
        certificate_until: lifetime.map(|(_, until)| until),
        sync_us: if probe { sync_times(&folders.data) } else { Vec::new() },
    }
}

fn mode(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o7777)
}

fn folder(what: &str, path: &Path) -> Option<FolderFacts> {
    let mode = mode(path)?;
    let mut facts = FolderFacts {
        what: what.to_owned(),
        path: path.display().to_string(),
        mode,
        ..FolderFacts::default()
    };
    if let Ok(disk) = rustix::fs::statvfs(path) {
        facts.free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
        facts.total_bytes = disk.f_blocks.saturating_mul(disk.f_frsize);
        facts.free_files = disk.f_favail;
        facts.total_files = disk.f_files;
    }
    Some(facts)
}

/// Files that hold keys, or may hold the root key.
fn secret_files(folders: &Folders) -> Vec<FileFacts> {
    let mut files: Vec<(&str, PathBuf)> = vec![
        ("node's private key", folders.identity().join("node.key")),
        ("sealed keyring", folders.keyring_file()),
    ];
    let environment = "environment file, which may hold the root key,";
    for entry in fs::read_dir(&folders.config).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|it| it == "env") || path.ends_with("environment") {
            files.push((environment, path));
        }
    }
    // Those of the packaged unit, unless this is one of several nodes below a folder of their own.
    if folders.config == Path::new("/etc/quorate") {
        files.extend(VARIABLE_FILES.iter().map(|path| (environment, PathBuf::from(path))));
    }
    files
        .into_iter()
        // The packaged file of variables is for everybody to read until a key is put into it.
        .filter(|(what, path)| *what != environment || holds_root_key(path))
        .filter_map(|(what, path)| {
            let mode = mode(&path)?;
            Some(FileFacts { what: what.to_owned(), path: path.display().to_string(), mode })
        })
        .collect()
}

fn holds_root_key(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| {
        text.lines()
            .any(|line| !line.trim_start().starts_with('#') && line.contains("QUORATE_ROOT_KEY="))
    })
}

fn time_daemon() -> Option<String> {
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        let name = name.trim();
        TIME_DAEMONS.contains(&name).then(|| name.to_owned())
    })
}

/// How long a few small writes with `fdatasync` take in the folder, in microseconds; fewer when
/// one fails, which other findings tell of.
fn sync_times(folder: &Path) -> Vec<u64> {
    let path = folder.join(format!(".sync-probe-{}", std::process::id()));
    let opened =
        fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path);
    let Ok(mut file) = opened else { return Vec::new() };
    let mut times = Vec::new();
    for _ in 0..PROBES {
        let begun = Instant::now();
        if file.write_all(&[0; 4096]).and_then(|()| file.sync_data()).is_err() {
            break;
        }
        times.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    drop(file);
    // One that stays is overwritten the next time.
    let _ = fs::remove_file(&path);
    times
}

/// Tries the internal ports of all masters that this host knows.
pub(crate) async fn reach_masters(masters: KnownMasters, own: NodeId) -> Vec<Reach> {
    let mut reaches = Vec::new();
    for (node, addr) in masters.masters.into_iter().filter(|(node, _)| *node != own) {
        let error = match timeout(CONNECT_DEADLINE, TcpStream::connect(addr.as_str())).await {
            Ok(Ok(_)) => String::new(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", CONNECT_DEADLINE.as_secs()),
        };
        reaches.push(Reach { node, port: "internal".to_owned(), addr, error });
    }
    reaches
}

/// Looks at a node manager's host again and again.
pub(crate) async fn keep_looking(
    folders: Folders,
    zone: String,
    node: NodeId,
    tell: watch::Sender<NodeCheckup>,
) {
    loop {
        let asked_at = SystemClock.now();
        let masters = KnownMasters::load(&folders.node_manager()).unwrap_or_default();
        let reaches = reach_masters(masters, node).await;
        let of = folders.clone();
        let host = tokio::task::spawn_blocking(move || host(&of, true)).await.unwrap_or_default();
        let checkup = NodeCheckup {
            version: binary::version().to_owned(),
            reads_feature_level: binary::reads_level(),
            zone: zone.clone(),
            asked_at,
            host,
            reaches,
            ..NodeCheckup::default()
        };
        if tell.send(checkup).is_err() {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_with_a_node_manager_only_measures_its_disk_as_well() {
        let root = tempfile::tempdir().unwrap();
        let folders =
            Folders::resolve(&super::super::FolderArgs::default(), Some(root.path()), None);
        folders.create().unwrap();
        let (tell, mut told) = watch::channel(NodeCheckup::default());
        let looking = tokio::spawn(keep_looking(folders, "rack-1".to_owned(), NodeId(7), tell));
        told.changed().await.unwrap();
        assert_eq!(told.borrow().host.sync_us.len(), PROBES);
        looking.abort();
    }

    #[test]
    fn a_host_is_seen_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let folders =
            Folders::resolve(&super::super::FolderArgs::default(), Some(root.path()), None);
        folders.create().unwrap();
        fs::set_permissions(&folders.data, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folders.config.join("a.env"), "QUORATE_ROOT_KEY=x").unwrap();
        fs::write(folders.config.join("b.env"), "# QUORATE_ROOT_KEY=x\nRUST_LOG=info").unwrap();
        let seen = host(&folders, true);
        let modes: Vec<(&str, u32)> =
            seen.folders.iter().map(|it| (it.what.as_str(), it.mode)).collect();
        assert_eq!(
            modes,
            [("data", 0o755), ("configuration", 0o700), ("log", 0o700), ("run", 0o700)]
        );
        assert!(
            seen.folders.iter().all(|it| it.total_bytes >= it.free_bytes && it.total_bytes > 0)
        );
        assert_eq!(seen.secret_files.len(), 1, "{:?}", seen.secret_files);
        assert!(seen.secret_files[0].path.ends_with("a.env"));
        assert_eq!(seen.sync_us.len(), PROBES);
        let left = fs::read_dir(&folders.data).unwrap().count();
        assert_eq!(left, 0, "the probe leaves nothing behind");
    }
}
