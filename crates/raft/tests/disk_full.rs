//! A full disk: nothing acknowledged is lost, the reason is clear, and the node goes on when space
//! is there again. Needs root, for a small file system of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use quorate_model::codes;
use quorate_raft::ProposeError;
use support::{World, put, value};

/// A small tmpfs for as long as it lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"])
            .arg(at)
            .status()
            .unwrap();
        assert!(mounted.success(), "this test needs root to mount a small file system");
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "cannot unmount {:?}", self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_acknowledged_and_the_node_goes_on_when_there_is_space() {
    let world = World::new();
    let disk = SmallDisk::mount(&world.folder(1));
    let ballast = world.folder(1).join("ballast");
    fs::write(&ballast, vec![1; 5 * 1024 * 1024]).unwrap();

    let master = world.start(1).await;
    let addr = master.addr;
    master.node.initialize(&addr.to_string()).await.unwrap();
    let large = "x".repeat(100_000);
    let mut acknowledged = 0;
    let error = loop {
        match master.node.propose(put(&format!("k{acknowledged}"), &large)).await {
            Ok(outcome) => outcome.unwrap(),
            Err(error) => break error,
        };
        acknowledged += 1;
        assert!(acknowledged < 200, "the disk never filled");
    };
    assert!(acknowledged > 0);
    assert!(
        matches!(error, ProposeError::Storage(_) | ProposeError::OutcomeUnknown { .. }),
        "{error}"
    );
    let failure = master.node.storage_failure();
    let refusal = failure.borrow().clone().unwrap();
    assert_eq!(refusal.code, codes::DISK_FULL, "{refusal}");
    let next = master.node.propose(put("more", "v")).await.unwrap_err();
    assert_eq!(next.refusal().code, codes::DISK_FULL, "{next}");
    master.stop().await;

    // Without space it either says so again or opens with everything it had.
    match world.open(world.options(1)).await {
        Ok((node, _)) => node.shutdown().await,
        Err(error) => assert_eq!(error.refusal().code, codes::DISK_FULL, "{error}"),
    }

    fs::remove_file(&ballast).unwrap();
    let master = world.start_at(1, addr).await;
    let state = master.node.linearize().await.unwrap();
    for index in 0..acknowledged {
        assert_eq!(value(&state, &format!("k{index}")).map(|value| value.len()), Some(large.len()));
    }
    master.node.propose(put("more", "v")).await.unwrap().unwrap();
    master.stop().await;
    drop(disk);
}
