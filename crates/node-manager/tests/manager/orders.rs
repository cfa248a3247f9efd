//! Orders that tests give.

use std::collections::BTreeMap;

use quorate_model::{
    ComponentSpec, DesiredInstance, Epoch, Generation, InstanceSpec, NodeId, RunState, Term,
};
use serde_json::json;

/// An order to run a shell script, for generation 1 of epoch 1, term 1.
pub(crate) fn script(instance: &str, text: &str) -> DesiredInstance {
    command(instance, &["/bin/sh", "-c", text])
}

pub(crate) fn command(instance: &str, command: &[&str]) -> DesiredInstance {
    order("process", instance, command)
}

/// An order for the pack of `fake_pack.rs`.
pub(crate) fn fake(instance: &str, text: &str) -> DesiredInstance {
    order("fake", instance, &["/bin/sh", "-c", text])
}

fn order(pack: &str, instance: &str, command: &[&str]) -> DesiredInstance {
    DesiredInstance {
        instance: instance.parse().unwrap(),
        component: ComponentSpec {
            name: pack.parse().unwrap(),
            pack: pack.parse().unwrap(),
            instances: vec![InstanceSpec {
                name: instance.parse().unwrap(),
                node: NodeId(7),
                settings: BTreeMap::new(),
            }],
            settings: BTreeMap::from([("command".into(), json!(command))]),
        },
        addresses: BTreeMap::from([(NodeId(7), "127.0.0.1".into())]),
        run: RunState::Running,
        generation: Generation(1),
        start_generation: Generation(1),
        first_generation: Generation(0),
        epoch: Epoch(1),
        term: Term(1),
    }
}

/// Turns an order into another.
pub(crate) trait Reorder {
    fn stopped(self, generation: u64) -> Self;
    fn restarted(self, generation: u64) -> Self;
    fn at(self, epoch: u64, term: u64, generation: u64) -> Self;
    fn set(self, key: &str, value: serde_json::Value) -> Self;
}

impl Reorder for DesiredInstance {
    fn stopped(mut self, generation: u64) -> Self {
        self.run = RunState::Stopped;
        self.generation = Generation(generation);
        self
    }

    fn restarted(mut self, generation: u64) -> Self {
        self.run = RunState::Running;
        self.generation = Generation(generation);
        self.start_generation = Generation(generation);
        self
    }

    fn at(mut self, epoch: u64, term: u64, generation: u64) -> Self {
        self.epoch = Epoch(epoch);
        self.term = Term(term);
        self.generation = Generation(generation);
        self
    }

    fn set(mut self, key: &str, value: serde_json::Value) -> Self {
        self.component.settings.insert(key.into(), value);
        self
    }
}
