//! The suite every driver passes on a real instance of its component.
//!
//! The suite does no I/O itself: a [`ConformanceEnvironment`] starts and ends real processes and
//! keeps the time. Each scenario is a sentence; [`check_driver`] plays them in order and returns
//! the sentences that hold, or the first that does not and what was seen instead.
//!
//! The component under test must be able to say that it does not serve: a process without a
//! readiness question cannot pass.

use std::{collections::BTreeSet, fmt, future::poll_fn, pin::pin, task::Poll, time::Duration};

use async_trait::async_trait;
use quorate_model::{InstanceName, MemberObservation, MemberRole, Readiness};

use crate::{DriverError, InstanceContext, LeadershipTransfer, MemberView, PackDriver};

/// Every call of a driver returns within this time.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// An instance that has ended is seen not to serve within this time.
const LOSS_LIMIT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);

/// Real instances of one component, and the time.
#[async_trait]
pub trait ConformanceEnvironment: Send + Sync {
    /// All instances, in the order of the specification. None of them runs at first.
    fn instances(&self) -> Vec<InstanceName>;

    /// What the driver is told of an instance.
    fn context(&self, instance: &InstanceName) -> InstanceContext;

    /// Starts the process and returns at once; the error is in words, here and below.
    async fn start(&mut self, instance: &InstanceName) -> Result<(), String>;

    /// Asks the process to stop, and returns when it has ended.
    async fn stop(&mut self, instance: &InstanceName) -> Result<(), String>;

    /// Kills the process (SIGKILL), and returns when it has ended.
    async fn kill(&mut self, instance: &InstanceName) -> Result<(), String>;

    /// Freezes the process (SIGSTOP): it keeps its connections and answers nothing.
    async fn freeze(&mut self, instance: &InstanceName) -> Result<(), String>;

    /// Lets a frozen process go on (SIGCONT).
    async fn thaw(&mut self, instance: &InstanceName) -> Result<(), String>;

    /// The time since some fixed moment.
    fn now(&self) -> Duration;

    /// Waits.
    async fn pause(&self, duration: Duration);

    /// How long all instances together may take from their start until they are ready.
    fn start_limit(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// A scenario that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{scenario}: {seen}")]
pub struct Violation {
    /// The scenario, as a sentence.
    pub scenario: &'static str,
    /// What was seen instead.
    pub seen: String,
}

/// Plays every scenario that applies to the driver; all instances are stopped at the end.
/// Returns the scenarios that hold, in order.
///
/// # Errors
/// The first scenario that does not hold, or during which the environment failed. The instances
/// are then left as they are.
pub async fn check_driver(
    driver: &dyn PackDriver,
    environment: &mut dyn ConformanceEnvironment,
) -> Result<Vec<&'static str>, Violation> {
    let mut suite = Suite { driver, environment, scenario: None, held: Vec::new() };
    match suite.play().await {
        Ok(()) => {
            suite.held.extend(suite.scenario);
            Ok(suite.held)
        }
        Err(seen) => {
            Err(Violation { scenario: suite.scenario.unwrap_or("the suite begins"), seen })
        }
    }
}

struct Suite<'a> {
    driver: &'a dyn PackDriver,
    environment: &'a mut dyn ConformanceEnvironment,
    /// The one being played.
    scenario: Option<&'static str>,
    held: Vec<&'static str>,
}

/// What was seen instead of what should be.
type Seen<T = ()> = Result<T, String>;

