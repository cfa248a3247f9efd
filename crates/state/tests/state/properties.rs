//! What holds for any sequence of commands.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;
use quorate_model::{
    Generation, LogIndex, NodeId, Operation, OperationId, OperationRequest, Refusal, RequestId,
    Revision, Term, Timestamp, UserName, codes,
};
use quorate_state::{Command, JoinToken, Proposal, State};

use super::{
    samples::{self, key, token, token_id},
    world::{
        START, World, create_cluster, create_plan, decided, new_node, operation_id, remove_plan,
        restart_plan, spec, user,
    },
};

fn id() -> impl Strategy<Value = OperationId> {
    (1..4_u64).prop_map(operation_id)
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

/// Plans of all kinds, pinned to nothing so that many of them are taken.
fn plans() -> impl Strategy<Value = quorate_model::Plan> {
    let world = World::with_orders();
    let all = vec![
        create_plan(&spec("orders", 3)),
        create_plan(&spec("orders", 2)),
        create_plan(&spec("other", 1)),
        restart_plan(&world, &["orders-1", "orders-2"]),
        restart_plan(&world, &["orders-1", "orders-9"]),
        remove_plan(&world),
        samples::every_step(&world),
    ];
    (prop::sample::select(all), any::<bool>()).prop_map(|(mut plan, pinned)| {
        if !pinned {
            plan.pins.clear();
        }
        plan
    })
}

fn keys() -> impl Strategy<Value = Option<RequestId>> {
    prop::option::weighted(0.3, name().prop_map(|text| RequestId::new(text).unwrap()))
}

fn step_commands() -> impl Strategy<Value = Command> {
    let seen = "seen".to_owned();
    (id(), 0..5_u32, (1..4_u64).prop_map(Term), 0..4_u8).prop_map(move |(id, step, term, kind)| {
        let seen = seen.clone();
        match kind {
            0 => Command::BeginStep { id, step, term },
            1 => Command::FinishStep { id, step, term, seen },
            2 => {
                let refusal = Refusal::new(codes::STEP_DEADLINE, "late");
                Command::FailStep { id, step, term, refusal }
            }
            _ => Command::UndoStep { id, step, term, seen },
        }
    })
}

fn commands() -> impl Strategy<Value = Command> {
    let revision = || prop::option::of((0..30_u64).prop_map(Revision));
    prop_oneof![
        1 => Just(create_cluster()),
        3 => (name(), name(), revision()).prop_map(|(name, value, expect)| Command::PutSetting {
            key: key(&name),
            value: Arc::from(value),
            expect,
        }),
        1 => (name(), revision())
            .prop_map(|(name, expect)| Command::DeleteSetting { key: key(&name), expect }),
        1 => (1..5_u64, any::<bool>()).prop_map(|(number, auto_approve)| {
            let token = JoinToken { auto_approve, ..token() };
            Command::CreateToken { id: token_id(number), token }
        }),
        1 => (1..5_u64).prop_map(|number| Command::RevokeToken { id: token_id(number) }),
        2 => (1..5_u64, name(), name()).prop_map(|(number, key_sha256, name)| Command::Enrol {
            token: token_id(number),
            key_sha256,
            node: new_node(&name),
        }),
        2 => (1..5_u64, name(), name(), 0..3_u8).prop_map(|(number, key, name, kind)| {
            let token = token_id(number);
            match kind {
                0 => Command::RequestEnrolment { token, enrolment: samples::enrolment(&key, &name) },
                1 => Command::ApproveEnrolment { token, key_sha256: key },
                _ => Command::RefuseEnrolment { token },
            }
        }),
        1 => (1..5_u64, any::<bool>(), name()).prop_map(|(id, votes, reason)| {
            let nodes = vec![NodeId(id), NodeId(1)];
            Command::SetVotes { nodes, votes, reason, even_because: None }
        }),
        1 => (1..5_u64, 0..3_u32)
            .prop_map(|(id, priority)| Command::SetPriority { id: NodeId(id), priority }),
        1 => (1..5_u64, name())
            .prop_map(|(id, name)| Command::UpdateNode { id: NodeId(id), node: new_node(&name) }),
        1 => (name(), 0..900_u64).prop_map(|(token, expires_after_s)| Command::CreateSession {
            token_sha256: token,
            session: samples::session("admin", expires_after_s),
        }),
        1 => name().prop_map(|token_sha256| Command::EndSession { token_sha256 }),
        1 => (name(), prop::option::of(name())).prop_map(|(hash, former)| Command::PutUser {
            name: UserName::new("admin").unwrap(),
            user: user(&hash),
            former,
        }),
        3 => (id(), plans(), keys()).prop_map(|(id, plan, key)| Command::SubmitOperation { id, plan, key }),
        12 => step_commands(),
        1 => id().prop_map(|id| Command::PauseOperation { id }),
        2 => id().prop_map(|id| Command::ResumeOperation { id }),
        1 => (id(), any::<bool>())
            .prop_map(|(id, leave_as_is)| Command::AbortOperation { id, leave_as_is }),
        1 => (0..3_u64, prop::collection::vec(1..6_u64, 0..3))
            .prop_map(|(epoch, written_off)| samples::recover(epoch, &written_off)),
    ]
}

pub(crate) fn proposals() -> impl Strategy<Value = Vec<Proposal>> {
    let at = prop_oneof![
        20 => (0..3_600_000_u64).prop_map(|after| Timestamp(START.0 + after)),
        1 => Just(Timestamp(0)),
        1 => Just(Timestamp(u64::MAX)),
    ];
    let request_id = prop::option::weighted(0.3, name());
    let one =
        (at, request_id, name(), commands()).prop_map(|(at, request_id, who, command)| Proposal {
            request_id: request_id.map(|text| RequestId::new(text).unwrap()),
            at,
            principal: who,
            command,
            digest: None,
            allowed_after: None,
        });
    prop::collection::vec(one, 0..80)
}

/// The next things a leader would say, so that sequences reach the depths of an operation: every
/// started step is finished, every running operation begins its next step.
fn lead_on(state: &State) -> Vec<Command> {
    let term = Term(9);
    let next = |operation: &Arc<Operation>| {
        let id = operation.id;
        let step = u32::try_from(operation.next_step()?).ok()?;
        Some([
            Command::BeginStep { id, step, term },
            Command::FinishStep { id, step, term, seen: "seen".to_owned() },
        ])
    };
    state.metadata.operations.values().filter_map(next).flatten().collect()
}

fn generations(state: &State) -> impl Iterator<Item = (String, Generation)> + '_ {
    state.metadata.components.iter().flat_map(|(component, known)| {
        known
            .instances
            .iter()
            .map(move |(instance, record)| (format!("{component}/{instance}"), record.generation))
    })
}

