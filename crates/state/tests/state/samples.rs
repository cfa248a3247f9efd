//! One sample of every command, for the fixtures of the format.

use std::{sync::Arc, time::Duration};

use quorate_model::{
    Condition, EnrolRole, Epoch, Generation, MemberAction, NodeId, OrderOutcome, OrderReport, Plan,
    Refusal, Revision, SettingKey, StepKind, Term, TokenId, Undo, UserName, codes,
};
use quorate_state::{Command, Enrolment, JoinToken, MasterPolicy, Session, TokenStatus};

use super::world::{
    START, World, component_name, create_cluster, create_plan, instance_name, new_node,
    operation_id, remove_plan, restart_plan, spec, step, user,
};

pub(crate) fn token_id(number: u64) -> TokenId {
    TokenId::from_parts(START.0 + number, 9)
}

/// A token for masters that are node managers too, usable for an hour from the start.
pub(crate) fn token() -> JoinToken {
    JoinToken {
        secret_sha256: "5ec2e7".to_owned(),
        role: EnrolRole::Both,
        expires_at: START.plus(Duration::from_secs(3600)),
        created_by: "user:admin".to_owned(),
        auto_approve: true,
        status: TokenStatus::Unused,
        request: None,
    }
}

/// Somebody at the door, who came at the start.
pub(crate) fn enrolment(key: &str, name: &str) -> Enrolment {
    Enrolment { key_sha256: key.to_owned(), node: new_node(name), asked_at: START }
}

pub(crate) fn key(text: &str) -> SettingKey {
    SettingKey::new(text).unwrap()
}

/// A plan with every kind of step, condition, change and undo there is.
pub(crate) fn every_step(world: &World) -> Plan {
    let component = component_name("orders");
    let instance = instance_name("orders-1");
    let mut restart = restart_plan(world, &["orders-1"]);
    let create = create_plan(&spec("orders", 2)).steps;
    let remove = remove_plan(world).steps;
    let conditions = [
        Condition::QuorumWithout { component: component.clone(), instance: instance.clone() },
        Condition::CaughtUp { component: component.clone(), instance: instance.clone() },
        Condition::NotLeading { component: component.clone(), instance: instance.clone() },
        Condition::Whole { component: component.clone() },
        Condition::AllStopped { component: component.clone() },
        Condition::NodesReporting { component: component.clone() },
    ];
    restart.steps.extend(create.into_iter().chain(remove));
    for condition in conditions {
        let kinds = [
            StepKind::Require { condition: condition.clone() },
            StepKind::Await { condition: condition.clone(), sustained_ms: 2000 },
            StepKind::Verify { condition },
        ];
        restart.steps.extend(kinds.map(|kind| step(kind, Undo::Nothing)));
    }
    let member = StepKind::Member {
        component,
        via: instance.clone(),
        action: MemberAction::TransferLeadership {
            away_from: instance,
            to: instance_name("orders-2"),
        },
    };
    restart.steps.push(step(member.clone(), Undo::Do { kind: Box::new(member) }));
    restart
}

