//! Runs one operation, step by step, until it ends, pauses, is stuck, or leadership is lost.

use std::{sync::Arc, time::Duration};

use quorate_model::{
    ActionId, ActionOutcome, ClusterAction, Condition, DesireChange, Operation, OperationId,
    OperationStatus, Refusal, StepKind, StepStatus, Undo, VoterAction, codes,
};
use quorate_plan::{FRESH_FOR, Facts, is_hopeless, judge};
use quorate_state::Command;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{
    Actor, ActorError, Waiting,
    failpoint::{Boundary, reach, step_deadline},
};

/// Before a member is taken away, what is required must have held for this long by reports made
/// meanwhile: an observation stays fresh for five seconds, and a member that died within them
/// would still count. Node managers probe and report every second, so this takes in a probe made
/// after the question was asked.
const SEEN_ANEW: Duration = Duration::from_millis(1500);
/// The same where masters are judged: they answer the leader's heartbeats, one every 40 ms.
const MASTERS_SEEN_ANEW: Duration = Duration::from_millis(500);
/// How often a condition is judged again when nothing seems to change.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How long an undo may take.
const UNDO_DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Runner<A> {
    actor: Arc<A>,
    id: OperationId,
}

/// Why a runner stops before the operation's end.
enum Stop {
    /// Leadership is lost or uncertain: look at the state anew, or let the next leader.
    Leave,
    /// Somebody paused or aborted: the step that was being done is left as it is.
    StatusChanged,
}

/// What is being done with the step in hand.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// It is about to begin.
    Before,
    /// It was begun.
    Doing,
    /// It is taken back.
    Undoing,
}

impl<A: Actor> Runner<A> {
    pub(crate) const fn new(actor: Arc<A>, id: OperationId) -> Self {
        Self { actor, id }
    }

    pub(crate) async fn run(self) {
        loop {
            let Some(operation) = self.operation() else { return };
            if operation.term > self.actor.term() {
                // The next leader has taken it up; everything proposed here would be refused.
                return;
            }
            let step = match operation.status {
                OperationStatus::Running => self.advance(&operation).await,
                OperationStatus::Aborting => self.undo_one(&operation).await,
                _ => return,
            };
            match step {
                Ok(()) => {}
                Err(Stop::StatusChanged) => self.past(&operation).await,
                Err(Stop::Leave) => return,
            }
        }
    }

    fn operation(&self) -> Option<Arc<Operation>> {
        self.actor.state().metadata.operations.get(&self.id).cloned()
    }

    /// Waits a moment when the state at hand is still the one that was acted on, so that a state
    /// that is behind is never answered with one proposal after the other.
    async fn past(&self, operation: &Arc<Operation>) {
        if self.operation().is_some_and(|now| Arc::ptr_eq(&now, operation)) {
            self.actor.changed(LOOK_AGAIN).await;
        }
    }

    /// Begins, acts and finishes the next step.
    async fn advance(&self, operation: &Operation) -> Result<(), Stop> {
        let Some(index) = operation.next_step() else { return Err(Stop::Leave) };
        let (id, term, step) = (self.id, self.actor.term(), position(index));
        if let Err(refusal) = self.guard(operation, index).await? {
            return self.fail(index, refusal).await;
        }
        if let Err(refusal) = self.propose(Command::BeginStep { id, step, term }).await? {
            let unchanged = self.operation().is_some_and(|now| {
                now.status == OperationStatus::Running
                    && now.next_step() == Some(index)
                    && now.term <= term
            });
            // Somebody paused or went on in between, or the step itself is refused.
            return if unchanged {
                self.fail(index, refusal).await
            } else {
                Err(Stop::StatusChanged)
            };
        }
        info!(operation = %id, step = index + 1, "step begun");
        reach(Boundary::Begun, index);
        let one = &operation.plan.steps[index];
        let deadline = step_deadline(one.deadline_ms);
        let acted = self.act(index, &one.kind, deadline, Phase::Doing).await?;
        reach(Boundary::Acted, index);
        match acted {
            Ok(seen) => {
                let finished = Command::FinishStep { id, step, term, seen };
                if let Err(refusal) = self.propose(finished).await? {
                    warn!(operation = %id, step = index + 1, %refusal, "step not finished");
                    return Err(Stop::StatusChanged);
                }
                info!(operation = %id, step = index + 1, "step finished");
                reach(Boundary::Finished, index);
                Ok(())
            }
            Err(refusal) => self.fail(index, refusal).await,
        }
    }