fn check_generations(before: &State, after: &State) -> Result<(), TestCaseError> {
    prop_assert!(after.metadata.last_generation >= before.metadata.last_generation);
    let all: Vec<_> = generations(after).map(|(_, generation)| generation).collect();
    let distinct: BTreeSet<_> = all.iter().collect();
    prop_assert_eq!(distinct.len(), all.len(), "a generation was given twice");
    let known: std::collections::BTreeMap<_, _> = generations(before).collect();
    for (instance, generation) in generations(after) {
        if known.get(&instance) != Some(&generation) {
            prop_assert!(
                generation > before.metadata.last_generation,
                "{} was ordered under the old generation {}",
                instance,
                generation
            );
        }
    }
    Ok(())
}

/// No two operations that hold the same can act; and none but a reset begins over another.
pub(crate) fn check_operations(state: &State) -> Result<(), TestCaseError> {
    let is_reset = |it: &Operation| it.plan.request == OperationRequest::Reset;
    let mut seen: Vec<&Operation> = Vec::new();
    for operation in state.metadata.operations.values() {
        prop_assert_eq!(operation.records.len(), operation.plan.steps.len());
        let overlap =
            |other: &&Operation| operation.plan.locks.iter().any(|subject| other.holds(subject));
        for other in seen.iter().copied().filter(|_| !operation.status.is_final()).filter(overlap) {
            let (one, two) = (operation.id, other.id);
            prop_assert!(!operation.can_act() || !other.can_act(), "{} and {} can act", one, two);
            prop_assert!(is_reset(operation) != is_reset(other), "{} and {}", one, two);
        }
        seen.push(operation);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_gives_equal_states_equal_bytes_and_no_half_way(
        begins_with_a_cluster in any::<bool>(),
        proposals in proposals(),
        lead_every in 1..6_usize,
    ) {
        let start = if begins_with_a_cluster { World::with_orders().state } else { State::default() };
        let (mut one, mut other) = (start.clone(), start);
        let mut index = one.applied.0;
        let mut answers = std::collections::BTreeMap::new();
        for (position, proposal) in proposals.iter().enumerate() {
            let mut batch = vec![proposal.clone()];
            if position % lead_every == 0 {
                batch.extend(lead_on(&one).into_iter().map(|command| Proposal {
                    request_id: None,
                    at: START,
                    principal: "node:n1".to_owned(),
                    command, digest: None, allowed_after: None
                }));
            }
            for proposal in batch {
                index += 1;
                let before = one.clone();
                let outcome = one.apply(LogIndex(index), &proposal);
                // A second master reads the proposal from the wire and starts from a snapshot.
                let received = Proposal::decode(&proposal.encode().unwrap()).unwrap();
                prop_assert_eq!(other.apply(LogIndex(index), &received), outcome.clone());
                if index.is_multiple_of(7) {
                    other = State::decode(&other.encode().unwrap()).unwrap();
                }
                prop_assert_eq!(one.applied, LogIndex(index));
                if outcome.is_err() {
                    prop_assert!(decided(&before) == decided(&one), "refused, and yet changed");
                }
                if let Some(id) = &proposal.request_id {
                    let key = (proposal.principal.clone(), id.clone(), format!("{:?}", proposal.command));
                    // Extreme moments make the state forget; then the next answer counts.
                    let extreme = proposals.iter().any(|one| one.at == Timestamp(u64::MAX))
                        || proposals.iter().any(|one| one.at.0 > START.0 + 600_000);
                    if let Some(known) = answers.insert(key, outcome.clone())
                        && !extreme
                    {
                        prop_assert_eq!(known, outcome, "a retry was answered differently");
                    }
                }
                check_generations(&before, &one)?;
                check_operations(&one)?;
            }
        }
        prop_assert_eq!(&one, &other);
        let bytes = one.encode().unwrap();
        prop_assert_eq!(&bytes, &other.encode().unwrap());
        prop_assert_eq!(State::decode(&bytes).unwrap(), one.clone());
        prop_assert_eq!(one.audit.verify(), Ok(()));
    }

    #[test]
    fn a_retry_is_answered_alike_and_changes_nothing(
        proposals in proposals(),
        retried in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!proposals.is_empty());
        let mut state = World::with_orders().state;
        let first = retried.index(proposals.len());
        let mut answer = None;
        for (position, proposal) in proposals.iter().enumerate() {
            let mut proposal = proposal.clone();
            proposal.at = Timestamp(START.0 + position as u64);
            proposal.request_id = (position == first).then(|| RequestId::new("retried").unwrap());
            let outcome = state.apply(LogIndex(1000 + position as u64), &proposal);
            if position == first {
                answer = Some((proposal, outcome));
            }
        }
        let (mut again, outcome) = answer.unwrap();
        again.at = Timestamp(START.0 + 500_000);
        let before = state.clone();
        prop_assert_eq!(state.apply(LogIndex(5000), &again), outcome);
        prop_assert!(decided(&before) == decided(&state));
        prop_assert_eq!(&before.audit, &state.audit);
    }

    #[test]
    fn damaged_bytes_never_panic(flip in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = World::with_orders().state.encode().unwrap();
        let position = flip.index(bytes.len());
        bytes[position] ^= 1 << bit;
        if let Ok(state) = State::decode(&bytes) {
            let _ = state.encode();
            let _ = state.audit.verify();
        }
    }
}
