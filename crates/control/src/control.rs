//! The control plane of one master: everything the use cases share.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use quorate_keyring::{Keyring, SealedKeyring};
use quorate_model::{
    Clock, ClusterId, Epoch, Generation, IdSource, NodeId, OperationId, Refusal, RequestId, Term,
    TokenId, TroubleKind,
};
use quorate_pack::Catalog;
use quorate_plan::Facts;
use quorate_raft::RaftNode;
use quorate_state::{Applied, Command, Proposal, State};
use tokio::sync::{Semaphore, watch};

use crate::{
    Inventory, Permission, Principal, ReadinessGate, background::Reached, elections::Elections,
    failed_logins::FailedLogins, node_sessions::NodeSessions, outlook::Outlook,
    surroundings::DoctorParts,
};

/// How many passwords are checked at once: each check takes 19 MiB and a core on purpose, and
/// anybody may ask for one.
const PASSWORD_CHECKS: usize = 2;

/// What the control plane is made of.
pub struct Parts {
    /// The cluster.
    pub cluster: ClusterId,
    /// This master.
    pub node: NodeId,
    /// Its Raft.
    pub raft: RaftNode,
    /// The open keyring.
    pub keyring: Keyring,
    /// The keyring as it is given to masters that join.
    pub sealed_keyring: SealedKeyring,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and secrets.
    pub ids: Arc<dyn IdSource>,
    /// The packs' rules.
    pub catalog: Catalog,
    /// How it behaves.
    pub options: ControlOptions,
}

/// How the control plane behaves.
#[derive(Debug, Clone)]
pub struct ControlOptions {
    /// How long a login lasts.
    pub session_lifetime: Duration,
    /// How long node and component certificates are valid.
    pub certificate_lifetime: Duration,
    /// How autopilot behaves.
    pub autopilot: crate::AutopilotOptions,
}

impl Default for ControlOptions {
    fn default() -> Self {
        Self {
            session_lifetime: Duration::from_secs(12 * 3600),
            certificate_lifetime: Duration::from_secs(365 * 24 * 3600),
            autopilot: crate::AutopilotOptions::default(),
        }
    }
}

/// For how long after its election a leader waits to hear of all nodes before it plans: node
/// managers report to a new leader within a second or two.
const FIRST_LOOKS: Duration = Duration::from_secs(3);
/// How often it looks meanwhile.
const LOOK_AROUND_EVERY: Duration = Duration::from_millis(20);

/// The control plane of one master. Clones are the same one, and cost nothing: a request makes several.
#[derive(Clone)]
pub struct Control {
    pub(crate) shared: Arc<Shared>,
}

/// What every clone of a [`Control`] shares.
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) inventory: Inventory,
    pub(crate) sessions: NodeSessions,
    pub(crate) readiness: ReadinessGate,
    pub(crate) log_requests: AtomicU64,
    pub(crate) password_checks: Arc<Semaphore>,
    pub(crate) failed_logins: FailedLogins,
    pub(crate) elections: Elections,
    pub(crate) doctor: DoctorParts,
    pub(crate) outlook: watch::Sender<Outlook>,
    pub(crate) reached: watch::Sender<Reached>,
    closing: watch::Sender<bool>,
}

impl Control {
    /// Puts the parts together. Nothing runs until [`crate::run_duties`] is spawned, and elections are
    /// counted once [`crate::follow_elections`] is.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let shared = Shared {
            parts,
            inventory: Inventory::default(),
            sessions: NodeSessions::default(),
            readiness: ReadinessGate::default(),
            log_requests: AtomicU64::default(),
            password_checks: Arc::new(Semaphore::new(PASSWORD_CHECKS)),
            failed_logins: FailedLogins::default(),
            elections: Elections::default(),
            doctor: DoctorParts::default(),
            outlook: watch::Sender::default(),
            reached: watch::Sender::default(),
            closing: watch::Sender::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> ClusterId {
        self.shared.parts.cluster
    }

