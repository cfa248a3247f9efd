//! The reset: what goes, what stays, and that it happens once.

use proptest::prelude::*;
use quorate_model::{
    ClusterAction, Generation, LogIndex, NodeAction, NodeId, Operation, OperationId,
    OperationRequest, OperationStatus, OrderKind, Plan, StepKind, Subject, Term, Undo, UserName,
    codes,
};
use quorate_state::{AuditEntry, Command, MasterPolicy, Proposal, State, UserRole};

use super::{
    properties::proposals,
    samples::{self, key, token, token_id},
    world::{
        START, World, decided, operation_id, refused, remove_plan, restart_plan, spec, step, user,
    },
};

const HASH: &str = "$argon2id$of-the-one-time-password";

fn admin() -> UserName {
    UserName::new("admin").unwrap()
}

pub(crate) fn reset_plan(password_hash: &str) -> Plan {
    let action = ClusterAction::Reset { admin: admin(), password_hash: password_hash.to_owned() };
    let order = NodeAction::Order { order: OrderKind::Purge };
    Plan {
        request: OperationRequest::Reset,
        steps: vec![
            step(StepKind::Cluster { action }, Undo::Impossible),
            step(StepKind::Node { node: NodeId(1), action: order }, Undo::Nothing),
        ],
        pins: Vec::new(),
        locks: vec![Subject::Cluster],
    }
}

/// A cluster in which every part holds something.
fn lived_in() -> World {
    let mut world = World::with_orders();
    let commands = [
        Command::PutSetting { key: key("a"), value: "1".into(), expect: None },
        Command::CreateToken { id: token_id(7), token: token() },
        Command::PutUser { name: UserName::new("eve").unwrap(), user: user("hash"), former: None },
        Command::PutUser { name: admin(), user: user("changed"), former: None },
        Command::CreateSession {
            token_sha256: "5e55".to_owned(),
            session: samples::session("admin", 60),
        },
        Command::SetMasterPolicy {
            policy: MasterPolicy { cleanup_floor: 5, ..MasterPolicy::default() },
        },
        samples::recover(2, &[77]),
    ];
    for command in commands {
        world.apply(command).unwrap();
    }
    world
}

fn submitted(world: &mut World) -> OperationId {
    let id = operation_id(9);
    world.submit(id, reset_plan(HASH)).unwrap();
    id
}

#[test]
fn what_was_decided_goes_and_what_keeps_old_things_away_stays() {
    let mut world = lived_in();
    let before = world.state.clone();
    let id = submitted(&mut world);
    world.begin(id, 0, 1).unwrap();
    let (state, was) = (&world.state, &before.metadata);

    assert_eq!(state.iam.users.keys().collect::<Vec<_>>(), [&admin()]);
    let user = &state.iam.users[&admin()];
    assert_eq!((user.password_hash.as_str(), user.role), (HASH, UserRole::Admin));
    assert!(user.must_change_password);
    assert!(state.iam.sessions.is_empty() && state.iam.tokens.is_empty());
    let now = &state.metadata;
    assert!(now.settings.is_empty() && now.components.is_empty());
    assert_eq!(now.operations.keys().collect::<Vec<_>>(), [&id], "but the reset itself");
    assert_eq!(now.policy, MasterPolicy::default());

    assert_eq!((state.cluster, &state.kms), (before.cluster, &before.kms));
    assert_eq!((state.epoch, state.feature_level), (before.epoch, before.feature_level));
    assert_eq!((&now.nodes, &now.tombstones), (&was.nodes, &was.tombstones));
    assert_eq!((now.last_node_id, &now.recovery), (was.last_node_id, &was.recovery));
    assert!(now.last_generation > was.last_generation, "none is given out twice");
}

#[test]
fn the_trail_begins_with_who_reset_it_and_goes_on_from_the_former_one() {
    let mut world = lived_in();
    let id = submitted(&mut world);
    let last = world.state.audit.entries.last().unwrap().hash;
    world
        .propose(None, "node:n1 (term 1)", Command::BeginStep { id, step: 0, term: Term(1) })
        .unwrap();
    let trail = &world.state.audit;
    assert_eq!((trail.base, trail.verify()), (last, Ok(())));
    let words: Vec<_> =
        trail.entries.iter().map(|it: &AuditEntry| (&*it.principal, &*it.action)).collect();
    assert_eq!(
        words,
        [("user:admin", "cluster.reset"), ("node:n1 (term 1)", "operation.step.begin")]
    );
    assert!(
        trail.entries[0].target.contains("2 users, 3 tokens, 1 settings, 1 components"),
        "{trail:?}"
    );
}

