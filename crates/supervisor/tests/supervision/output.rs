//! Output: in order, rotated, bounded, and never in the component's way.

use quorate_model::ExitStatus;
use quorate_supervisor::{Attachment, LaunchSpec, LogRotation, logs};

use crate::host::*;

#[tokio::test]
async fn both_streams_go_to_one_log_in_order() {
    let host = Host::new();
    let db = name("db-1");
    host.start(&script("db-1", "echo one; echo two >&2; echo three; printf four >&2")).await;
    watched(&host.supervisor, &db).await;
    assert_eq!(host.log(&db), "one\ntwo\nthree\nfour");
}

#[tokio::test]
async fn a_log_is_rotated_whole_lines_at_a_time_and_its_tail_spans_files() {
    let host = Host::new();
    let db = name("db-1");
    let text = "i=0; while [ $i -lt 1000 ]; do echo line-$i; i=$((i+1)); done";
    let log = LogRotation { max_bytes: 2000, keep: 2 };
    host.start(&LaunchSpec { log, ..script("db-1", text) }).await;
    watched(&host.supervisor, &db).await;
    let folder = host.path("log");
    assert!(folder.join("db-1.log.2").exists() && !folder.join("db-1.log.3").exists());
    for file in ["db-1.log", "db-1.log.1", "db-1.log.2"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.len() <= 2000 && text.starts_with("line-") && text.ends_with('\n'), "{file}");
    }
    let tail = logs::tail(&folder, &db, 4000).unwrap();
    assert_eq!(tail.len(), 4000);
    let tail = String::from_utf8(tail).unwrap();
    let numbers: Vec<u32> = tail
        .lines()
        .skip(1)
        .map(|line| line.strip_prefix("line-").unwrap().parse().unwrap())
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    assert_eq!(numbers.last(), Some(&999));
}

#[tokio::test]
async fn huge_output_neither_blocks_the_component_nor_fills_the_disk() {
    let host = Host::new();
    let db = name("db-1");
    let log = LogRotation { max_bytes: 1 << 20, keep: 1 };
    let spec = script("db-1", "head -c 200000000 /dev/zero; exit 6");
    host.start(&LaunchSpec { log, ..spec }).await;
    assert_eq!(watched(&host.supervisor, &db).await, ExitStatus::Code(6));
    let size: u64 = std::fs::read_dir(host.path("log"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(size < 4 << 20, "{size}");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_nothing_and_the_loss_is_counted() {
    let host = Host::new();
    let db = name("db-1");
    // A full disk as every process sees it: writes fail with "no space left on device".
    std::os::unix::fs::symlink("/dev/full", host.path("log").join("db-1.log")).unwrap();
    host.start(&script("db-1", "head -c 1000000 /dev/zero; exit 6")).await;
    watched(&host.supervisor, &db).await;
    match host.supervisor.attach(&db).await.unwrap() {
        Attachment::Exited { status, dropped_log_bytes, .. } => {
            assert_eq!((status, dropped_log_bytes), (ExitStatus::Code(6), 1_000_000));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_component_that_closes_its_output_goes_on() {
    let host = Host::new();
    let db = name("db-1");
    host.start(&script("db-1", "exec >&- 2>&-; sleep 0.1; exit 8")).await;
    assert_eq!(watched(&host.supervisor, &db).await, ExitStatus::Code(8));
}
