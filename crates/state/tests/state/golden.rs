//! Bytes written by released formats, which every later version must read.
//!
//! The files below `tests/fixtures/v1` are never written anew. A new command gets a new file: set
//! `QUORATE_NEW_FIXTURES` and run these tests once; files that exist are left as they are.

use std::{fs, path::PathBuf};

use quorate_model::{ClusterId, Epoch, Generation, OperationStatus, RequestId};
use quorate_state::{Applied, Command, Proposal, State, TokenStatus};

use super::{
    samples,
    world::{START, World, component_name, operation_id, remove_plan, restart_plan},
};

/// The committed bytes of that name, or the given ones where a new file was asked for.
fn fixture(name: &str, new: &[u8]) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1");
    let path = folder.join(name);
    if !path.exists() && std::env::var_os("QUORATE_NEW_FIXTURES").is_some() {
        fs::create_dir_all(&folder).unwrap();
        fs::write(&path, new).unwrap();
    }
    fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

#[test]
fn every_command_of_the_first_format_is_read_as_it_was_meant() {
    for command in samples::commands() {
        assert!(samples::is_sampled(&command));
        let (action, _) = command.audit_words();
        let proposal = Proposal {
            request_id: Some(RequestId::new("request-1").unwrap()),
            at: START,
            principal: "user:admin".to_owned(),
            command,
            digest: None,
            allowed_after: None,
        };
        let bytes = fixture(&format!("proposal-{action}.bin"), &proposal.encode().unwrap());
        assert_eq!(Proposal::decode(&bytes).unwrap(), proposal, "{action}");
    }
}

/// A state in which every part holds something, operations in every status among them.
fn rich_state() -> State {
    let mut world = World::with_orders();
    let commands = samples::commands();
    for position in [3, 5, 6, 7] {
        world.apply(commands[position].clone()).unwrap();
    }
    world.apply_with_key("request-of-the-fixture", commands[9].clone()).unwrap();
    world.apply_with_key("refused", commands[1].clone()).unwrap_err();
    let put = Command::PutSetting {
        key: samples::key("limits/connections"),
        value: "100".into(),
        expect: None,
    };
    world.apply(put).unwrap();
    let stuck = restart_plan(&world, &["orders-1", "orders-2"]);
    world.submit(operation_id(2), stuck).unwrap();
    world.begin(operation_id(2), 0, 3).unwrap();
    world.fail(operation_id(2), 0, 3).unwrap();
    world.abort(operation_id(2)).unwrap();
    world.undo(operation_id(2), 0, 4).unwrap();
    let aborting = remove_plan(&world);
    world.submit(operation_id(3), aborting).unwrap();
    world.begin(operation_id(3), 0, 4).unwrap();
    world.abort(operation_id(3)).unwrap();
    world.fail(operation_id(3), 0, 4).unwrap();
    assert!(matches!(world.status(operation_id(3)), OperationStatus::Stuck { aborting: true, .. }));
    world.state
}

#[test]
fn a_state_of_the_first_format_is_read_as_it_was_meant() {
    let bytes = fixture("state.bin", &rich_state().encode().unwrap());
    let state = State::decode(&bytes).unwrap();
    assert_eq!(state.cluster, Some(ClusterId::from_parts(START.0, 1)));
    assert_eq!((state.epoch, state.feature_level), (Epoch(0), 1));
    assert_eq!(state.kms.sealed_ca, [0, 1, 255]);
    assert_eq!(state.audit.verify(), Ok(()));
    assert_eq!(state.audit.entries.last().unwrap().index, state.applied);
    assert_eq!(state.iam.users.len(), 2);
    assert_eq!(state.iam.sessions.len(), 1);
    assert!(state.iam.tokens.values().all(|one| matches!(one.status, TokenStatus::Used { .. })));
    assert_eq!(state.metadata.nodes.len(), 4);
    assert_eq!(&*state.metadata.settings[&samples::key("limits/connections")].value, "100");
    let orders = &state.metadata.components[&component_name("orders")];
    assert_eq!(orders.instances.len(), 3);
    assert_eq!(state.metadata.last_generation, Generation(8));
    let statuses: Vec<_> =
        state.metadata.operations.values().map(|one| one.status.as_str()).collect();
    assert_eq!(statuses, ["succeeded", "aborted", "stuck"]);
}

#[test]
fn the_outcomes_of_recent_requests_are_read_from_a_state_of_the_first_format() {
    let mut state = State::decode(&fixture("state.bin", &[])).unwrap();
    let before = state.clone();
    let proposal = Proposal {
        request_id: Some(RequestId::new("request-of-the-fixture").unwrap()),
        at: START,
        principal: "user:admin".to_owned(),
        command: samples::commands().swap_remove(9),
        digest: None,
        allowed_after: None,
    };
    let index = state.applied.next();
    assert_eq!(state.apply(index, &proposal), Ok(Applied::Done));
    assert_eq!(state.audit, before.audit, "it was not applied again");
}
