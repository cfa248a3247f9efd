//! The encodings: tolerant of fields, strict about versions and damage.

use quorate_model::{NodeId, Refusal, Revision, codes};
use quorate_state::{
    Applied, CodecError, Command, FORMAT_VERSION, Outcome, OutcomeCodec, Proposal, State,
};
use serde_json::{Value, json};

use super::{samples, world::World};

/// Bytes as another version might write them: the version byte, then named fields.
fn written(value: &Value) -> Vec<u8> {
    let mut bytes = vec![FORMAT_VERSION];
    bytes.extend(rmp_serde::to_vec_named(value).unwrap());
    bytes
}

#[test]
fn unknown_fields_of_a_proposal_are_tolerated_and_missing_ones_take_their_defaults() {
    let value = json!({
        "at": 5,
        "principal": "user:eve",
        "trace_of_tomorrow": {"deep": [1, 2, {"x": null}]},
        "command": {"put_setting": {"key": "a", "value": "1", "colour": "green"}},
    });
    let proposal = Proposal::decode(&written(&value)).unwrap();
    assert_eq!(proposal.request_id, None);
    assert_eq!(
        proposal.command,
        Command::PutSetting { key: samples::key("a"), value: "1".into(), expect: None }
    );
}

#[test]
fn unknown_fields_inside_a_flattened_step_are_tolerated() {
    let world = World::with_orders();
    let plan = samples::every_step(&world);
    let mut value = serde_json::to_value(&plan).unwrap();
    for step in value["steps"].as_array_mut().unwrap() {
        step["kind"]["of_tomorrow"] = json!(1);
        step["of_tomorrow"] = json!("x");
    }
    let bytes = rmp_serde::to_vec_named(&value).unwrap();
    assert_eq!(rmp_serde::from_slice::<quorate_model::Plan>(&bytes).unwrap(), plan);
}

#[test]
fn parts_of_a_state_that_an_older_version_did_not_know_take_their_defaults() {
    let value = json!({"feature_level": 1, "metadata": {"last_node_id": 7, "planets": []}});
    let state = State::decode(&written(&value)).unwrap();
    assert_eq!(state.metadata.last_node_id, NodeId(7));
    assert_eq!(state.cluster, None);
    assert!(state.audit.entries.is_empty());
}

#[test]
fn a_command_of_a_newer_binary_is_an_error_and_never_skipped() {
    let value = json!({"at": 5, "principal": "p", "command": {"teleport": {"to": "mars"}}});
    let error = Proposal::decode(&written(&value)).unwrap_err();
    assert!(matches!(error, CodecError::Decode { what: "proposal", .. }), "{error}");
    assert!(error.to_string().contains("teleport"), "{error}");
}

#[test]
fn a_newer_format_nothing_and_damage_are_refused() {
    let mut bytes = World::with_orders().state.encode().unwrap();
    bytes[0] = FORMAT_VERSION + 1;
    let error = State::decode(&bytes).unwrap_err();
    assert!(matches!(error, CodecError::TooNew { found: 2, .. }), "{error}");
    assert_eq!(error.to_string(), "the snapshot has format version 2; this binary reads up to 1");
    bytes[0] = 0;
    let error = State::decode(&bytes).unwrap_err();
    assert!(matches!(error, CodecError::UnknownVersion { found: 0, .. }), "{error}");
    assert!(matches!(State::decode(&[]), Err(CodecError::Empty { what: "snapshot" })));
    bytes[0] = FORMAT_VERSION;
    for length in [1, 2, bytes.len() / 2, bytes.len() - 1] {
        assert!(State::decode(&bytes[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn every_command_and_outcome_is_read_as_it_was_written() {
    for command in samples::commands() {
        let proposal = Proposal {
            request_id: None,
            at: super::world::START,
            principal: "user:admin".to_owned(),
            command,
            digest: None,
            allowed_after: None,
        };
        assert_eq!(Proposal::decode(&proposal.encode().unwrap()).unwrap(), proposal);
    }
    let outcomes: [Outcome; 4] = [
        Ok(Applied::Done),
        Ok(Applied::Revision(Revision(u64::MAX))),
        Ok(Applied::Node(NodeId(1))),
        Err(Refusal::new(codes::INTERNAL, "why").cause("so").hint("that")),
    ];
    for outcome in outcomes {
        assert_eq!(Outcome::decode(&outcome.encode().unwrap()).unwrap(), outcome);
    }
}