    /// Judges once more, just before a step that takes something away, what was required for it.
    /// Between the two an operation may have stood paused or stuck for hours, or may have changed
    /// hands: what held then says nothing about now. A step that took effect when it was begun is
    /// not judged again: what it takes away is away already.
    async fn guard(
        &self,
        operation: &Operation,
        index: usize,
    ) -> Result<Result<(), Refusal>, Stop> {
        let steps = &operation.plan.steps;
        let kind = &steps[index].kind;
        if !is_order(kind) || (takes_effect_at_once(kind) && operation.records[index].is_begun()) {
            return Ok(Ok(()));
        }
        let last_order = steps[..index].iter().rposition(|step| is_order(&step.kind));
        // In order, so that what needs no wait is judged last, on what was seen meanwhile.
        for step in &steps[last_order.map_or(0, |last| last + 1)..index] {
            if let StepKind::Require { condition } = &step.kind {
                let deadline = step_deadline(step.deadline_ms);
                let anew = seen_anew(condition);
                let judged = self.until(index, condition, anew, deadline, Phase::Before).await?;
                if let Err(refusal) = judged {
                    return Ok(Err(refusal));
                }
            }
        }
        Ok(Ok(()))
    }

    async fn fail(&self, index: usize, refusal: Refusal) -> Result<(), Stop> {
        warn!(operation = %self.id, step = index + 1, %refusal, "step failed");
        let command = Command::FailStep {
            id: self.id,
            step: position(index),
            term: self.actor.term(),
            refusal,
        };
        self.propose(command).await?.map_err(|_| Stop::StatusChanged)
    }

    /// Does what a step says. The outer error means that the step is left as it is.
    async fn act(
        &self,
        index: usize,
        kind: &StepKind,
        deadline: Duration,
        phase: Phase,
    ) -> Result<Result<String, Refusal>, Stop> {
        match kind {
            // The change takes effect in the same command that begins or undoes the step.
            StepKind::Desire { .. } => Ok(Ok("ordered".to_owned())),
            StepKind::Raise { level } => Ok(Ok(format!("the feature level is {level}"))),
            StepKind::Cluster { action: ClusterAction::Reset { admin, .. } } => {
                Ok(Ok(format!("the state is the first one; `{admin}` is its only user")))
            }
            StepKind::Require { condition } | StepKind::Verify { condition } => {
                self.until(index, condition, Duration::ZERO, deadline, phase).await
            }
            StepKind::Await { condition, sustained_ms } => {
                let sustained = Duration::from_millis(*sustained_ms);
                self.until(index, condition, sustained, deadline, phase).await
            }
            StepKind::Member { component, via, action } => {
                self.tell(index, format!("the node manager of `{via}` to act"));
                let attempt =
                    self.operation().map_or(0, |operation| operation.records[index].attempts);
                let id = ActionId {
                    operation: self.id,
                    step: position(index),
                    term: self.actor.term(),
                    attempt,
                };
                let outcome = self.actor.perform(id, component, via, action, deadline).await;
                Ok(match outcome {
                    ActionOutcome::Done { seen } => Ok(seen),
                    ActionOutcome::Failed { refusal } => Err(refusal),
                })
            }
            StepKind::Voter { node, action } => {
                self.tell(index, "the masters to agree".to_owned());
                let changed = self.actor.change_voters(*node, action, deadline).await;
                changed.map_err(|_| Stop::Leave)
            }
            StepKind::Node { node, action } => {
                let settled = self.actor.settle_node(*node, action, deadline).await;
                settled.map_err(|_| Stop::Leave)
            }
        }
    }

