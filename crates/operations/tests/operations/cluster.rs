//! The world the engine acts on: a replicated state in memory, and hosts that obey it with delay.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use quorate_model::{
    ComponentName, ComponentSpec, ExitStatus, InstanceName, InstanceObservation, InstanceSpec,
    LogIndex, MemberObservation, MemberRole, NodeId, NodeName, NodeRoles, Operation, OperationId,
    OperationRequest, OperationStatus, PackName, ProcessState, Readiness, Revision, RunState,
    Settings, Term, Timestamp,
};
use quorate_plan::{Facts, MastersObserved, Observations, Observed};
use quorate_state::{Command, InstanceRecord, NewNode, Node, Outcome, Proposal, State};
use tokio::{sync::Notify, time::Instant};

/// How long a process takes from its start until it serves.
pub(crate) const STARTING: Duration = Duration::from_secs(3);
/// How long a process takes to stop.
const STOPPING: Duration = Duration::from_secs(2);
const START: Timestamp = Timestamp(1_700_000_000_000);

/// What becomes of one proposal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    /// It is applied and answered.
    Applied,
    /// The leader dies before it is applied.
    DiesBefore,
    /// It is applied, and the leader dies before it is answered.
    DiesAfter,
    /// It is applied, but the answer is lost.
    AnswerLost,
    /// It is lost on the way.
    Lost,
    /// It is applied, and at once a person does this.
    Then(Box<Command>),
}

type Script = Box<dyn FnMut(&Command) -> Fate + Send>;

#[derive(Debug, Clone)]
struct Process {
    start_generation: quorate_model::Generation,
    ready_at: Instant,
    /// When it will have stopped, once it was told to.
    stopped_at: Option<Instant>,
}

pub(crate) struct Inner {
    state: Arc<State>,
    /// Every state there was, with when it came to be, for readers that are behind.
    history: Vec<(Instant, Arc<State>)>,
    index: u64,
    begun: Instant,
    processes: BTreeMap<InstanceName, Process>,
    last_seen: BTreeMap<InstanceName, (Instant, InstanceObservation)>,
    pub(crate) leader: Option<InstanceName>,
    /// How often each instance's process was started.
    pub(crate) starts: BTreeMap<InstanceName, u32>,
    /// Instances whose process runs but does not serve.
    pub(crate) broken: BTreeSet<InstanceName>,
    /// Instances of which nothing is heard between two moments after their last start served.
    pub(crate) silent_after_ready: BTreeMap<InstanceName, (Duration, Duration)>,
    /// Instances of which nothing is heard any more: their hosts have died.
    pub(crate) dead: BTreeSet<InstanceName>,
    /// What the leader sees of the masters.
    pub(crate) masters: MastersObserved,
    /// Instances that do not serve between two moments after their last start served.
    pub(crate) flap_after_ready: BTreeMap<InstanceName, (Duration, Duration)>,
    /// What component actions answer next, when not that they are done.
    pub(crate) failing_actions: u32,
    /// How many actions were asked for.
    pub(crate) actions: u32,
    /// How many commands were proposed by leaders.
    pub(crate) proposals: u32,
    script: Option<Script>,
    /// What steps were said to wait for.
    pub(crate) waiting: Vec<(usize, String)>,
}

/// The world, shared by all leaders.
#[derive(Clone)]
pub(crate) struct Cluster {
    inner: Arc<Mutex<Inner>>,
    pub(crate) changed: Arc<Notify>,
    /// Told when a leader died by its script.
    pub(crate) died: Arc<Notify>,
}

impl Cluster {
    /// Three node managers and nothing on them.
    pub(crate) fn new() -> Self {
        Self::of(3)
    }

