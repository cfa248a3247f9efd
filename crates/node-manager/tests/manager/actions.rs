//! Member actions are carried out once and reported until they are acknowledged.

use std::sync::{Arc, atomic::Ordering};

use quorate_model::{ActionId, ActionOutcome, MemberAction, NodeReport, OperationId, Term, codes};

use crate::{
    fake_pack::FakePack,
    host::{Host, Managed, runs, until},
    leader::FakeMaster,
    orders::{Reorder, fake},
};

fn id(step: u32, term: u64) -> ActionId {
    ActionId { operation: OperationId::from_parts(1, 1), step, term: Term(term), attempt: 1 }
}

fn transfer() -> MemberAction {
    MemberAction::TransferLeadership {
        away_from: "db-1".parse().unwrap(),
        to: "db-2".parse().unwrap(),
    }
}

fn outcome(report: &NodeReport, id: ActionId) -> Option<&ActionOutcome> {
    report.actions.iter().find(|it| it.id == id).map(|it| &it.outcome)
}

struct Scene {
    pack: Arc<FakePack>,
    leader: FakeMaster,
    _manager: Managed,
    _host: Host,
}

fn scene() -> Scene {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let (pack, mut options) = (Arc::new(FakePack::default()), host.options(&[&leader]));
    pack.put_into(&mut options);
    leader.desire([fake("db-1", "exec sleep 1000")]);
    let manager = Managed::new(options);
    leader.observed("db-1", "running", runs);
    Scene { pack, leader, _manager: manager, _host: host }
}

#[test]
fn an_action_is_carried_out_once_and_reported_until_it_is_acknowledged() {
    let Scene { pack, leader, .. } = &scene();
    pack.hold.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        leader.act(id(1, 1), "db-1", &transfer());
    }
    until("its begin", || pack.transfers.load(Ordering::SeqCst) == 1);
    // Meanwhile everything else goes on.
    leader.desire([fake("db-1", "exec sleep 1000").restarted(2)]);
    let report = leader.observed("db-1", "restarted", |it| it.starts == 2 && it.is_ready());
    assert_eq!(report.generation.0, 2);
    pack.hold.store(false, Ordering::SeqCst);
    for _ in 0..3 {
        let report = leader.report("the outcome", |it| outcome(it, id(1, 1)).is_some());
        let seen = "transfer 1 from db-1 to db-2 through db-1".to_owned();
        assert_eq!(outcome(&report, id(1, 1)), Some(&ActionOutcome::Done { seen }));
    }
    leader.acknowledge(id(1, 1));
    leader.report("a report without it", |it| it.actions.is_empty());
    // Ordered again, it is reported again and not done again.
    leader.act(id(1, 1), "db-1", &transfer());
    leader.report("the outcome", |it| outcome(it, id(1, 1)).is_some());
    assert_eq!(pack.transfers.load(Ordering::SeqCst), 1);
}

#[test]
fn the_same_step_ordered_by_the_next_leader_is_carried_out_again() {
    let Scene { pack, leader, .. } = &scene();
    for term in [1, 2] {
        leader.act(id(1, term), "db-1", &transfer());
        leader.report("the outcome", |it| outcome(it, id(1, term)).is_some());
    }
    assert_eq!(pack.transfers.load(Ordering::SeqCst), 2);
}

#[test]
fn an_action_through_an_instance_of_another_node_fails_in_words() {
    let Scene { pack, leader, .. } = &scene();
    leader.act(id(1, 1), "db-9", &transfer());
    let report = leader.report("the outcome", |it| outcome(it, id(1, 1)).is_some());
    match outcome(&report, id(1, 1)) {
        Some(ActionOutcome::Failed { refusal }) => {
            assert_eq!(refusal.code, codes::MEMBER_ACTION_FAILED);
            assert!(refusal.message.contains("db-9"), "{refusal}");
        }
        other => panic!("it should have failed: {other:?}"),
    }
    assert_eq!(pack.transfers.load(Ordering::SeqCst), 0);
}