    /// Waits until a condition has held for `sustained` without a break.
    async fn until(
        &self,
        index: usize,
        condition: &Condition,
        sustained: Duration,
        deadline: Duration,
        phase: Phase,
    ) -> Result<Result<String, Refusal>, Stop> {
        let begun = Instant::now();
        let mut held_since: Option<Instant> = None;
        loop {
            self.still_mine(index, phase)?;
            let state = self.actor.state();
            let observations = self.actor.observations();
            let facts =
                Facts { state: &state, observations: &observations, catalog: self.actor.catalog() };
            let pause = match judge(condition, &facts) {
                Ok(seen) => {
                    // It is known to have held only up to the last observation.
                    let held = held_since.get_or_insert_with(Instant::now).elapsed();
                    let known = held.saturating_sub(oldest_look(condition, &facts));
                    let left = sustained.saturating_sub(known);
                    if left.is_zero() {
                        return Ok(Ok(seen));
                    }
                    // What began to hold in time may hold for its window.
                    if begun.elapsed() >= deadline + sustained + FRESH_FOR {
                        return Ok(Err(overdue(not_seen_long_enough(sustained), deadline)));
                    }
                    self.tell(index, format!("{seen}; for {} ms more", left.as_millis()));
                    left.min(LOOK_AGAIN)
                }
                Err(refusal) if is_hopeless(condition, &facts) => {
                    return Ok(Err(not_obeyed(refusal)));
                }
                Err(refusal) => {
                    held_since = None;
                    if begun.elapsed() >= deadline {
                        return Ok(Err(overdue(refusal, deadline)));
                    }
                    self.tell(index, refusal.to_string());
                    LOOK_AGAIN
                }
            };
            self.actor.changed(pause).await;
        }
    }

    /// Whether this runner may go on with the step in hand: nobody aborted, no newer leader.
    fn still_mine(&self, index: usize, phase: Phase) -> Result<(), Stop> {
        let operation = self.operation().ok_or(Stop::Leave)?;
        if operation.term > self.actor.term() {
            return Err(Stop::Leave);
        }
        let running = operation.status == OperationStatus::Running;
        let going = match phase {
            Phase::Before => running && operation.next_step() == Some(index),
            // A pause lets the step in hand end.
            Phase::Doing => {
                (running || operation.status == OperationStatus::Paused)
                    && operation.records[index].status == StepStatus::Started
            }
            Phase::Undoing => {
                operation.status == OperationStatus::Aborting
                    && operation.next_undo() == Some(index)
            }
        };
        if going { Ok(()) } else { Err(Stop::StatusChanged) }
    }

    /// Takes back the last step that was begun.
    async fn undo_one(&self, operation: &Operation) -> Result<(), Stop> {
        let Some(index) = operation.next_undo() else { return Err(Stop::Leave) };
        let seen = match &operation.plan.steps[index].undo {
            Undo::Nothing | Undo::Impossible => kept(&operation.plan.steps[index].kind).to_owned(),
            Undo::Do { kind } => match self.take_back(index, kind).await? {
                Ok(seen) => seen,
                Err(refusal) => return self.fail(index, refusal).await,
            },
        };
        let command =
            Command::UndoStep { id: self.id, step: position(index), term: self.actor.term(), seen };
        match self.propose(command).await? {
            Ok(()) => Ok(()),
            Err(refusal) => self.fail(index, refusal).await,
        }
    }

    /// Does an undo as far as it is done outside the state. A component is forgotten only when
    /// nothing of it runs.
    async fn take_back(
        &self,
        index: usize,
        kind: &StepKind,
    ) -> Result<Result<String, Refusal>, Stop> {
        match kind {
            StepKind::Desire { change: DesireChange::Forget { component } } => {
                if !self.actor.state().metadata.components.contains_key(component) {
                    return Ok(Ok("it was never recorded".to_owned()));
                }
                let stopped = Condition::AllStopped { component: component.clone() };
                self.until(index, &stopped, Duration::ZERO, UNDO_DEADLINE, Phase::Undoing).await
            }
            StepKind::Desire { .. } => Ok(Ok("taken back".to_owned())),
            other => self.act(index, other, UNDO_DEADLINE, Phase::Undoing).await,
        }
    }

    fn tell(&self, step: usize, on: String) {
        self.actor.waiting(Waiting { operation: self.id, step, on });
    }

    /// Proposes; the inner error is a refusal by the state, the outer one loss of leadership.
    async fn propose(&self, command: Command) -> Result<Result<(), Refusal>, Stop> {
        match self.actor.propose(command).await {
            Ok(Ok(_)) => Ok(Ok(())),
            Ok(Err(refusal)) => Ok(Err(refusal)),
            Err(ActorError::NotLeader) => Err(Stop::Leave),
            Err(ActorError::OutcomeUnknown) => Err(Stop::Leave),
        }
    }
}

