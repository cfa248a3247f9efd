//! A state with its log position and clock, and short ways to say things to it.

use std::time::Duration;

use quorate_model::{
    ClusterId, Code, ComponentName, ComponentSpec, Condition, DesireChange, InstanceName,
    InstanceSpec, NamedNode, NodeAction, NodeId, NodeName, NodeRoles, OperationId,
    OperationRequest, OperationStatus, OrderKind, PackName, Pin, Plan, Refusal, RequestId,
    Revision, Settings, Step, StepKind, StepStatus, Subject, Term, Timestamp, Undo, UserName,
    VoterAction, codes,
};
use quorate_state::{
    Applied, Command, FEATURE_LEVEL, InstanceRecord, NewNode, Outcome, Proposal, State, User,
    UserRole,
};

/// When every world begins.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000);

pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) index: u64,
    pub(crate) at: Timestamp,
}

impl World {
    /// Nothing was applied yet.
    pub(crate) fn empty() -> Self {
        Self { state: State::default(), index: 0, at: START }
    }

    /// A cluster with three nodes, `n1` to `n3`, all of them node managers.
    pub(crate) fn cluster() -> Self {
        let mut world = Self::empty();
        world.apply(create_cluster()).unwrap();
        for number in 2..=3 {
            let token = super::samples::token_id(number);
            world
                .apply(Command::CreateToken { id: token, token: super::samples::token() })
                .unwrap();
            let enrol = Command::Enrol {
                token,
                key_sha256: format!("key-{number}"),
                node: new_node(&format!("db-{number}")),
            };
            assert_eq!(world.apply(enrol), Ok(Applied::Node(NodeId(number))));
        }
        world
    }

    /// A cluster with the component `orders`, whose three instances shall run.
    pub(crate) fn with_orders() -> Self {
        let mut world = Self::cluster();
        let id = operation_id(1);
        world.submit(id, create_plan(&spec("orders", 3))).unwrap();
        world.run_to_end(id);
        world
    }

    /// Applies one command a second later and checks that a refusal changed nothing.
    pub(crate) fn apply(&mut self, command: Command) -> Outcome {
        self.propose(None, "user:admin", command)
    }

    pub(crate) fn apply_with_key(&mut self, key: &str, command: Command) -> Outcome {
        self.propose(Some(key), "user:admin", command)
    }

    pub(crate) fn propose(
        &mut self,
        key: Option<&str>,
        principal: &str,
        command: Command,
    ) -> Outcome {
        self.index += 1;
        self.at = self.at.plus(Duration::from_secs(1));
        let proposal = Proposal {
            request_id: key.map(|key| RequestId::new(key).unwrap()),
            at: self.at,
            principal: principal.to_owned(),
            command,
            digest: None,
            allowed_after: None,
        };
        let before = self.state.clone();
        let outcome = self.state.apply(quorate_model::LogIndex(self.index), &proposal);
        if outcome.is_err() {
            assert_eq!(decided(&before), decided(&self.state), "a refusal changed the state");
        }
        outcome
    }

    pub(crate) fn submit(&mut self, id: OperationId, plan: Plan) -> Outcome {
        self.apply(Command::SubmitOperation { id, plan, key: None })
    }

    pub(crate) fn begin(&mut self, id: OperationId, step: u32, term: u64) -> Outcome {
        self.apply(Command::BeginStep { id, step, term: Term(term) })
    }

    pub(crate) fn finish(&mut self, id: OperationId, step: u32, term: u64) -> Outcome {
        self.apply(Command::FinishStep { id, step, term: Term(term), seen: "seen".to_owned() })
    }

    /// Does the first so many steps, under term 1.
    pub(crate) fn do_first(&mut self, id: OperationId, steps: u32) {
        for step in 0..steps {
            self.begin(id, step, 1).unwrap();
            self.finish(id, step, 1).unwrap();
        }
    }

    pub(crate) fn fail(&mut self, id: OperationId, step: u32, term: u64) -> Outcome {
        let refusal = Refusal::new(codes::STEP_DEADLINE, "it took too long");
        self.apply(Command::FailStep { id, step, term: Term(term), refusal })
    }

    pub(crate) fn undo(&mut self, id: OperationId, step: u32, term: u64) -> Outcome {
        self.apply(Command::UndoStep { id, step, term: Term(term), seen: "undone".to_owned() })
    }

    pub(crate) fn pause(&mut self, id: OperationId) -> Outcome {
        self.apply(Command::PauseOperation { id })
    }