#[test]
fn it_happens_once_however_often_it_is_begun() {
    let mut world = lived_in();
    let id = submitted(&mut world);
    world.begin(id, 0, 1).unwrap();
    let ordered = world.operation(id).records[0].generation;
    let put = Command::PutSetting { key: key("after"), value: "1".into(), expect: None };
    world.apply(put).unwrap();
    let password = Command::PutUser { name: admin(), user: user("chosen"), former: None };
    world.apply(password).unwrap();
    // The next leader begins it again; a failure in between is retried.
    world.begin(id, 0, 2).unwrap();
    world.fail(id, 0, 2).unwrap();
    world.resume(id).unwrap();
    world.begin(id, 0, 2).unwrap();
    assert!(world.state.metadata.settings.contains_key(&key("after")));
    assert_eq!(world.state.iam.users[&admin()].password_hash, user("chosen").password_hash);
    assert_eq!(world.operation(id).records[0].generation, ordered);
    for step in [0, 1] {
        world.begin(id, step, 2).unwrap();
        world.finish(id, step, 2).unwrap();
    }
    assert_eq!(world.status(id), OperationStatus::Succeeded);
    assert!(world.state.metadata.settings.contains_key(&key("after")));
}

#[test]
fn it_is_the_point_of_no_return_and_leaves_no_hash_behind() {
    let mut world = lived_in();
    let id = submitted(&mut world);
    let before = world.state.clone();
    world.abort(id).unwrap();
    assert_eq!(world.status(id), OperationStatus::Aborted, "before it began");
    world.state = before;
    world.begin(id, 0, 1).unwrap();
    assert_eq!(refused(world.abort(id)), codes::OPERATION_STATUS);
    let step = &world.operation(id).plan.steps[0].kind;
    let StepKind::Cluster { action: ClusterAction::Reset { password_hash, .. } } = step else {
        panic!("{step:?}")
    };
    assert_eq!(password_hash, "");
}

#[test]
fn without_a_password_nothing_is_reset() {
    let mut world = lived_in();
    let id = operation_id(9);
    world.submit(id, reset_plan("")).unwrap();
    assert_eq!(refused(world.begin(id, 0, 1)), codes::REQUEST_MALFORMED);
}

#[test]
fn what_a_login_allowed_before_it_is_not_done_after_it() {
    let mut world = lived_in();
    let allowed_after = Some(world.state.metadata.last_reset);
    let id = submitted(&mut world);
    world.run_to_end(id);
    let mut propose = |allowed_after, command: Command| {
        world.index += 1;
        let proposal = Proposal {
            request_id: Some(quorate_model::RequestId::new("key").unwrap()),
            at: world.at,
            principal: "user:admin".to_owned(),
            command,
            digest: None,
            allowed_after,
        };
        let outcome = world.state.apply(LogIndex(world.index), &proposal);
        (outcome.map_err(|refusal| refusal.code), world.state.metadata.last_reset)
    };
    let create = Command::CreateToken { id: token_id(8), token: token() };
    let log_in = Command::CreateSession {
        token_sha256: "01d".to_owned(),
        session: samples::session("admin", 600),
    };
    let mut reset = Generation(0);
    for command in [create.clone(), log_in] {
        let (outcome, last) = propose(allowed_after, command);
        assert_eq!(outcome, Err(codes::UNAUTHENTICATED));
        reset = last;
    }
    // It is repeated under the same key by whoever has logged in anew.
    assert!(propose(Some(reset), create).0.is_ok());
    assert!(world.state.iam.sessions.is_empty());
}

#[test]
fn a_password_that_was_chosen_before_it_does_not_come_in_the_place_of_the_one_time_one() {
    let mut world = lived_in();
    let former = Some(world.state.iam.users[&admin()].password_hash.clone());
    let change =
        Command::PutUser { name: admin(), user: user("chosen before"), former: former.clone() };
    let gone = Command::PutUser { name: UserName::new("eve").unwrap(), user: user("hash"), former };
    let id = submitted(&mut world);
    world.run_to_end(id);
    for command in [change, gone] {
        assert_eq!(refused(world.apply(command)), codes::REVISION_MISMATCH);
    }
    assert_eq!(world.state.iam.users[&admin()].password_hash, HASH);
    let former = Some(HASH.to_owned());
    world.apply(Command::PutUser { name: admin(), user: user("chosen"), former }).unwrap();
}