/// The age of the oldest observation that the condition was judged by. One observation stays
/// fresh for longer than a condition must be sustained, so that without this a member that died
/// right after it would count as having stayed well. One that is not fresh counted for nothing.
fn oldest_look(condition: &Condition, facts: &Facts<'_>) -> Duration {
    let (component, only) = match condition {
        Condition::MastersQuorateWithout { .. }
        | Condition::MastersQuorateAfter { .. }
        | Condition::MastersWhole => return facts.observations.masters.oldest_counted(),
        Condition::NodeReady { node } | Condition::OrderDone { node } => {
            return facts.observations.age_of_node(*node);
        }
        // These are judged by what is decided and by what this master itself is.
        Condition::NodeEmpty { .. }
        | Condition::LevelReadable { .. }
        | Condition::LeaderIsNot { .. }
        | Condition::LeaderIs { .. }
        | Condition::NodeGone { .. } => return Duration::ZERO,
        Condition::CaughtUp { component, instance }
        | Condition::NotLeading { component, instance } => (component, Some(instance)),
        Condition::QuorumWithout { component, .. }
        | Condition::Whole { component }
        | Condition::AllStopped { component }
        | Condition::NodesReporting { component } => (component, None),
    };
    let instances = facts
        .state
        .metadata
        .components
        .get(component)
        .map_or(&[][..], |known| &known.spec.instances[..]);
    instances
        .iter()
        .filter(|instance| only.is_none_or(|only| *only == instance.name))
        .filter_map(|instance| facts.observations.instances.get(&instance.name))
        .map(|seen| seen.age)
        .filter(|age| *age <= FRESH_FOR)
        .max()
        .unwrap_or_default()
}

fn not_seen_long_enough(sustained: Duration) -> Refusal {
    Refusal::new(
        codes::STEP_DEADLINE,
        format!("it holds, but was not seen to hold for {} ms", sustained.as_millis()),
    )
    .hint("see that the node managers report once a second: quorate status; then resume")
}

/// Whether a step takes something away or changes who counts.
const fn is_order(kind: &StepKind) -> bool {
    matches!(
        kind,
        StepKind::Desire { .. }
            | StepKind::Node { .. }
            | StepKind::Cluster { .. }
            | StepKind::Voter { action: VoterAction::Demote | VoterAction::Replace { .. }, .. }
    )
}

/// Whether an order has its effect in the command that begins the step, so that a step that was
/// begun is done. The masters agree on a change of voters only afterwards.
const fn takes_effect_at_once(kind: &StepKind) -> bool {
    matches!(kind, StepKind::Desire { .. } | StepKind::Node { .. })
}

/// For how long a condition must have held by observations made after it was asked for.
const fn seen_anew(condition: &Condition) -> Duration {
    match condition {
        Condition::MastersQuorateWithout { .. }
        | Condition::MastersQuorateAfter { .. }
        | Condition::MastersWhole => MASTERS_SEEN_ANEW,
        // It stands behind the count of the quorum, which waited for every member to be seen anew.
        Condition::NotLeading { .. } => Duration::ZERO,
        _ => SEEN_ANEW,
    }
}

fn position(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Why a step that was begun is left as it is by an abort.
const fn kept(kind: &StepKind) -> &'static str {
    match kind {
        StepKind::Desire { .. }
        | StepKind::Member { .. }
        | StepKind::Node { .. }
        | StepKind::Raise { .. }
        | StepKind::Cluster { .. } => "it stays done",
        StepKind::Voter { .. } => {
            "what the masters agreed on stays; autopilot gives a vote back where that keeps it odd"
        }
        StepKind::Require { .. } | StepKind::Await { .. } | StepKind::Verify { .. } => {
            "it only looked, and changed nothing"
        }
    }
}

/// The node said that it did not do what it was ordered to, and why.
fn not_obeyed(refusal: Refusal) -> Refusal {
    let ways = "then resume the operation, which gives the order again, or abort it";
    let hint = refusal.hint.as_deref().unwrap_or("mend the cause");
    Refusal { hint: Some(format!("{hint}; {ways}")), ..refusal }
}

fn overdue(refusal: Refusal, deadline: Duration) -> Refusal {
    let cause = match &refusal.cause {
        Some(cause) => format!("{}: {cause}", refusal.message),
        None => refusal.message.clone(),
    };
    let code = if matches!(refusal.code, codes::QUORUM_WOULD_BE_LOST | codes::QUORUM_LOST) {
        refusal.code
    } else {
        codes::STEP_DEADLINE
    };
    Refusal {
        code,
        message: format!("the condition was not met within {} s", deadline.as_secs()),
        cause: Some(cause),
        hint: Some(refusal.hint.unwrap_or_else(|| {
            "mend the cause, then resume the operation, or abort it".to_owned()
        })),
    }
}