    pub(crate) fn resume(&mut self, id: OperationId) -> Outcome {
        self.apply(Command::ResumeOperation { id })
    }

    pub(crate) fn abort(&mut self, id: OperationId) -> Outcome {
        self.apply(Command::AbortOperation { id, leave_as_is: false })
    }

    pub(crate) fn leave(&mut self, id: OperationId) -> Outcome {
        self.apply(Command::AbortOperation { id, leave_as_is: true })
    }

    /// Begins and finishes every step that is left.
    pub(crate) fn run_to_end(&mut self, id: OperationId) {
        while let Some(index) = self.operation(id).next_step() {
            let step = u32::try_from(index).unwrap();
            self.begin(id, step, 1).unwrap();
            self.finish(id, step, 1).unwrap();
        }
        assert_eq!(self.status(id), OperationStatus::Succeeded);
    }

    pub(crate) fn operation(&self, id: OperationId) -> &quorate_model::Operation {
        &self.state.metadata.operations[&id]
    }

    pub(crate) fn status(&self, id: OperationId) -> OperationStatus {
        self.operation(id).status.clone()
    }

    pub(crate) fn steps(&self, id: OperationId) -> Vec<StepStatus> {
        self.operation(id).records.iter().map(|record| record.status).collect()
    }

    pub(crate) fn revision(&self, component: &str) -> Option<Revision> {
        self.state.metadata.components.get(&component_name(component)).map(|known| known.revision)
    }

    pub(crate) fn record(&self, component: &str, instance: &str) -> InstanceRecord {
        self.state.metadata.components[&component_name(component)].instances
            [&instance_name(instance)]
            .clone()
    }
}

/// Everything but what every command leaves behind: its index, its audit entry, its outcome.
pub(crate) fn decided(state: &State) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        (state.cluster, state.epoch, state.feature_level),
        state.kms.clone(),
        state.iam.clone(),
        state.metadata.clone(),
    )
}

/// The code of a refusal.
#[track_caller]
pub(crate) fn refused(outcome: Outcome) -> Code {
    match outcome {
        Ok(applied) => panic!("it was not refused but gave {applied:?}"),
        Err(refusal) => refusal.code,
    }
}

pub(crate) fn component_name(text: &str) -> ComponentName {
    ComponentName::new(text).unwrap()
}

pub(crate) fn instance_name(text: &str) -> InstanceName {
    InstanceName::new(text).unwrap()
}

pub(crate) fn operation_id(number: u64) -> OperationId {
    OperationId::from_parts(START.0 + number, 7)
}

pub(crate) fn user(hash: &str) -> User {
    User { password_hash: hash.to_owned(), must_change_password: false, role: UserRole::Admin }
}

pub(crate) fn new_node(name: &str) -> NewNode {
    NewNode {
        name: NodeName::new(name).unwrap(),
        roles: NodeRoles { master: true, node_manager: true },
        address: format!("{name}.example"),
        internal_addr: format!("{name}.example:9901"),
        admin_addr: format!("{name}.example:8080"),
        version: "0.1.0".to_owned(),
        obeyed: quorate_model::Generation(0),
        order_report: None,
        reads_level: 0,
    }
}

pub(crate) fn create_cluster() -> Command {
    Command::CreateCluster {
        cluster: ClusterId::from_parts(START.0, 1),
        ca_cert_pem: "-----BEGIN CERTIFICATE-----".to_owned(),
        sealed_ca: vec![0, 1, 255],
        node: new_node("db-1"),
        admin: UserName::new("admin").unwrap(),
        admin_user: user("hash"),
        feature_level: FEATURE_LEVEL,
    }
}

/// A component whose instances `NAME-1`, `NAME-2`, ... are on the nodes 1, 2, ...
pub(crate) fn spec(name: &str, instances: u64) -> ComponentSpec {
    ComponentSpec {
        name: component_name(name),
        pack: PackName::new("etcd").unwrap(),
        instances: (1..=instances)
            .map(|number| InstanceSpec {
                name: instance_name(&format!("{name}-{number}")),
                node: NodeId(number),
                settings: Settings::new(),
            })
            .collect(),
        settings: Settings::new(),
    }
}

pub(crate) fn step(kind: StepKind, undo: Undo) -> Step {
    Step { kind, title: "a title".to_owned(), why: "a reason".to_owned(), deadline_ms: 1000, undo }
}

