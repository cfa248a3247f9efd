//! Ways out of operations that wait for what never comes: left as they are, ended by a recovery,
//! overtaken by a reset.

use proptest::prelude::*;
use quorate_model::{
    Operation, OperationStatus, OrderKind, Plan, Refusal, StepKind, StepStatus, Term, Undo,
    VoterAction, codes,
};
use quorate_state::Command;

use super::{
    properties::check_operations,
    reset::reset_plan,
    samples,
    world::{
        World, create_plan, operation_id, orders_plan, refused, replace_plan, restart_plan, spec,
        step,
    },
};

/// `node replace` is stuck: the node that came has died after the other one was removed.
fn replace_is_stuck() -> World {
    let mut world = World::cluster();
    let id = operation_id(1);
    world.submit(id, replace_plan()).unwrap();
    world.do_first(id, 4);
    world.begin(id, 4, 1).unwrap();
    world.fail(id, 4, 1).unwrap();
    world
}

#[test]
fn an_operation_that_is_stuck_past_its_point_of_no_return_can_be_left_as_it_is() {
    let mut world = replace_is_stuck();
    let id = operation_id(1);
    let refusal = world.abort(id).unwrap_err();
    assert_eq!(refusal.code, codes::OPERATION_STATUS);
    assert!(refusal.hint.unwrap().contains("--leave-as-is"));
    let next = orders_plan([OrderKind::Restart]);
    assert_eq!(refused(world.submit(operation_id(2), next.clone())), codes::OPERATION_CONFLICT);

    world.leave(id).unwrap();
    assert_eq!(world.status(id), OperationStatus::Aborted);
    let finished = StepStatus::Finished;
    assert_eq!(world.steps(id), [finished, finished, finished, finished, StepStatus::Failed]);
    let operation = world.operation(id);
    assert!(operation.ended_at.is_some());
    let said: Vec<&str> = operation.transcript.iter().map(|line| line.what.as_str()).collect();
    assert!(said.iter().any(|line| line.starts_with("left as it is")), "{said:?}");
    let audited = world.state.audit.entries.last().unwrap();
    assert_eq!(&*audited.action, "operation.abort");
    assert_eq!(&*audited.target, format!("{id}, left as it is"));
    world.leave(id).unwrap();
    world.submit(operation_id(2), next).unwrap();
}

#[test]
fn a_reset_that_waits_for_a_dead_master_can_be_left_and_asked_for_again() {
    let mut world = World::cluster();
    let plan = || {
        let mut plan = reset_plan("hash");
        let waits = orders_plan([OrderKind::Purge, OrderKind::Purge]).steps;
        plan.steps.extend(waits);
        plan
    };
    let id = operation_id(1);
    world.submit(id, plan()).unwrap();
    world.do_first(id, 5);
    world.begin(id, 5, 1).unwrap();
    assert_eq!(refused(world.leave(id)), codes::OPERATION_STATUS, "it is not stuck");
    world.fail(id, 5, 1).unwrap();
    assert_eq!(refused(world.submit(operation_id(2), plan())), codes::OPERATION_CONFLICT);
    world.leave(id).unwrap();
    world.submit(operation_id(2), plan()).unwrap();
}

#[test]
fn what_can_be_taken_back_is_aborted_and_not_left() {
    let mut world = World::cluster();
    let id = operation_id(1);
    world.submit(id, orders_plan([OrderKind::Restart])).unwrap();
    world.begin(id, 0, 1).unwrap();
    world.fail(id, 0, 1).unwrap();
    let refusal = world.leave(id).unwrap_err();
    assert_eq!(refusal.code, codes::OPERATION_STATUS);
    assert_eq!(refusal.hint, Some(format!("quorate operation abort {id}")));
    world.abort(id).unwrap();
    assert_eq!(refused(world.leave(id)), codes::OPERATION_STATUS, "it is being taken back");
}

#[test]
fn what_would_be_half_done_is_not_left() {
    let mut world = World::cluster();
    let id = operation_id(1);
    let mut plan = replace_plan();
    let demote = StepKind::Voter { node: quorate_model::NodeId(3), action: VoterAction::Demote };
    plan.steps.push(step(demote, Undo::Nothing));
    world.submit(id, plan).unwrap();
    world.do_first(id, 2);
    world.begin(id, 2, 1).unwrap();
    world.fail(id, 2, 1).unwrap();
    let refusal = world.leave(id).unwrap_err();
    assert_eq!(refusal.cause.as_deref(), Some("step 6 (a title) would be missing"));
    assert!(!world.abort(id).unwrap_err().hint.unwrap().contains("--leave-as-is"));
}

