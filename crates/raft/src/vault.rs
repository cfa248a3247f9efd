//! Seals records for their place: a value moved to another cluster, node, table or index does not
//! unseal. The epoch is not part of the place: a recovery keeps the old entries.

use quorate_keyring::{Keyring, KeyringError, Purpose, Zeroizing};
use quorate_model::{ClusterId, NodeId};

#[derive(Clone)]
pub(crate) struct Vault {
    keyring: Keyring,
    cluster: ClusterId,
    node: NodeId,
    prefix: Vec<u8>,
}

impl Vault {
    pub(crate) fn new(keyring: Keyring, cluster: ClusterId, node: NodeId) -> Self {
        let mut prefix = cluster.to_string().into_bytes();
        prefix.push(0);
        prefix.extend_from_slice(&node.0.to_be_bytes());
        Self { keyring, cluster, node, prefix }
    }

    pub(crate) const fn cluster(&self) -> ClusterId {
        self.cluster
    }

    pub(crate) const fn node(&self) -> NodeId {
        self.node
    }

    pub(crate) fn seal_record(&self, table: &str, index: u64, plain: &[u8]) -> Vec<u8> {
        self.keyring.seal(Purpose::Log, &self.place(table, index), plain)
    }

    pub(crate) fn unseal_record(
        &self,
        table: &str,
        index: u64,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        self.keyring.unseal(Purpose::Log, &self.place(table, index), sealed)
    }

    pub(crate) fn seal_snapshot(&self, plain: &[u8]) -> Vec<u8> {
        self.keyring.seal(Purpose::Snapshot, &self.place("snapshot", 0), plain)
    }

    pub(crate) fn unseal_snapshot(
        &self,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        self.keyring.unseal(Purpose::Snapshot, &self.place("snapshot", 0), sealed)
    }

    fn place(&self, table: &str, index: u64) -> Vec<u8> {
        let mut place = Vec::with_capacity(self.prefix.len() + table.len() + 9);
        place.extend_from_slice(&self.prefix);
        place.extend_from_slice(table.as_bytes());
        place.push(0);
        place.extend_from_slice(&index.to_be_bytes());
        place
    }
}