    /// This master.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared.parts.node
    }

    /// What this master knows to be decided.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.shared.parts.raft.state().borrow())
    }

    /// Follows what is decided.
    #[must_use]
    pub fn state_watch(&self) -> watch::Receiver<Arc<State>> {
        self.shared.parts.raft.state()
    }

    /// This master's Raft.
    #[must_use]
    pub fn raft(&self) -> &RaftNode {
        &self.shared.parts.raft
    }

    /// What is observed.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.shared.inventory
    }

    /// Whether this master can serve.
    #[must_use]
    pub fn readiness(&self) -> &ReadinessGate {
        &self.shared.readiness
    }

    /// Ends what would otherwise go on for as long as a peer likes: streams of events and the
    /// sessions of node managers. For the moment before the ports close.
    pub fn close(&self) {
        self.shared.closing.send_replace(true);
    }

    /// Returns once [`Control::close`] was called.
    pub async fn closed(&self) {
        let mut closing = self.shared.closing.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// The term this master leads in with a quorum's acknowledgement, if it does.
    #[must_use]
    pub fn leading(&self) -> Option<Term> {
        self.shared.parts.raft.leadership().borrow().as_ref().map(|leadership| leadership.term)
    }

    /// Where the leader is, as far as this master knows: its id and its internal address.
    #[must_use]
    pub fn leader(&self) -> Option<(NodeId, String)> {
        let leader = self.shared.parts.raft.status().leader?;
        let state = self.state();
        let addr = state.metadata.nodes.get(&leader)?.internal_addr.clone();
        Some((leader, addr))
    }

    /// The cluster's epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.state().epoch
    }

    pub(crate) fn now(&self) -> quorate_model::Timestamp {
        self.shared.parts.clock.now()
    }

    pub(crate) fn new_operation_id(&self) -> OperationId {
        OperationId::from_parts(self.now().0, self.shared.parts.ids.random())
    }

    pub(crate) fn new_token_id(&self) -> TokenId {
        TokenId::from_parts(self.now().0, self.shared.parts.ids.random())
    }

    /// Waits until everybody was heard of who can be. A leader that was elected a moment ago has
    /// heard of nobody yet, and would refuse everything; some seconds later who is silent is away.
    pub(crate) async fn looked_around(&self) {
        let first_looks = |age: &Duration| *age < FIRST_LOOKS;
        while self.leading().is_some()
            && self.shared.inventory.age().as_ref().is_some_and(first_looks)
        {
            let all = self.with_facts(|facts| {
                facts.state.metadata.nodes.iter().all(|(id, node)| {
                    let masters = &facts.observations.masters;
                    (!masters.members.contains_key(id) || masters.level(*id).is_ok())
                        && (!node.roles.node_manager || facts.observations.is_reporting(*id))
                })
            });
            if all {
                return;
            }
            tokio::time::sleep(LOOK_AROUND_EVERY).await;
        }
    }

    /// Calls `with` on a consistent picture of what is decided and observed.
    pub(crate) fn with_facts<T>(&self, with: impl FnOnce(&Facts<'_>) -> T) -> T {
        let state = self.state();
        let observations = self.observations();
        with(&Facts::new(&state, &observations, &self.shared.parts.catalog))
    }

    /// Checks the permission and proposes a command for a person.
    pub(crate) async fn change(
        &self,
        principal: &Principal,
        permission: Permission,
        request_id: Option<RequestId>,
        command: Command,
    ) -> Result<Applied, Refusal> {
        principal.require(permission)?;
        self.propose_for(principal, request_id, command).await
    }

    /// Proposes a command in the name of a person who may do it, unless a reset has ended the login
    /// since.
    pub(crate) async fn propose_for(
        &self,
        principal: &Principal,
        request_id: Option<RequestId>,
        command: Command,
    ) -> Result<Applied, Refusal> {
        let (name, allowed_after) = (principal.audit_name(), principal.allowed_after);
        self.propose_one(name, allowed_after, request_id, command).await
    }

    /// Proposes a command in the name of somebody whom no login lets in.
    pub(crate) async fn propose_as(
        &self,
        principal: String,
        command: Command,
    ) -> Result<Applied, Refusal> {
        self.propose_one(principal, None, None, command).await
    }

    async fn propose_one(
        &self,
        principal: String,
        allowed_after: Option<Generation>,
        request_id: Option<RequestId>,
        command: Command,
    ) -> Result<Applied, Refusal> {
        let at = self.now();
        let proposal = Proposal { request_id, at, principal, command, digest: None, allowed_after };
        match self.shared.parts.raft.propose(proposal).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.shared.parts.raft.troubles().note(
                    TroubleKind::Proposal,
                    None,
                    error.to_string(),
                );
                Err(error.refusal())
            }
        }
    }

    /// The state, at least as new as this call.
    pub(crate) async fn linearized(&self) -> Result<Arc<State>, Refusal> {
        self.shared.parts.raft.linearize().await.map_err(|error| error.refusal())
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("node", &self.shared.parts.node).finish_non_exhaustive()
    }
}
