//! Golden bytes: what a released binary wrote must be read by every later one.

use std::collections::{BTreeMap, BTreeSet};

use openraft::{BasicNode, EntryPayload, vote::RaftLeaderIdExt};
use prost::bytes::Bytes;
use quorate_model::hex;

use super::*;
use crate::types::{LeaderId, Membership, Replicated, StoredMembership};

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId::new_committed(term, 0), index)
}

fn membership() -> Membership {
    let voters = vec![BTreeSet::from([1]), BTreeSet::from([1, 2, 3])];
    let members: BTreeMap<u64, BasicNode> =
        (1..=4).map(|id| (id, BasicNode::new(format!("h{id}:9901")))).collect();
    Membership::new(voters, members).unwrap()
}

#[track_caller]
fn golden<R: Record + PartialEq + std::fmt::Debug>(value: &R, expected: &str) {
    assert_eq!(hex(&value.to_bytes()), expected);
    assert_eq!(&R::from_bytes(&value.to_bytes()).unwrap(), value);
}

#[test]
fn the_bytes_of_version_1_never_change() {
    golden(&Vote::new_committed(7, 3), "01080710031801");
    golden(&Vote::new(2, 1), "0108021001");
    golden(&log_id(7, 300), "01080710ac02");
    golden(&Entry { log_id: log_id(1, 5), payload: EntryPayload::Blank }, "010a04080110051200");
    golden(
        &Entry {
            log_id: log_id(1, 6),
            payload: EntryPayload::Normal(Replicated::from_bytes(Bytes::from_static(b"\x01abc"))),
        },
        "010a04080110061a0401616263",
    );
    golden(
        &Entry { log_id: log_id(1, 0), payload: EntryPayload::Membership(membership()) },
        "010a02080122400a030a01010a050a03010203120b0801120768313a39393031120b08021207\
         68323a39393031120b0803120768333a39393031120b0804120768343a39393031",
    );
    golden(
        &SnapshotRecord {
            meta: SnapshotMeta {
                last_log_id: Some(log_id(2, 9)),
                last_membership: StoredMembership::new(Some(log_id(1, 0)), membership()),
            },
            state: Bytes::from_static(b"state"),
        },
        "010a4c0a040802100912020801\
         1a400a030a01010a050a03010203120b08011207\
         68313a39393031120b0802120768323a39393031120b0803120768333a39393031120b0804120768343a39393031\
         12057374617465",
    );
}

#[test]
fn a_record_of_a_newer_version_is_refused_with_its_version() {
    let mut bytes = log_id(1, 1).to_bytes();
    bytes[0] = 9;
    let error = LogId::from_bytes(&bytes).unwrap_err();
    assert!(matches!(error, RecordError::TooNew { found: 9 }), "{error}");
    assert!(error.to_string().contains("version 9"), "{error}");
}

#[test]
fn version_zero_never_existed_and_is_not_called_newer() {
    let mut bytes = log_id(1, 1).to_bytes();
    bytes[0] = 0;
    let error = LogId::from_bytes(&bytes).unwrap_err();
    assert!(matches!(error, RecordError::UnknownVersion { found: 0 }), "{error}");
}

#[test]
fn a_field_of_a_newer_binary_is_tolerated() {
    let mut bytes = log_id(1, 1).to_bytes();
    bytes.extend_from_slice(&[0xf8, 0x01, 0x05]); // field 31, varint 5
    assert_eq!(LogId::from_bytes(&bytes).unwrap(), log_id(1, 1));
}
