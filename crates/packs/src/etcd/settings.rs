//! What a person may set for a member of an etcd cluster.

use quorate_model::{ComponentSpec, InstanceSpec, Refusal};

use crate::setting_reader::SettingReader;

/// Every setting, in the order in which people are told of them.
pub(super) const KNOWN: &[&str] = &[
    "client_port",
    "peer_port",
    "snapshot_count",
    "heartbeat_interval_ms",
    "election_timeout_ms",
    "quota_backend_bytes",
    "program",
];

const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;
/// etcd's own defaults, needed to judge one of the two when only the other is set.
const HEARTBEAT_INTERVAL_MS: u64 = 100;
const ELECTION_TIMEOUT_MS: u64 = 1_000;
/// etcd refuses to start with more.
const ELECTION_TIMEOUT_MS_MAX: u64 = 50_000;
/// etcd refuses to start when an election may begin before this many heartbeats are missed.
const HEARTBEATS_PER_ELECTION: u64 = 5;

/// The settings of one member, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// Where clients connect.
    pub(super) client_port: u16,
    /// Where the other members connect.
    pub(super) peer_port: u16,
    /// How many committed transactions trigger a snapshot; etcd's default when absent.
    pub(super) snapshot_count: Option<u64>,
    /// Milliseconds between heartbeats; etcd's default when absent.
    pub(super) heartbeat_interval_ms: Option<u64>,
    /// Milliseconds without a heartbeat before an election; etcd's default when absent.
    pub(super) election_timeout_ms: Option<u64>,
    /// How large the store may grow before it refuses writes; etcd's default when absent.
    pub(super) quota_backend_bytes: Option<u64>,
    /// The etcd program.
    pub(super) program: String,
}

impl Settings {
    /// Reads the settings of one member.
    pub(super) fn read(
        component: &ComponentSpec,
        instance: &InstanceSpec,
    ) -> Result<Self, Vec<Refusal>> {
        let mut reader = SettingReader::new(component, instance);
        let settings = Self {
            client_port: reader.port("client_port").unwrap_or(CLIENT_PORT),
            peer_port: reader.port("peer_port").unwrap_or(PEER_PORT),
            snapshot_count: reader.number("snapshot_count", 1..=100_000_000, ""),
            heartbeat_interval_ms: reader.number(
                "heartbeat_interval_ms",
                1..=ELECTION_TIMEOUT_MS_MAX / HEARTBEATS_PER_ELECTION,
                " milliseconds",
            ),
            election_timeout_ms: reader.number(
                "election_timeout_ms",
                HEARTBEATS_PER_ELECTION..=ELECTION_TIMEOUT_MS_MAX,
                " milliseconds",
            ),
            quota_backend_bytes: reader.number("quota_backend_bytes", 1 << 20..=1 << 40, " bytes"),
            program: reader.text("program").unwrap_or("etcd").to_owned(),
        };
        let heartbeat_ms = settings.heartbeat_interval_ms.unwrap_or(HEARTBEAT_INTERVAL_MS);
        let election_ms = settings.election_timeout_ms.unwrap_or(ELECTION_TIMEOUT_MS);
        if election_ms < HEARTBEATS_PER_ELECTION * heartbeat_ms {
            let set = ["election_timeout_ms", "heartbeat_interval_ms"]
                .into_iter()
                .find(|key| reader.raw(key).is_some())
                .unwrap_or("election_timeout_ms");
            reader.refuse(
                set,
                &format!(
                    "an election after {election_ms} ms would follow fewer than \
                     {HEARTBEATS_PER_ELECTION} missed heartbeats of {heartbeat_ms} ms"
                ),
                &format!(
                    "set `election_timeout_ms` to {} or more, or `heartbeat_interval_ms` lower",
                    HEARTBEATS_PER_ELECTION * heartbeat_ms
                ),
            );
        }
        reader.finish(Some(settings))
    }

    /// The ports with the settings they come from.
    pub(super) fn ports(&self) -> Vec<(&'static str, u16)> {
        vec![("client_port", self.client_port), ("peer_port", self.peer_port)]
    }
}
