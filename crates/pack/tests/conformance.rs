//! The conformance suite itself: an honest driver passes, and each kind of dishonest one is
//! caught. Time is made up, so that every deadline passes at once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    future::pending,
    path::PathBuf,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use quorate_model::{
    ComponentName, ComponentSpec, InstanceName, MemberObservation, MemberRole, PackName, Readiness,
    Refusal, codes,
};
use quorate_pack::{
    DriverError, InstanceContext, LeadershipTransfer, MemberView, PackDriver,
    conformance::{ConformanceEnvironment, Violation, check_driver},
};

/// What the make-believe component is doing.
#[derive(Default)]
struct World {
    serving: BTreeMap<InstanceName, bool>,
    leader: Option<InstanceName>,
}

impl World {
    fn elect(&mut self) {
        let serves = |name: &InstanceName| self.serving.get(name) == Some(&true);
        if self.leader.as_ref().is_none_or(|leader| !serves(leader)) {
            self.leader = self.serving.keys().find(|name| serves(name)).cloned();
        }
    }
}

/// What a driver does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    SaysStoppedIsReady,
    HangsOnFrozen,
    ChangesIds,
    OnlySaysItMoved,
    MovesFromFollowers,
    HangsWhileMoving,
}

struct FakeDriver {
    world: Arc<Mutex<World>>,
    fault: Fault,
    probes: AtomicU64,
}

#[async_trait]
impl PackDriver for FakeDriver {
    fn name(&self) -> PackName {
        PackName::new("fake").unwrap()
    }

    async fn probe(&self, instance: &InstanceContext) -> MemberView {
        let probe = self.probes.fetch_add(1, Ordering::Relaxed);
        let name = &instance.instance;
        let (serves, known, leader) = {
            let world = self.world.lock().unwrap();
            (
                world.serving.get(name) == Some(&true),
                world.serving.contains_key(name),
                world.leader.clone(),
            )
        };
        if !serves {
            if self.fault == Fault::HangsOnFrozen && known {
                pending::<()>().await;
            }
            let readiness = if self.fault == Fault::SaysStoppedIsReady {
                Readiness::Ready
            } else {
                Readiness::NotReady { reason: "stopped".to_owned() }
            };
            return MemberView { readiness, member: None };
        }
        let member_id =
            if self.fault == Fault::ChangesIds { probe.to_string() } else { name.to_string() };
        let role =
            if leader.as_ref() == Some(name) { MemberRole::Leader } else { MemberRole::Follower };
        let member = MemberObservation {
            member_id,
            role,
            leader_id: leader.map(|leader| leader.to_string()),
            term: 1,
            committed_index: 1,
            applied_index: 1,
            version: "1".to_owned(),
            voters: 3,
        };
        MemberView { readiness: Readiness::Ready, member: Some(member) }
    }

    fn leadership(&self) -> Option<&dyn LeadershipTransfer> {
        Some(self)
    }
}

#[async_trait]
impl LeadershipTransfer for FakeDriver {
    async fn transfer_leadership(
        &self,
        _via: &InstanceContext,
        away_from: &InstanceName,
        to: &InstanceName,
    ) -> Result<String, DriverError> {
        if self.fault == Fault::HangsWhileMoving {
            pending::<()>().await;
        }
        let mut world = self.world.lock().unwrap();
        let leads = world.leader.as_ref() == Some(away_from);
        if !leads && self.fault != Fault::MovesFromFollowers {
            return Ok("it does not lead".to_owned());
        }
        if self.fault == Fault::MovesFromFollowers && !leads {
            world.leader = Some(away_from.clone());
        } else if world.serving.get(to) != Some(&true) || to == away_from {
            return Err(DriverError::Refused(Refusal::new(codes::MEMBER_ACTION_FAILED, "no")));
        } else if self.fault != Fault::OnlySaysItMoved {
            world.leader = Some(to.clone());
        }
        Ok("moved".to_owned())
    }
}

struct FakeEnvironment {
    world: Arc<Mutex<World>>,
    names: Vec<InstanceName>,
    now_ms: AtomicU64,
}