    fn of(nodes: u64) -> Self {
        let mut state = State::default();
        for number in 1..=nodes {
            let node = NewNode {
                name: NodeName::new(format!("db-{number}")).unwrap(),
                roles: NodeRoles { master: true, node_manager: true },
                address: format!("10.0.0.{number}"),
                internal_addr: String::new(),
                admin_addr: String::new(),
                version: String::new(),
                obeyed: quorate_model::Generation(0),
                order_report: None,
                reads_level: 1,
            };
            let node = Node::new(&node, START, Revision(1));
            state.metadata.nodes.insert(NodeId(number), node);
        }
        let state = Arc::new(state);
        let inner = Inner {
            history: vec![(Instant::now(), Arc::clone(&state))],
            state,
            index: 0,
            begun: Instant::now(),
            processes: BTreeMap::new(),
            last_seen: BTreeMap::new(),
            leader: None,
            starts: BTreeMap::new(),
            broken: BTreeSet::new(),
            silent_after_ready: BTreeMap::new(),
            dead: BTreeSet::new(),
            masters: MastersObserved::default(),
            flap_after_ready: BTreeMap::new(),
            failing_actions: 0,
            actions: 0,
            proposals: 0,
            script: None,
            waiting: Vec::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            changed: Arc::new(Notify::new()),
            died: Arc::new(Notify::new()),
        }
    }

    /// The same with the component `orders`, running and led by its second member.
    pub(crate) async fn with_orders() -> Self {
        Self::with_orders_of(3).await
    }

    /// The same with so many members, each on a node of its own.
    pub(crate) async fn with_orders_of(members: u64) -> Self {
        let cluster = Self::of(members);
        let spec = orders_of(members);
        let id = cluster.submit(1, &OperationRequest::ComponentCreate { spec });
        let engine = cluster.lead(1);
        cluster.ended(id).await;
        engine.abort();
        cluster.lock().leader = Some(instance(2));
        cluster.lock().waiting.clear();
        cluster
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// What becomes of leaders' proposals from now on.
    pub(crate) fn script(&self, script: impl FnMut(&Command) -> Fate + Send + 'static) {
        self.lock().script = Some(Box::new(script));
    }

    /// The first proposal that fits meets this fate, all others are applied.
    pub(crate) fn once(&self, fits: impl Fn(&Command) -> bool + Send + 'static, fate: Fate) {
        let mut fate = Some(fate);
        self.script(move |command| {
            if fits(command) { fate.take().unwrap_or(Fate::Applied) } else { Fate::Applied }
        });
    }

    pub(crate) fn fate(&self, command: &Command) -> Fate {
        let mut inner = self.lock();
        inner.proposals += 1;
        match inner.script.as_mut() {
            Some(script) => script(command),
            None => Fate::Applied,
        }
    }

    pub(crate) fn apply(&self, command: Command) -> Outcome {
        let outcome = self.lock().apply(command);
        self.changed.notify_waiters();
        outcome
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.lock().state)
    }

    /// The state as it was that long ago.
    pub(crate) fn state_behind(&self, lag: Duration) -> Arc<State> {
        let inner = self.lock();
        let known = inner.history.iter().rev().find(|(at, _)| at.elapsed() >= lag);
        Arc::clone(known.map_or(&inner.history[0].1, |(_, state)| state))
    }

    pub(crate) fn observations(&self) -> Observations {
        self.lock().observe()
    }

    pub(crate) fn operation(&self, id: OperationId) -> Operation {
        Operation::clone(&self.state().metadata.operations[&id])
    }

    pub(crate) fn status(&self, id: OperationId) -> OperationStatus {
        self.operation(id).status
    }

    /// Plans and submits a request.
    pub(crate) fn submit(&self, number: u64, request: &OperationRequest) -> OperationId {
        let id = OperationId::from_parts(START.0 + number, 0);
        let (state, observations, catalog) =
            (self.state(), self.observations(), quorate_pack::fakes::catalog());
        let plan = quorate_plan::plan(request, &Facts::new(&state, &observations, &catalog));
        self.apply(Command::SubmitOperation { id, plan: plan.unwrap(), key: None }).unwrap();
        id
    }

    pub(crate) fn submit_restart(&self) -> OperationId {
        let request = OperationRequest::ComponentRestart {
            component: component(),
            accept_interruption: false,
        };
        self.submit(2, &request)
    }