#[test]
fn it_holds_everything_and_is_refused_while_somebody_acts() {
    let mut world = lived_in();
    let restart = restart_plan(&world, &["orders-1"]);
    world.submit(operation_id(5), restart.clone()).unwrap();
    let refusal = world.submit(operation_id(9), reset_plan(HASH)).unwrap_err();
    assert_eq!(refusal.code, codes::OPERATION_CONFLICT);
    assert!(refusal.cause.unwrap().contains("`component restart orders`"));
    world.run_to_end(operation_id(5));

    world.submit(operation_id(9), reset_plan(HASH)).unwrap();
    let remove = remove_plan(&world);
    for plan in [restart, remove, super::world::create_plan(&spec("other", 1)), reset_plan(HASH)] {
        assert_eq!(refused(world.submit(operation_id(10), plan)), codes::OPERATION_CONFLICT);
    }
}

#[test]
fn a_component_that_is_created_afterwards_knows_what_ran_before_as_a_stranger() {
    let mut world = lived_in();
    let former = world.record("orders", "orders-1");
    let id = submitted(&mut world);
    world.run_to_end(id);
    let create = super::world::create_plan(&spec("orders", 3));
    world.submit(operation_id(11), create).unwrap();
    world.run_to_end(operation_id(11));
    let record = world.record("orders", "orders-1");
    assert!(record.first_generation > former.generation);
    assert!(record.first_generation <= record.start_generation);
    let desired = world.state.metadata.desired_of(
        world.state.metadata.components[&super::world::component_name("orders")].spec.instances[0]
            .node,
        world.state.epoch,
        Term(1),
    );
    assert_eq!(desired[0].first_generation, record.first_generation);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_came_before_the_first_state_comes_after(
        proposals in proposals(),
        behind in 0..40_usize,
    ) {
        let mut one = World::with_orders().state;
        let mut index = one.applied.0;
        let mut apply = |state: &mut State, proposal: &Proposal| {
            index += 1;
            state.apply(LogIndex(index), proposal)
        };
        let propose = |command| Proposal {
            request_id: None,
            digest: None,
            allowed_after: None,
            at: START,
            principal: "user:admin".to_owned(),
            command,
        };
        // Another master is behind when it happens, and reads all of it later.
        let mut log = Vec::new();
        let start = one.clone();
        for proposal in &proposals {
            let _ = apply(&mut one, proposal);
            log.push(proposal.clone());
        }
        let running: Vec<OperationId> = one
            .metadata
            .operations
            .values()
            .filter(|it: &&std::sync::Arc<Operation>| it.can_act())
            .map(|it| it.id)
            .collect();
        let id = operation_id(99);
        let before = one.clone();
        let submit = propose(Command::SubmitOperation { id, plan: reset_plan(HASH), key: None });
        let begin = propose(Command::BeginStep { id, step: 0, term: Term(20) });
        for proposal in [&submit, &begin] {
            let outcome = apply(&mut one, proposal);
            log.push(proposal.clone());
            prop_assert_eq!(outcome.is_ok(), running.is_empty());
        }
        let mut other = start.clone();
        let mut at = start.applied.0;
        for (position, proposal) in log.iter().enumerate() {
            if position == behind {
                other = State::decode(&other.encode().unwrap()).unwrap();
            }
            at += 1;
            let _ = other.apply(LogIndex(at), proposal);
        }
        prop_assert_eq!(one.encode().unwrap(), other.encode().unwrap());
        if !running.is_empty() {
            prop_assert!(decided(&before) == decided(&one));
            return Ok(());
        }
        prop_assert_eq!(one.metadata.last_reset, one.metadata.last_generation);
        let (now, was) = (&one.metadata, &before.metadata);
        prop_assert_eq!((one.iam.users.len(), one.iam.sessions.len(), one.iam.tokens.len()), (1, 0, 0));
        prop_assert!(now.settings.is_empty() && now.components.is_empty());
        prop_assert_eq!(now.operations.len(), 1);
        prop_assert_eq!((&now.nodes, &now.tombstones), (&was.nodes, &was.tombstones));
        prop_assert_eq!(now.last_generation, Generation(was.last_generation.0 + 1));
        prop_assert_eq!(one.audit.entries.len(), 2);
        prop_assert_eq!(one.audit.verify(), Ok(()));
    }
}