/// One sample of every command.
pub(crate) fn commands() -> Vec<Command> {
    let world = World::with_orders();
    let id = operation_id(42);
    let refusal = Refusal::new(codes::STEP_DEADLINE, "it took too long")
        .cause("`orders-1` is not ready")
        .hint("look at it");
    vec![
        create_cluster(),
        Command::PutSetting {
            key: key("limits/connections"),
            value: Arc::from("100"),
            expect: Some(Revision(3)),
        },
        Command::DeleteSetting { key: key("limits/connections"), expect: None },
        Command::CreateToken { id: token_id(1), token: token() },
        Command::RevokeToken { id: token_id(1) },
        Command::Enrol { token: token_id(1), key_sha256: "abc".to_owned(), node: new_node("db-9") },
        Command::UpdateNode { id: NodeId(1), node: new_node("db-1") },
        Command::CreateSession { token_sha256: "def".to_owned(), session: session("admin", 60) },
        Command::EndSession { token_sha256: "def".to_owned() },
        Command::PutUser { name: UserName::new("eve").unwrap(), user: user("hash"), former: None },
        Command::SubmitOperation { id, plan: every_step(&world), key: None },
        Command::BeginStep { id, step: 1, term: Term(3) },
        Command::FinishStep { id, step: 1, term: Term(3), seen: "ordered".to_owned() },
        Command::FailStep { id, step: 1, term: Term(3), refusal },
        Command::UndoStep { id, step: 1, term: Term(3), seen: "taken back".to_owned() },
        Command::PauseOperation { id },
        Command::ResumeOperation { id },
        Command::AbortOperation { id, leave_as_is: false },
        recover(1, &[2]),
        Command::RequestEnrolment { token: token_id(1), enrolment: enrolment("abc", "db-9") },
        Command::ApproveEnrolment { token: token_id(1), key_sha256: "abc".to_owned() },
        Command::RefuseEnrolment { token: token_id(1) },
        Command::SetVotes {
            nodes: vec![NodeId(1), NodeId(2)],
            votes: false,
            reason: "the host is slow".to_owned(),
            even_because: Some("until a host is bought".to_owned()),
        },
        Command::AllowEvenVoters { because: Some("two rooms".to_owned()) },
        Command::SetPriority { id: NodeId(1), priority: 10 },
        Command::SetMasterPolicy {
            policy: MasterPolicy { cleanup_after_ms: Some(600_000), ..MasterPolicy::default() },
        },
        Command::ReportOrder {
            id: NodeId(1),
            report: OrderReport {
                generation: Generation(4),
                outcome: OrderOutcome::Done { seen: "it runs 0.2.0".to_owned() },
            },
        },
        Command::RecordBinary { id: NodeId(1), version: "0.2.0".to_owned(), reads_level: 2 },
    ]
}

/// Fails to compile when a command is added, and so asks for its sample above.
pub(crate) const fn is_sampled(command: &Command) -> bool {
    match command {
        Command::CreateCluster { .. }
        | Command::PutSetting { .. }
        | Command::DeleteSetting { .. }
        | Command::CreateToken { .. }
        | Command::RevokeToken { .. }
        | Command::Enrol { .. }
        | Command::UpdateNode { .. }
        | Command::CreateSession { .. }
        | Command::EndSession { .. }
        | Command::PutUser { .. }
        | Command::SubmitOperation { .. }
        | Command::BeginStep { .. }
        | Command::FinishStep { .. }
        | Command::FailStep { .. }
        | Command::UndoStep { .. }
        | Command::PauseOperation { .. }
        | Command::ResumeOperation { .. }
        | Command::Recover { .. }
        | Command::AbortOperation { .. }
        | Command::RequestEnrolment { .. }
        | Command::ApproveEnrolment { .. }
        | Command::RefuseEnrolment { .. }
        | Command::SetVotes { .. }
        | Command::AllowEvenVoters { .. }
        | Command::SetPriority { .. }
        | Command::SetMasterPolicy { .. }
        | Command::ReportOrder { .. }
        | Command::RecordBinary { .. } => true,
    }
}

/// A recovery from lost quorum, which `n1` survives.
pub(crate) fn recover(epoch: u64, written_off: &[u64]) -> Command {
    Command::Recover {
        epoch: Epoch(epoch),
        keeper: NodeId(1),
        written_off: written_off.iter().copied().map(NodeId).collect(),
        plan_sha256: "9f1ac0".to_owned(),
        last_node_id: NodeId(100),
        last_generation: Generation(1000),
    }
}

/// A session that expires so many seconds after the start.
pub(crate) fn session(name: &str, expires_after_s: u64) -> Session {
    Session {
        user: UserName::new(name).unwrap(),
        expires_at: START.plus(Duration::from_secs(expires_after_s)),
    }
}
