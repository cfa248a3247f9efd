//! The systems under test behind one small contract.

mod etcd;
mod http;
mod members;
mod ports;
mod quorate;
mod zookeeper;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use clap::ValueEnum;
use serde::Serialize;

pub(crate) use self::{
    members::Members,
    quorate::{Quorate, build as build_quorate},
};
use crate::error::{BenchError, WriteError};

/// The value of every write, in bytes.
pub(crate) const VALUE_BYTES: usize = 200;
/// How many different keys are written.
pub(crate) const KEYS: u64 = 10_000;
/// How long any system may take until every member acknowledges a write.
pub(crate) const START_DEADLINE: Duration = Duration::from_secs(90);

/// Values to write, no two alike in a row: a system that skips a write of what it holds already
/// gains nothing.
struct Values {
    bytes: [u8; VALUE_BYTES],
    number: u64,
}

impl Default for Values {
    fn default() -> Self {
        Self { bytes: [b'v'; VALUE_BYTES], number: 0 }
    }
}

impl Values {
    fn next(&mut self) -> &[u8] {
        self.number += 1;
        put_digits(&mut self.bytes[..10], self.number);
        &self.bytes
    }
}

/// Writes a number into a field of fixed width, with leading zeros.
fn put_digits(field: &mut [u8], mut number: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// A system to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// This project.
    Quorate,
    /// Debian's etcd.
    Etcd,
    /// Debian's ZooKeeper.
    Zookeeper,
}

impl Kind {
    /// Its name as people write it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Quorate => "Quorate",
            Self::Etcd => "etcd",
            Self::Zookeeper => "ZooKeeper",
        }
    }

    /// How long it must work before its numbers mean anything.
    pub(crate) const fn needs_warm_up(self) -> bool {
        matches!(self, Self::Zookeeper)
    }

    /// What must be installed is there; answers its version.
    pub(crate) fn check(self, quorate: &Path) -> Result<String, BenchError> {
        match self {
            Self::Quorate => quorate::check(quorate),
            Self::Etcd => etcd::check(),
            Self::Zookeeper => zookeeper::check(),
        }
    }

    /// A cluster of so many members, its files below `folder`, not started yet.
    pub(crate) fn cluster(
        self,
        members: usize,
        folder: &Path,
        quorate: &Path,
    ) -> Result<Box<dyn System>, BenchError> {
        Ok(match self {
            Self::Quorate => Box::new(Quorate::new(members, folder, quorate)?),
            Self::Etcd => Box::new(etcd::Etcd::new(members, folder)?),
            Self::Zookeeper => Box::new(zookeeper::ZooKeeper::new(members, folder)?),
        })
    }
}

/// One cluster under test. Members are counted from 0. Dropping it ends its processes.
#[async_trait]
pub(crate) trait System: Send {
    /// Which one.
    fn kind(&self) -> Kind;

    /// Starts all members of a fresh cluster, from the first command on, and returns when every
    /// member has acknowledged a write.
    async fn start(&mut self) -> Result<(), BenchError>;

    /// Ends all members at once.
    fn stop(&mut self) {
        self.members_mut().stop();
    }

    /// The member that leads now.
    async fn leader(&self) -> Result<usize, WriteError>;

    /// Ends a member with SIGKILL.
    fn kill(&mut self, member: usize) {
        self.members_mut().kill(member);
    }

    /// Starts a killed member again and returns when every member acknowledges writes.
    async fn restart(&mut self, member: usize) -> Result<(), BenchError>;

    /// Has the cluster restart all its members by itself, and returns when it says that all are ready;
    /// `None` when it has no such operation.
    async fn restart_itself(&mut self) -> Option<Result<(), BenchError>> {
        None
    }

    /// Where a client of this member connects.
    fn endpoint(&self, member: usize) -> Arc<dyn Endpoint>;

    /// Its processes.
    fn members(&self) -> &Members;

    /// Its processes, to change them.
    fn members_mut(&mut self) -> &mut Members;
}

/// A member as its clients know it.
#[async_trait]
pub(crate) trait Endpoint: Send + Sync {
    /// Opens one connection.
    async fn writer(&self) -> Result<Box<dyn Writer>, WriteError>;
}

/// One client on one connection. After an error, or when a write was abandoned, it must not be
/// used again.
#[async_trait]
pub(crate) trait Writer: Send {
    /// Sets a key to a value of [`VALUE_BYTES`], which exists since [`Writer::create`], and
    /// returns when a majority has it.
    async fn write(&mut self, key: u64) -> Result<(), WriteError>;

    /// Sets a key that may not exist yet.
    async fn create(&mut self, key: u64) -> Result<(), WriteError> {
        self.write(key).await
    }
}

/// Waits until every member acknowledges a write of its own.
async fn await_writes(system: &mut dyn System) -> Result<(), BenchError> {
    const ATTEMPT: Duration = Duration::from_millis(100);
    let until = tokio::time::Instant::now() + START_DEADLINE;
    for member in 0..system.members().len() {
        let endpoint = system.endpoint(member);
        let key = member as u64;
        loop {
            let attempt = async { endpoint.writer().await?.create(key).await };
            let last = match tokio::time::timeout(ATTEMPT, attempt).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            let kind = system.kind();
            system.members_mut().check(kind.name())?;
            if tokio::time::Instant::now() >= until {
                return Err(BenchError::Waited {
                    system: kind.name(),
                    what: "every member to acknowledge a write",
                    waited: START_DEADLINE,
                    last: format!("member {}: {last}", member + 1),
                });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_in_place() {
        let mut field = *b"99999";
        put_digits(&mut field, 120);
        assert_eq!(&field, b"00120");
    }

    #[test]
    fn values_differ_and_have_their_size() {
        let mut values = Values::default();
        let first = values.next().to_vec();
        assert_eq!(first.len(), VALUE_BYTES);
        assert_ne!(first, values.next());
    }
}
