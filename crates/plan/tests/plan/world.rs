//! What was decided and what is observed, for one component named `orders` or `web`.

use std::time::Duration;

use quorate_model::{
    ComponentName, ComponentSpec, Condition, ExitStatus, Generation, InstanceName,
    InstanceObservation, InstanceSpec, MemberObservation, MemberRole, NodeId, NodeName, NodeRoles,
    OperationRequest, PackName, Plan, ProcessState, Readiness, Refusal, Revision, RunState,
    Settings, Timestamp,
};
use quorate_plan::{Facts, Judgement, Observations, Observed, judge};
use quorate_state::{Component, InstanceRecord, NewNode, Node, State};

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub(crate) struct World {
    pub(crate) name: ComponentName,
    pub(crate) state: State,
    pub(crate) seen: Observations,
}

impl World {
    /// Five nodes that report, and no component.
    pub(crate) fn bare() -> Self {
        let mut world = Self {
            name: component("orders"),
            state: State::default(),
            seen: Observations::default(),
        };
        for number in 1..=5 {
            let node = NewNode {
                name: NodeName::new(format!("db-{number}")).unwrap(),
                roles: NodeRoles { master: number <= 3, node_manager: true },
                address: format!("10.0.0.{number}"),
                internal_addr: String::new(),
                admin_addr: String::new(),
                version: String::new(),
                obeyed: Generation(0),
                order_report: None,
                reads_level: 1,
            };
            let node = Node::new(&node, NOW, Revision(1));
            world.state.metadata.nodes.insert(NodeId(number), node);
            world.seen.nodes.insert(NodeId(number), Duration::from_millis(300));
        }
        world
    }

    /// A voting component `orders`, healthy, led by its member of that number.
    pub(crate) fn voting(members: u64, leader: u64) -> Self {
        let mut world = Self::bare();
        world.add(spec("orders", "voting", members));
        for number in 1..=members {
            let role = if number == leader { MemberRole::Leader } else { MemberRole::Follower };
            world.edit(number, |seen| {
                seen.member = Some(member(number, role, Some(leader), members));
            });
        }
        world
    }

    /// A serving component `web`, healthy.
    pub(crate) fn serving(instances: u64) -> Self {
        let mut world = Self::bare();
        world.name = component("web");
        world.add(spec("web", "serving", instances));
        world
    }

    pub(crate) fn add(&mut self, spec: ComponentSpec) {
        let record = InstanceRecord {
            run: RunState::Running,
            generation: Generation(5),
            start_generation: Generation(4),
            first_generation: Generation(1),
        };
        for instance in &spec.instances {
            let observation = InstanceObservation {
                component: spec.name.clone(),
                instance: instance.name.clone(),
                generation: Generation(5),
                process: ProcessState::Running {
                    pid: 100,
                    started_at: NOW,
                    start_generation: Generation(4),
                },
                readiness: Readiness::Ready,
                member: None,
                starts: 1,
                last_end: None,
                at: NOW,
            };
            self.seen.instances.insert(
                instance.name.clone(),
                Observed { observation, age: Duration::from_millis(300) },
            );
        }
        let known = Component {
            revision: Revision(17),
            created_at: NOW,
            instances: spec
                .instances
                .iter()
                .map(|instance| (instance.name.clone(), record.clone()))
                .collect(),
            spec,
        };
        self.state.metadata.components.insert(known.spec.name.clone(), known);
    }

    pub(crate) fn instance(&self, number: u64) -> InstanceName {
        instance(&format!("{}-{number}", self.name))
    }

    /// Changes what was observed of an instance.
    pub(crate) fn edit(&mut self, number: u64, change: impl FnOnce(&mut InstanceObservation)) {
        let name = self.instance(number);
        change(&mut self.seen.instances.get_mut(&name).unwrap().observation);
    }

    /// Changes what an instance says of its consensus.
    pub(crate) fn edit_member(&mut self, number: u64, change: impl FnOnce(&mut MemberObservation)) {
        self.edit(number, |seen| change(seen.member.as_mut().unwrap()));
    }

    pub(crate) fn edit_record(&mut self, number: u64, change: impl FnOnce(&mut InstanceRecord)) {
        let instance = self.instance(number);
        let known = self.state.metadata.components.get_mut(&self.name).unwrap();
        change(known.instances.get_mut(&instance).unwrap());
    }

    pub(crate) fn stop(&mut self, number: u64) {
        self.edit(number, |seen| {
            seen.process = ProcessState::Exited { status: ExitStatus::Signal(9), at: NOW };
            seen.readiness = Readiness::NotReady { reason: "it does not run".to_owned() };
            seen.member = None;
        });
    }

    /// The last that was heard of an instance and of its node is so old.
    pub(crate) fn silence(&mut self, number: u64, age: Duration) {
        let name = self.instance(number);
        self.seen.instances.get_mut(&name).unwrap().age = age;
        self.seen.nodes.insert(NodeId(number), age);
    }

    pub(crate) fn judge(&self, condition: &Condition) -> Judgement {
        let catalog = quorate_pack::fakes::catalog();
        judge(condition, &Facts::new(&self.state, &self.seen, &catalog))
    }

    pub(crate) fn plan(&self, request: &OperationRequest) -> Result<Plan, Vec<Refusal>> {
        let catalog = quorate_pack::fakes::catalog();
        quorate_plan::plan(request, &Facts::new(&self.state, &self.seen, &catalog))
    }

    pub(crate) fn restart(&self) -> Result<Plan, Vec<Refusal>> {
        self.plan(&OperationRequest::ComponentRestart {
            component: self.name.clone(),
            accept_interruption: false,
        })
    }

    pub(crate) fn restart_interrupting(&self) -> Result<Plan, Vec<Refusal>> {
        self.plan(&OperationRequest::ComponentRestart {
            component: self.name.clone(),
            accept_interruption: true,
        })
    }
}

pub(crate) fn component(text: &str) -> ComponentName {
    ComponentName::new(text).unwrap()
}

pub(crate) fn instance(text: &str) -> InstanceName {
    InstanceName::new(text).unwrap()
}

pub(crate) fn spec(name: &str, pack: &str, instances: u64) -> ComponentSpec {
    ComponentSpec {
        name: component(name),
        pack: PackName::new(pack).unwrap(),
        instances: (1..=instances)
            .map(|number| InstanceSpec {
                name: instance(&format!("{name}-{number}")),
                node: NodeId(number),
                settings: Settings::new(),
            })
            .collect(),
        settings: Settings::new(),
    }
}

pub(crate) fn member(
    number: u64,
    role: MemberRole,
    leader: Option<u64>,
    voters: u64,
) -> MemberObservation {
    MemberObservation {
        member_id: format!("id-{number}"),
        role,
        leader_id: leader.map(|leader| format!("id-{leader}")),
        term: 3,
        committed_index: 100,
        applied_index: 100,
        version: "1.0".to_owned(),
        voters: u32::try_from(voters).unwrap(),
    }
}
