//! A node manager without processes: whatever is desired of it is so a moment later.

use std::{collections::BTreeMap, time::Duration};

use quorate_control::{Control, ToNode};
use quorate_model::{
    ActionOutcome, ActionReport, DesiredInstance, InstanceName, InstanceObservation, NodeId,
    NodeReport, ProcessState, Readiness, RunState, Timestamp,
};
use tokio::task::JoinHandle;

const REPORT_EVERY: Duration = Duration::from_millis(50);

/// A running fake; it falls silent when it is dropped.
#[derive(Debug)]
pub struct FakeNodeManager {
    task: JoinHandle<()>,
}

impl FakeNodeManager {
    /// Connects to a control plane in the same process, as the node with this id.
    #[must_use]
    pub fn start(control: Control, node: NodeId) -> Self {
        Self { task: tokio::spawn(run(control, node)) }
    }
}

impl Drop for FakeNodeManager {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Default)]
struct Fake {
    desired: Vec<DesiredInstance>,
    starts: BTreeMap<InstanceName, (u64, quorate_model::Generation)>,
    actions: Vec<ActionReport>,
    obeyed: quorate_model::Generation,
}

async fn run(control: Control, node: NodeId) {
    let mut fake = Fake::default();
    loop {
        // No leader yet, or a new one: try again, as the real one does.
        if let Ok(mut session) = control.open_node_session(node) {
            let mut ticks = tokio::time::interval(REPORT_EVERY);
            loop {
                tokio::select! {
                    message = session.messages.recv() => match message {
                        Some(ToNode::Redirect(_)) | None => break,
                        Some(message) => fake.take(message),
                    },
                    _ = ticks.tick() => control.take_report(node, fake.report()),
                }
            }
        }
        tokio::time::sleep(REPORT_EVERY).await;
    }
}

impl Fake {
    fn take(&mut self, message: ToNode) {
        match message {
            ToNode::Desired(desired) => self.desired = desired,
            ToNode::FeatureLevel(_) => {}
            ToNode::Order(order) => self.obeyed = order.generation,
            ToNode::Act { id, .. } => {
                let outcome = ActionOutcome::Done { seen: "it is so".to_owned() };
                self.actions.push(ActionReport { id, outcome });
            }
            ToNode::Acknowledged(id) => self.actions.retain(|action| action.id != id),
            ToNode::Welcome { .. } | ToNode::Log { .. } | ToNode::Redirect(_) => {}
        }
    }

    fn report(&mut self) -> NodeReport {
        let mut instances = Vec::new();
        for desired in &self.desired {
            let runs = desired.run == RunState::Running;
            let (starts, for_generation) = self
                .starts
                .entry(desired.instance.clone())
                .or_insert((0, desired.start_generation));
            if runs && (*starts == 0 || *for_generation < desired.start_generation) {
                *starts += 1;
                *for_generation = desired.start_generation;
            }
            let process = if runs {
                ProcessState::Running {
                    pid: 4242,
                    started_at: Timestamp(0),
                    start_generation: desired.start_generation,
                }
            } else {
                ProcessState::Absent
            };
            let readiness = if runs {
                Readiness::Ready
            } else {
                Readiness::NotReady { reason: "it does not run".to_owned() }
            };
            instances.push(InstanceObservation {
                component: desired.component.name.clone(),
                instance: desired.instance.clone(),
                generation: desired.generation,
                process,
                readiness,
                member: None,
                starts: *starts,
                last_end: None,
                at: Timestamp(0),
            });
        }
        NodeReport {
            instances,
            actions: self.actions.clone(),
            version: "fake".to_owned(),
            obeyed: self.obeyed,
            order: None,
            reads_level: 1,
            checkup: None,
            unmanaged: Vec::new(),
        }
    }
}