impl Suite<'_> {
    async fn play(&mut self) -> Seen {
        let all = self.environment.instances();
        let Some(last) = all.last().cloned() else {
            return Err("the environment has no instance".to_owned());
        };

        self.begin("an instance that was never started is not ready");
        for instance in &all {
            self.expect_not_ready(instance).await?;
        }

        self.begin("a started instance becomes ready");
        for instance in &all {
            self.environment.start(instance).await?;
        }
        self.await_ready(&all).await?;

        self.begin("a member has the same id each time, and no other member has it");
        let ids = self.member_ids(&all).await?;
        if ids != self.member_ids(&all).await? {
            return Err(format!("the ids changed from {ids:?}"));
        }
        let distinct: BTreeSet<&String> = ids.iter().flatten().collect();
        if distinct.len() != ids.iter().flatten().count() {
            return Err(format!("two members share an id: {ids:?}"));
        }

        if let Some(leadership) = self.driver.leadership() {
            self.play_leadership(leadership, &all).await?;
        }

        self.begin("a frozen instance is seen not to serve, and to serve again once it goes on");
        self.environment.freeze(&last).await?;
        self.await_not_ready(&last).await?;
        self.environment.thaw(&last).await?;
        self.await_ready(&all).await?;

        self.begin("a killed instance is seen not to serve");
        self.environment.kill(&last).await?;
        self.await_not_ready(&last).await?;

        self.begin("an instance that was killed and started again is ready, with the same id");
        self.environment.start(&last).await?;
        self.await_ready(&all).await?;
        let after = self.member_ids(&all).await?;
        if after != ids {
            return Err(format!("the ids changed from {ids:?} to {after:?}"));
        }

        self.begin("a stopped instance is seen not to serve");
        for instance in &all {
            self.environment.stop(instance).await?;
            self.await_not_ready(instance).await?;
        }
        Ok(())
    }

    async fn play_leadership(
        &mut self,
        leadership: &dyn LeadershipTransfer,
        all: &[InstanceName],
    ) -> Seen {
        self.begin("one member leads, and all agree which");
        let leader = self.await_one_leader(all).await?;
        let [follower, ..] = &others(all, &[&leader])[..] else {
            // A single member has nobody to hand its leadership to.
            self.begin("a single member keeps its leadership, and the refusal says so");
            return match self.transfer(leadership, &leader, &leader, &leader).await? {
                Ok(seen) => Err(format!("the answer was: {seen}")),
                Err(_) => Ok(()),
            };
        };

        self.begin("a member that does not lead has nothing to hand over");
        self.transfer(leadership, follower, follower, &leader).await?.map_err(in_words)?;
        self.expect_leader(all, &leader).await?;

        self.begin("leadership moves to the preferred member, through any member");
        self.transfer(leadership, follower, &leader, follower).await?.map_err(in_words)?;
        self.expect_leader(all, follower).await?;

        self.begin("moving leadership twice is moving it once");
        self.transfer(leadership, follower, &leader, follower).await?.map_err(in_words)?;
        self.expect_leader(all, follower).await?;

        let leader = follower.clone();
        if let [stopped, _, ..] = &others(all, &[&leader])[..] {
            self.begin("with the preferred member stopped, leadership moves elsewhere or stays");
            self.environment.stop(stopped).await?;
            let running = others(all, &[stopped]);
            self.await_ready(&running).await?;
            let answer = self.transfer(leadership, &leader, &leader, stopped).await?;
            let now_leads = self.await_one_leader(&running).await?;
            if let Ok(seen) = answer
                && now_leads == leader
            {
                return Err(format!("`{leader}` leads still, and the answer was: {seen}"));
            }
            self.environment.start(stopped).await?;
            self.await_ready(all).await?;
        }
        Ok(())
    }

    fn begin(&mut self, scenario: &'static str) {
        self.held.extend(self.scenario.replace(scenario));
    }

    async fn probe(&self, instance: &InstanceName) -> Seen<MemberView> {
        let context = self.environment.context(instance);
        within(self.environment, CALL_LIMIT, self.driver.probe(&context))
            .await
            .ok_or_else(|| format!("probing `{instance}` took more than {CALL_LIMIT:?}"))
    }

    async fn transfer(
        &self,
        leadership: &dyn LeadershipTransfer,
        via: &InstanceName,
        away_from: &InstanceName,
        to: &InstanceName,
    ) -> Seen<Result<String, DriverError>> {
        let context = self.environment.context(via);
        let call = leadership.transfer_leadership(&context, away_from, to);
        within(self.environment, CALL_LIMIT, call)
            .await
            .ok_or_else(|| format!("moving leadership took more than {CALL_LIMIT:?}"))
    }

    async fn expect_not_ready(&self, instance: &InstanceName) -> Seen {
        match self.probe(instance).await?.readiness {
            Readiness::Ready => Err(format!("`{instance}` is said to be ready")),
            Readiness::NotReady { .. } | Readiness::Unknown { .. } => Ok(()),
        }
    }

    async fn await_not_ready(&self, instance: &InstanceName) -> Seen {
        let until = self.environment.now() + LOSS_LIMIT;
        loop {
            let seen = self.expect_not_ready(instance).await;
            if seen.is_ok() || self.environment.now() >= until {
                return seen;
            }
            self.environment.pause(POLL).await;
        }
    }

    async fn await_ready(&self, instances: &[InstanceName]) -> Seen {
        let until = self.environment.now() + self.environment.start_limit();
        for instance in instances {
            loop {
                let view = self.probe(instance).await?;
                if view.readiness == Readiness::Ready {
                    break;
                }
                if self.environment.now() >= until {
                    return Err(format!("`{instance}` is not ready: {:?}", view.readiness));
                }
                self.environment.pause(POLL).await;
            }
        }
        Ok(())
    }

    async fn member_ids(&self, instances: &[InstanceName]) -> Seen<Vec<Option<String>>> {
        let mut ids = Vec::new();
        for instance in instances {
            ids.push(self.probe(instance).await?.member.map(|member| member.member_id));
        }
        Ok(ids)
    }

    /// The leader, once all of `instances` agree on it; it has the time that a start has.
    async fn await_one_leader(&self, instances: &[InstanceName]) -> Seen<InstanceName> {
        let until = self.environment.now() + self.environment.start_limit();
        loop {
            let mut members = Vec::new();
            for instance in instances {
                members.push((instance, self.probe(instance).await?.member));
            }
            if let Some(leader) = agreed_leader(&members) {
                return Ok(leader.clone());
            }
            if self.environment.now() >= until {
                return Err(format!("the members do not agree on a leader: {members:?}"));
            }
            self.environment.pause(POLL).await;
        }
    }

    async fn expect_leader(&self, instances: &[InstanceName], expected: &InstanceName) -> Seen {
        let leader = self.await_one_leader(instances).await?;
        if leader == *expected {
            Ok(())
        } else {
            Err(format!("`{leader}` leads, not `{expected}`"))
        }
    }
}