    /// Waits until the operation looks so, at most an hour of the world's time.
    pub(crate) async fn until(&self, id: OperationId, fits: impl Fn(&Operation) -> bool) {
        let waiting = async {
            while !fits(&self.operation(id)) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(3600), waiting)
            .await
            .unwrap_or_else(|_| panic!("not within an hour: {:#?}", self.operation(id)));
    }

    pub(crate) async fn ended(&self, id: OperationId) {
        self.until(id, |operation| operation.status.is_final()).await;
    }

    pub(crate) async fn stuck(&self, id: OperationId) -> quorate_model::Refusal {
        self.until(id, |one| matches!(one.status, OperationStatus::Stuck { .. })).await;
        match self.status(id) {
            OperationStatus::Stuck { refusal, .. } => refusal,
            other => panic!("it is {}", other.as_str()),
        }
    }

    /// Every instance was started when it was created, and once more.
    pub(crate) fn assert_each_restarted_once(&self, what: &str) {
        let starts: Vec<u32> = self.lock().starts.values().copied().collect();
        assert_eq!(starts, [2, 2, 2], "{what}");
    }
}

impl Inner {
    fn apply(&mut self, command: Command) -> Outcome {
        self.index += 1;
        let at_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap();
        let proposal = Proposal {
            request_id: None,
            at: Timestamp(START.0 + at_ms),
            principal: "node:n1".to_owned(),
            command,
            digest: None,
            allowed_after: None,
        };
        let mut state = State::clone(&self.state);
        let outcome = state.apply(LogIndex(self.index), &proposal);
        self.state = Arc::new(state);
        self.history.push((Instant::now(), Arc::clone(&self.state)));
        self.react();
        outcome
    }

    /// The hosts do what is wanted of them.
    fn react(&mut self) {
        let state = Arc::clone(&self.state);
        let now = Instant::now();
        let mut wanted = BTreeSet::new();
        for known in state.metadata.components.values() {
            for (name, record) in &known.instances {
                wanted.insert(name.clone());
                self.obey(name, record, now);
            }
        }
        self.processes.retain(|name, process| {
            let gone = process.stopped_at.is_some_and(|at| at <= now);
            assert!(gone || wanted.contains(name), "`{name}` was forgotten while it ran");
            !gone
        });
        let serving = |name: &InstanceName| {
            self.processes
                .get(name)
                .is_some_and(|one| one.ready_at <= now && one.stopped_at.is_none())
        };
        if !self.leader.as_ref().is_some_and(serving) {
            self.leader = self.processes.keys().find(|name| serving(name)).cloned();
        }
    }

    fn obey(&mut self, name: &InstanceName, record: &InstanceRecord, now: Instant) {
        let process = self.processes.get_mut(name);
        match (record.run, process) {
            (RunState::Stopped, Some(process)) => {
                process.stopped_at.get_or_insert(now + STOPPING);
            }
            (RunState::Running, Some(process))
                if process.start_generation >= record.start_generation
                    && process.stopped_at.is_none_or(|at| at > now) =>
            {
                process.stopped_at = None;
            }
            (RunState::Running, _) => {
                let process = Process {
                    start_generation: record.generation,
                    ready_at: now + STARTING,
                    stopped_at: None,
                };
                self.processes.insert(name.clone(), process);
                *self.starts.entry(name.clone()).or_default() += 1;
            }
            (RunState::Stopped, None) => {}
        }
    }

    fn observe(&mut self) -> Observations {
        self.react();
        let now = Instant::now();
        let mut seen = Observations { masters: self.masters.clone(), ..Observations::default() };
        let state = Arc::clone(&self.state);
        for node in state.metadata.nodes.keys() {
            seen.nodes.insert(*node, Duration::ZERO);
        }
        for known in state.metadata.components.values() {
            for (name, record) in &known.instances {
                let silent = self.is_within(name, &self.silent_after_ready, now);
                if !silent && !self.dead.contains(name) {
                    let observation = self.look(known, name, record, now);
                    self.last_seen.insert(name.clone(), (now, observation));
                }
                if let Some((at, observation)) = self.last_seen.get(name) {
                    let observed = Observed { observation: observation.clone(), age: now - *at };
                    seen.instances.insert(name.clone(), observed);
                }
            }
        }
        seen
    }