#[test]
fn a_recovery_ends_what_was_done_with_masters_and_nothing_else() {
    for ending in ["running", "paused", "stuck", "aborting"] {
        let mut world = World::with_orders();
        let (masters, orders) = (operation_id(5), operation_id(6));
        world.submit(masters, orders_plan([OrderKind::Restart])).unwrap();
        let restart = restart_plan(&world, &["orders-1"]);
        world.submit(orders, restart).unwrap();
        world.do_first(masters, 3);
        world.begin(masters, 3, 1).unwrap();
        match ending {
            "paused" => world.pause(masters).map(|_| ()),
            "stuck" => world.fail(masters, 3, 1).map(|_| ()),
            "aborting" => world.abort(masters).map(|_| ()),
            _ => Ok(()),
        }
        .unwrap();
        assert_eq!(world.status(masters).as_str(), ending);
        world.apply(samples::recover(1, &[2])).unwrap();
        let ended = world.operation(masters);
        assert_eq!(ended.status, OperationStatus::Aborted, "{ending}");
        assert!(ended.ended_at.is_some());
        assert!(ended.transcript.iter().any(|line| line.what == "ended by the recovery"));
        assert!(!world.steps(masters).contains(&StepStatus::Started), "{ending}");
        assert_eq!(world.status(orders), OperationStatus::Running);
        world.submit(operation_id(7), orders_plan([OrderKind::Restart])).unwrap();
    }
}

#[test]
fn a_reset_does_not_wait_for_operations_that_stand_and_nobody_wakes_them_meanwhile() {
    for stuck in [true, false] {
        let mut world = World::with_orders();
        let (one, reset) = (operation_id(5), operation_id(9));
        let restart = restart_plan(&world, &["orders-1", "orders-2"]);
        world.submit(one, restart).unwrap();
        world.begin(one, 0, 1).unwrap();
        assert_eq!(refused(world.submit(reset, reset_plan("hash"))), codes::OPERATION_CONFLICT);
        if stuck {
            world.fail(one, 0, 1).unwrap();
        } else {
            world.pause(one).unwrap();
            let refusal = world.submit(reset, reset_plan("hash"));
            assert_eq!(refused(refusal), codes::OPERATION_CONFLICT, "the step in hand ends first");
            world.finish(one, 0, 1).unwrap();
        }
        world.submit(reset, reset_plan("hash")).unwrap();
        for refusal in [world.resume(one), world.abort(one)] {
            let refusal = refusal.unwrap_err();
            assert_eq!(refusal.code, codes::OPERATION_CONFLICT);
            assert!(refusal.cause.unwrap().contains(&reset.to_string()));
        }
        let mut done = World { state: world.state.clone(), ..world };
        // Before its point of no return the reset can be taken back, and all is as before.
        done.abort(reset).unwrap();
        done.resume(one).unwrap();
        world = World { state: world.state, index: done.index, at: done.at };
        world.run_to_end(reset);
        assert_eq!(world.state.metadata.operations.len(), 1);
        world.submit(operation_id(10), create_plan(&spec("orders", 1))).unwrap();
    }
}

/// What people and leaders do to three operations, one of which may be a reset.
fn doings() -> impl Strategy<Value = Vec<(u8, u64, u32, usize)>> {
    prop::collection::vec((0..9_u8, 1..4_u64, 0..4_u32, 0..5_usize), 0..60)
}

fn plans() -> Vec<Plan> {
    let world = World::with_orders();
    let mut restart = restart_plan(&world, &["orders-1", "orders-2"]);
    restart.pins.clear();
    let waits = orders_plan([OrderKind::Restart]);
    let mut reset = reset_plan("hash");
    reset.steps.extend(waits.steps.iter().cloned());
    vec![restart, waits, replace_plan(), reset.clone(), reset]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_two_operations_that_hold_the_same_can_act(doings in doings()) {
        let plans = plans();
        let mut world = World::with_orders();
        for (doing, number, step, plan) in doings {
            let id = operation_id(number);
            let before: Option<Operation> =
                world.state.metadata.operations.get(&id).map(|it| Operation::clone(it));
            let next = before.as_ref().and_then(Operation::next_step).and_then(|it| u32::try_from(it).ok());
            let step = next.unwrap_or(step);
            let why = Refusal::new(codes::STEP_DEADLINE, "late");
            let _ = world.apply(match doing {
                0 => Command::SubmitOperation { id, plan: plans[plan].clone(), key: None },
                1 | 2 => Command::BeginStep { id, step, term: Term(1) },
                3 => Command::FinishStep { id, step, term: Term(1), seen: String::new() },
                4 => Command::FailStep { id, step, term: Term(1), refusal: why },
                5 => Command::PauseOperation { id },
                6 => Command::ResumeOperation { id },
                7 => Command::AbortOperation { id, leave_as_is: false },
                _ => Command::AbortOperation { id, leave_as_is: true },
            });
            check_operations(&world.state)?;
        }
    }
}