/// The member that leads, when each says so of it, and only it of itself.
fn agreed_leader<'a>(
    members: &[(&'a InstanceName, Option<MemberObservation>)],
) -> Option<&'a InstanceName> {
    let mut leaders = members.iter().filter(|(_, member)| {
        member.as_ref().is_some_and(|member| member.role == MemberRole::Leader)
    });
    let (name, leader) = leaders.next()?;
    let id = Some(&leader.as_ref()?.member_id);
    let agreed = members
        .iter()
        .all(|(_, member)| member.as_ref().and_then(|member| member.leader_id.as_ref()) == id);
    (leaders.next().is_none() && agreed).then_some(*name)
}

fn others(all: &[InstanceName], without: &[&InstanceName]) -> Vec<InstanceName> {
    all.iter().filter(|name| !without.contains(name)).cloned().collect()
}

fn in_words(error: impl fmt::Display) -> String {
    format!("the driver answered: {error}")
}

/// The call's answer, or `None` when the limit is over before.
async fn within<T>(
    environment: &dyn ConformanceEnvironment,
    limit: Duration,
    call: impl Future<Output = T>,
) -> Option<T> {
    let mut call = pin!(call);
    let mut timer = environment.pause(limit);
    poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => timer.as_mut().poll(context).map(|()| None),
    })
    .await
}