    /// Whether the instance's process, having been restarted, is in that window of its life.
    fn is_within(
        &self,
        name: &InstanceName,
        windows: &BTreeMap<InstanceName, (Duration, Duration)>,
        now: Instant,
    ) -> bool {
        let (Some((from, to)), Some(process)) = (windows.get(name), self.processes.get(name))
        else {
            return false;
        };
        let restarted = self.starts[name] > 1;
        restarted && now >= process.ready_at + *from && now < process.ready_at + *to
    }

    fn look(
        &self,
        known: &quorate_state::Component,
        name: &InstanceName,
        record: &InstanceRecord,
        now: Instant,
    ) -> InstanceObservation {
        let process = self.processes.get(name);
        let serves = process.is_some_and(|one| one.ready_at <= now)
            && !self.broken.contains(name)
            && !self.is_within(name, &self.flap_after_ready, now);
        let id = |name: &InstanceName| format!("id-{name}");
        let role = if self.leader.as_ref() == Some(name) {
            MemberRole::Leader
        } else {
            MemberRole::Follower
        };
        InstanceObservation {
            component: known.spec.name.clone(),
            instance: name.clone(),
            generation: record.generation,
            process: match process {
                Some(process) => ProcessState::Running {
                    pid: 1,
                    started_at: START,
                    start_generation: process.start_generation,
                },
                None => ProcessState::Exited { status: ExitStatus::Code(0), at: START },
            },
            readiness: if serves {
                Readiness::Ready
            } else {
                Readiness::NotReady { reason: "it does not serve".to_owned() }
            },
            member: serves.then(|| MemberObservation {
                member_id: id(name),
                role,
                leader_id: self.leader.as_ref().map(id),
                term: 1,
                committed_index: 1,
                applied_index: 1,
                version: String::new(),
                voters: u32::try_from(known.spec.instances.len()).unwrap(),
            }),
            starts: 0,
            last_end: None,
            at: START,
        }
    }

    /// Moves the component's leadership.
    pub(crate) fn transfer(&mut self, away_from: &InstanceName, to: &InstanceName) {
        if self.leader.as_ref() == Some(away_from) {
            self.leader = Some(to.clone());
        }
    }
}

pub(crate) fn component() -> ComponentName {
    ComponentName::new("orders").unwrap()
}

pub(crate) fn instance(number: u64) -> InstanceName {
    InstanceName::new(format!("orders-{number}")).unwrap()
}

pub(crate) fn orders() -> ComponentSpec {
    orders_of(3)
}

fn orders_of(members: u64) -> ComponentSpec {
    ComponentSpec {
        name: component(),
        pack: PackName::new("voting").unwrap(),
        instances: (1..=members)
            .map(|number| InstanceSpec {
                name: instance(number),
                node: NodeId(number),
                settings: Settings::new(),
            })
            .collect(),
        settings: Settings::new(),
    }
}

/// The step and the term of a command by a leader.
pub(crate) fn step_of(command: &Command) -> Option<(u32, Term)> {
    match command {
        Command::BeginStep { step, term, .. }
        | Command::FinishStep { step, term, .. }
        | Command::FailStep { step, term, .. }
        | Command::UndoStep { step, term, .. } => Some((*step, *term)),
        _ => None,
    }
}

pub(crate) fn begins(step: u32) -> impl Fn(&Command) -> bool + Send + 'static {
    move |command| matches!(command, Command::BeginStep { step: one, .. } if *one == step)
}

pub(crate) fn finishes(step: u32) -> impl Fn(&Command) -> bool + Send + 'static {
    move |command| matches!(command, Command::FinishStep { step: one, .. } if *one == step)
}