pub(crate) fn named(number: u64, name: &str) -> NamedNode {
    NamedNode { id: NodeId(number), name: NodeName::new(name).unwrap() }
}

/// `db-3` makes room for `db-2`, which takes the name. Whoever waits, waits for `db-2`.
pub(crate) fn replace_plan() -> Plan {
    let (old, new) = (named(3, "db-3"), named(2, "db-2"));
    let node = |node: &NamedNode, action| StepKind::Node { node: node.id, action };
    let steps = vec![
        step(
            StepKind::Voter { node: old.id, action: VoterAction::Replace { by: new.id } },
            Undo::Nothing,
        ),
        step(node(&old, NodeAction::Remove), Undo::Impossible),
        step(StepKind::Verify { condition: Condition::NodeGone { node: old.id } }, Undo::Nothing),
        step(node(&new, NodeAction::Rename { name: old.name.clone() }), Undo::Impossible),
        step(StepKind::Verify { condition: Condition::NodeReady { node: new.id } }, Undo::Nothing),
    ];
    Plan {
        request: OperationRequest::NodeReplace { old, new, take_name: true },
        steps,
        pins: Vec::new(),
        locks: vec![Subject::Masters],
    }
}

/// Orders to `db-1`, each of them awaited.
pub(crate) fn orders_plan(orders: impl IntoIterator<Item = OrderKind>) -> Plan {
    let node = NodeId(1);
    let steps = orders.into_iter().flat_map(|order| {
        let awaited = Condition::NodeReady { node };
        [
            step(
                StepKind::Require { condition: Condition::MastersQuorateWithout { node } },
                Undo::Nothing,
            ),
            step(StepKind::Voter { node, action: VoterAction::TransferLeader }, Undo::Nothing),
            step(StepKind::Node { node, action: NodeAction::Order { order } }, Undo::Nothing),
            step(StepKind::Await { condition: awaited, sustained_ms: 500 }, Undo::Nothing),
        ]
    });
    let request =
        OperationRequest::NodeRestart { nodes: vec![named(1, "db-1")], accept_interruption: false };
    Plan { steps: steps.collect(), request, pins: Vec::new(), locks: vec![Subject::Masters] }
}

pub(crate) fn desire(change: DesireChange, undo: Option<DesireChange>) -> Step {
    let undo = undo
        .map_or(Undo::Nothing, |change| Undo::Do { kind: Box::new(StepKind::Desire { change }) });
    step(StepKind::Desire { change }, undo)
}

pub(crate) fn plan(
    request: OperationRequest,
    revision: Option<Revision>,
    steps: Vec<Step>,
) -> Plan {
    let subject = request.subjects(|_| true).remove(0);
    Plan {
        request,
        steps,
        pins: vec![Pin { subject: subject.clone(), revision }],
        locks: vec![subject],
    }
}

/// Record it, run each instance.
pub(crate) fn create_plan(spec: &ComponentSpec) -> Plan {
    let mut steps = vec![desire(
        DesireChange::Create { spec: spec.clone() },
        Some(DesireChange::Forget { component: spec.name.clone() }),
    )];
    for instance in &spec.instances {
        let instance = instance.name.clone();
        steps.push(desire(
            DesireChange::Run { instance: instance.clone() },
            Some(DesireChange::Stop { instance }),
        ));
    }
    plan(OperationRequest::ComponentCreate { spec: spec.clone() }, None, steps)
}

/// Restart these instances of `orders`, one after the other.
pub(crate) fn restart_plan(world: &World, instances: &[&str]) -> Plan {
    let request = OperationRequest::ComponentRestart {
        component: component_name("orders"),
        accept_interruption: false,
    };
    let steps = instances
        .iter()
        .map(|name| desire(DesireChange::Restart { instance: instance_name(name) }, None))
        .collect();
    plan(request, world.revision("orders"), steps)
}

/// Stop all of `orders`, then forget it; the last step cannot be undone.
pub(crate) fn remove_plan(world: &World) -> Plan {
    let component = component_name("orders");
    let mut steps: Vec<Step> = (1..=3)
        .map(|number| {
            let instance = instance_name(&format!("orders-{number}"));
            desire(
                DesireChange::Stop { instance: instance.clone() },
                Some(DesireChange::Run { instance }),
            )
        })
        .collect();
    steps.push(step(
        StepKind::Desire { change: DesireChange::Forget { component: component.clone() } },
        Undo::Impossible,
    ));
    plan(OperationRequest::ComponentRemove { component }, world.revision("orders"), steps)
}