impl FakeEnvironment {
    fn set(&mut self, instance: &InstanceName, serves: Option<bool>) -> Result<(), String> {
        let mut world = self.world.lock().unwrap();
        match serves {
            Some(serves) => world.serving.insert(instance.clone(), serves),
            None => world.serving.remove(instance),
        };
        world.elect();
        Ok(())
    }
}

#[async_trait]
impl ConformanceEnvironment for FakeEnvironment {
    fn instances(&self) -> Vec<InstanceName> {
        self.names.clone()
    }

    fn context(&self, instance: &InstanceName) -> InstanceContext {
        InstanceContext {
            component: ComponentSpec {
                name: ComponentName::new("x").unwrap(),
                pack: PackName::new("fake").unwrap(),
                instances: Vec::new(),
                settings: BTreeMap::new(),
            },
            instance: instance.clone(),
            addresses: BTreeMap::new(),
            folder: PathBuf::new(),
        }
    }

    async fn start(&mut self, instance: &InstanceName) -> Result<(), String> {
        self.set(instance, Some(true))
    }

    async fn stop(&mut self, instance: &InstanceName) -> Result<(), String> {
        self.set(instance, None)
    }

    async fn kill(&mut self, instance: &InstanceName) -> Result<(), String> {
        self.set(instance, None)
    }

    async fn freeze(&mut self, instance: &InstanceName) -> Result<(), String> {
        self.set(instance, Some(false))
    }

    async fn thaw(&mut self, instance: &InstanceName) -> Result<(), String> {
        self.set(instance, Some(true))
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.now_ms.load(Ordering::Relaxed))
    }

    async fn pause(&self, duration: Duration) {
        let add_ms = u64::try_from(duration.as_millis()).unwrap();
        self.now_ms.fetch_add(add_ms, Ordering::Relaxed);
    }
}

fn play(members: usize, fault: Fault) -> Result<Vec<&'static str>, Violation> {
    let world = Arc::new(Mutex::new(World::default()));
    let driver = FakeDriver { world: world.clone(), fault, probes: AtomicU64::new(0) };
    let names =
        (1..=members).map(|number| InstanceName::new(format!("x-{number}")).unwrap()).collect();
    let mut environment = FakeEnvironment { world, names, now_ms: AtomicU64::new(0) };
    let mut suite = pin!(check_driver(&driver, &mut environment));
    // Made-up time never waits, so that one poll plays the whole suite.
    match suite.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the suite waits for something that is not the time"),
    }
}

#[test]
fn an_honest_driver_conforms() {
    let held = play(3, Fault::None).unwrap();
    assert_eq!(held.len(), 12, "{held:#?}");
    assert_eq!(held.first(), Some(&"an instance that was never started is not ready"));
    assert_eq!(held.last(), Some(&"a stopped instance is seen not to serve"));
    let held = play(1, Fault::None).unwrap();
    assert!(held.contains(&"a single member keeps its leadership, and the refusal says so"));
}

#[test]
fn a_dishonest_driver_is_caught() {
    let table = [
        (
            Fault::SaysStoppedIsReady,
            "an instance that was never started is not ready: `x-1` is said to be ready",
        ),
        (
            Fault::HangsOnFrozen,
            "a frozen instance is seen not to serve, and to serve again once it goes on: probing `x-3` took more than 10s",
        ),
        (Fault::ChangesIds, "a member has the same id each time, and no other member has it: "),
        (
            Fault::OnlySaysItMoved,
            "leadership moves to the preferred member, through any member: `x-1` leads, not `x-2`",
        ),
        (
            Fault::MovesFromFollowers,
            "a member that does not lead has nothing to hand over: `x-2` leads, not `x-1`",
        ),
        (
            Fault::HangsWhileMoving,
            "a member that does not lead has nothing to hand over: moving leadership took more than 10s",
        ),
    ];
    for (fault, words) in table {
        let violation = play(3, fault).unwrap_err().to_string();
        assert!(violation.starts_with(words), "{violation}");
    }
}
