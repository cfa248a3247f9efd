//! Recovery from a lost quorum in the simulation: a majority dies or is cut off for good, the
//! survivors go on by the product's own plan and become three or five again, and the written-off
//! masters come back with their old disks and have no power.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use openraft::{AsyncRuntime, async_runtime::watch::WatchReceiver, type_config::TypeConfigExt};
use openraft_rt_sim::SimRuntime;
use quorate_model::{LogIndex, NodeId, Term, Timestamp, majority};
use quorate_plan::recovery::{
    LogPosition, Part, RECOVERY_FORMAT, RecoveryPlan, RecoveryReport, StateSummary, VoteSeen,
    decide,
};
use quorate_state::Proposal;

use super::{
    SimConfig as C, SimRaft,
    network::Client,
    operator::{self, Wish},
    scenario::{OwnEpoch, Run, locked},
    world::World,
};
use crate::{Held, Place, inspect, rebuild};

/// How long a node waits for those that do not say which epoch they are in, as in the product.
const ASKING: Duration = Duration::from_secs(3);
/// How long a master of an ended epoch may go on unknowing.
const TOLD: Duration = Duration::from_secs(20);
/// How long a cluster of which nothing is lost may be without a leader.
const LEADERLESS: Duration = Duration::from_secs(20);
/// As long as any client waits for its write.
const WRITES_END: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What recoveries there were.
#[derive(Debug, Clone, Default)]
pub(super) struct Recoveries {
    pub(super) made: u64,
    /// Acknowledged writes that were lost, as the plan said they might be.
    pub(super) lost_writes: u64,
    /// Masters that were told that their epoch has ended.
    pub(super) told: u64,
    /// Whom all plans together wrote off.
    pub(super) written_off: BTreeSet<NodeId>,
}

/// How a majority is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Its masters die one after the other.
    Dead,
    /// Nobody hears of it any more, but it lives, and goes on by itself.
    SetAside,
}

impl Run {
    pub(super) fn three_or_five(&self) -> u64 {
        3 + 2 * self.world.roll(2)
    }

    /// Loses a majority for good while a change of the membership may be under way, recovers,
    /// becomes three or five again, and lets the lost ones come back.
    pub(super) async fn recover(&mut self) -> Result<(), String> {
        let leader = self.some_leader().await?;
        let voters = operator::members(&leader).voters;
        let mut lost = self.some_majority(&voters);
        let loss = if self.world.roll(2) == 0 { Loss::Dead } else { Loss::SetAside };
        self.world.note(format_args!("of {voters:?} are lost {lost:?}: {loss:?}"));
        let changing = self.lose(&voters, &lost, loss).await?;
        // Whoever is no member any more is never started again.
        if let Some((Wish::Remove(gone), true)) = changing {
            self.crash(gone).await;
            lost.retain(|node| *node != gone);
        }
        let mut survivors: Vec<u64> =
            self.masters.keys().copied().filter(|node| !lost.contains(node)).collect();
        for node in &survivors {
            self.crash(*node).await;
        }
        // Whoever waited for a write of a survivor has heard of its end.
        C::sleep(WRITES_END).await;

        let mut held = BTreeMap::new();
        for node in &survivors {
            held.insert(*node, self.collect(*node)?);
        }
        let reports = |held: &BTreeMap<u64, (Held, RecoveryReport)>| -> Vec<RecoveryReport> {
            held.values().map(|(_, report)| report.clone()).collect()
        };
        let plan = match (decide(&reports(&held)), changing) {
            // It joined in entries that are lost, or left in entries that are not: as the plan
            // says, its report is left out.
            (Err(_), Some((Wish::Join(it) | Wish::Remove(it), _))) if survivors.contains(&it) => {
                self.world.note(format_args!("the report of n{it} is left out"));
                survivors.retain(|node| *node != it);
                held.remove(&it);
                decide(&reports(&held))
            }
            (decided, _) => decided,
        };
        if let (true, Some((Wish::Remove(gone), _))) = (held.is_empty(), changing) {
            // The only one that survived had left: nobody knows anything that could go on, and
            // those that are all there is come back.
            self.world.note(format_args!("n{gone} was removed, and alone survived"));
            return self.undo_loss(&lost, loss).await;
        }
        let plan = plan.map_err(|refusals| format!("no plan: {refusals:?}"))?;
        self.world.note(format_args!(
            "plan {} keeps {}, writes off {:?}, term {}, may lose: {}",
            plan.short_hash(),
            plan.keeper.node,
            plan.written_off.iter().map(|gone| gone.node.0).collect::<Vec<_>>(),
            plan.term,
            plan.may_lose
        ));
        self.forget_what_is_lost(&plan, &held)?;
        self.world.begin_epoch(plan.begins);
        self.recoveries.written_off.extend(plan.written_off.iter().map(|gone| gone.node));
        self.go_on(&plan, &held).await?;

        // Whoever died can wake up at any time, and is told if it asks somebody who has gone on;
        // those that were set aside come back once.
        let mut away = lost.clone();
        if loss == Loss::Dead && self.world.roll(2) == 0 {
            let asked = self.asked_survivors(&plan, &lost)?;
            let early: Vec<u64>;
            (early, away) = lost
                .iter()
                .copied()
                .partition(|node| asked.get(node).is_some_and(|survivors| !survivors.is_empty()));
            self.come_back(&plan, &early, loss).await?;
        }
        for survivor in &plan.rejoin {
            self.rejoin(&plan, survivor.node.0).await?;
        }
        let wanted = self.three_or_five();
        while self.recovered().len() < usize::try_from(wanted).unwrap_or_default() {
            let node = self.start_new().await?;
            self.join(node).await?;
        }
        if !away.is_empty() {
            self.come_back(&plan, &away, loss).await?;
        }
        self.recoveries.made += 1;
        Ok(())
    }

    /// The masters of the newest epoch that run.
    fn recovered(&self) -> Vec<u64> {
        let newest = self.world.epoch();
        let is_new = |node: &u64| self.world.epoch_of(*node) == Some(newest);
        self.masters.keys().copied().filter(is_new).collect()
    }

    async fn some_leader(&self) -> Result<SimRaft, String> {
        let looking = async {
            loop {
                if let Some(leader) = self.world.leader() {
                    return leader;
                }
                C::sleep(LOOK_EVERY).await;
            }
        };
        C::timeout(LEADERLESS, looking).await.map_err(|_| "nobody leads".to_owned())
    }

    fn some_majority(&self, voters: &[u64]) -> Vec<u64> {
        let mut left = voters.to_vec();
        let mut lost = Vec::new();
        while lost.len() < majority(voters.len()) {
            let which = usize::try_from(self.world.roll(left.len() as u64)).unwrap_or(0);
            lost.push(left.swap_remove(which));
        }
        lost
    }

    /// The loss, and the wish that was being fulfilled meanwhile, if any, and whether it was.
    async fn lose(
        &mut self,
        voters: &[u64],
        lost: &[u64],
        loss: Loss,
    ) -> Result<Option<(Wish, bool)>, String> {
        let mut changing = None;
        if self.world.roll(2) == 0 {
            let wish = self.some_wish(voters).await?;
            let patience = self.world.delay(50_000, 2_000_000);
            let fulfilling = operator::fulfil(self.world.clone(), wish, patience);
            changing = Some((wish, SimRuntime::spawn(fulfilling)));
        }
        C::sleep(self.world.delay(1_000, 400_000)).await;
        match loss {
            Loss::Dead => {
                for node in lost {
                    self.crash(*node).await;
                    C::sleep(self.world.delay(1_000, 400_000)).await;
                }
            }
            Loss::SetAside => {
                let others: Vec<u64> = (1..self.next_id).filter(|it| !lost.contains(it)).collect();
                self.world.wall(both_ways(lost, &others));
            }
        }
        C::sleep(self.world.delay(10_000, 3_000_000)).await;
        match changing {
            None => Ok(None),
            Some((wish, fulfilling)) => {
                let done = fulfilling.await.map_err(|error| error.to_string())?;
                Ok(Some((wish, done)))
            }
        }
    }

    /// Those that were lost are back as they were, all that there is of the cluster.
    async fn undo_loss(&mut self, lost: &[u64], loss: Loss) -> Result<(), String> {
        match loss {
            Loss::Dead => {
                for node in lost {
                    self.start(*node).await?;
                }
            }
            Loss::SetAside => self.world.wall(BTreeSet::new()),
        }
        Ok(())
    }

    fn place(&self, node: u64) -> Place {
        Place {
            cluster: self.cluster,
            node: NodeId(node),
            folder: self.folder.join(format!("n{node}")),
            keyring: self.keyring.clone(),
        }
    }

    /// As `recover collect` does it.
    fn collect(&self, node: u64) -> Result<(Held, RecoveryReport), String> {
        let held = inspect(&self.place(node)).map_err(|error| error.to_string())?;
        let position = |(term, index): (Term, LogIndex)| LogPosition { term, index };
        let (term, voted_for, elected) = held.vote.unwrap_or((Term(0), NodeId(0), false));
        let report = RecoveryReport {
            format: RECOVERY_FORMAT,
            cluster: self.cluster,
            node: NodeId(node),
            name: format!("n{node}"),
            epoch: self.epochs.get(&node).cloned().unwrap_or_default().epoch,
            version: "sim".to_owned(),
            vote: VoteSeen { term, node: voted_for, elected },
            last_log: held.last_log.map(position),
            committed: held.committed.map(position),
            applied: held.committed.map(|(_, index)| index),
            snapshot: held.snapshot,
            voters: held.voters.clone(),
            members: held.members.clone(),
            state: StateSummary::of(&held.state).map_err(|error| error.to_string())?,
            digest: String::new(),
        };
        Ok((held, report.sealed()))
    }

    /// Acknowledged writes may be lost where the plan says so, but none that a survivor knew to be
    /// acknowledged.
    fn forget_what_is_lost(
        &mut self,
        plan: &RecoveryPlan,
        held: &BTreeMap<u64, (Held, RecoveryReport)>,
    ) -> Result<(), String> {
        let known = held.values().filter_map(|(held, _)| held.committed).map(|(_, index)| index.0);
        let known = known.max();
        let Some((keeper, _)) = held.get(&plan.keeper.node.0) else {
            return Err("the keeper is no survivor".to_owned());
        };
        let settings = &keeper.state.metadata.settings;
        let kept: BTreeSet<String> = settings.keys().map(ToString::to_string).collect();
        let mut acknowledged = locked(&self.acknowledged);
        let gone: Vec<(String, u64)> = acknowledged
            .iter()
            .filter(|(key, _)| !kept.contains(*key))
            .map(|(key, (_, index))| (key.clone(), *index))
            .collect();
        for (key, index) in gone {
            if Some(index) <= known || !plan.may_lose {
                return Err(format!("{key}, acknowledged at {index}, is lost without a word"));
            }
            acknowledged.remove(&key);
            self.recoveries.lost_writes += 1;
            self.world.note(format_args!("write {key} at {index} is lost with the majority"));
        }
        Ok(())
    }

    /// The keeper goes on with all that it holds, in the new epoch, alone.
    async fn go_on(
        &mut self,
        plan: &RecoveryPlan,
        held: &BTreeMap<u64, (Held, RecoveryReport)>,
    ) -> Result<(), String> {
        let keeper = plan.keeper.node.0;
        self.apply(plan, keeper)?;
        let (after, _) = self.collect(keeper)?;
        let before = held.get(&keeper).map(|(held, _)| held);
        let settings = |held: &Held| held.state.metadata.settings.clone();
        if before.map(settings) != Some(settings(&after)) {
            return Err(format!("n{keeper} does not go on with what it held"));
        }
        if after.state.epoch != plan.begins || after.voters != [[NodeId(keeper)].into()] {
            return Err(format!("n{keeper} is not alone in epoch {}", plan.begins));
        }
        self.start(keeper).await
    }

    /// As `recover apply` does it: the old folder is put aside.
    fn apply(&mut self, plan: &RecoveryPlan, node: u64) -> Result<(), String> {
        let said = |error: std::io::Error| error.to_string();
        let place = self.place(node);
        let new = self.folder.join(format!("n{node}.new"));
        let (_, fresh) = self.collect(node)?;
        match plan.fits(&fresh).map_err(|refusal| refusal.to_string())? {
            Part::Keeper => {
                let at_ms = u64::try_from(self.world.now_us() / 1000).unwrap_or(u64::MAX);
                let proposal = Proposal {
                    request_id: None,
                    at: Timestamp(at_ms),
                    principal: "system:recover".to_owned(),
                    command: plan.command(),
                    digest: None,
                    allowed_after: None,
                };
                rebuild(&place, &new, &plan.keeper.addr, plan.term, proposal)
                    .map_err(|error| error.to_string())?;
            }
            Part::Rejoin => fs::create_dir(&new).map_err(said)?,
        }
        let aside = self.folder.join(format!("n{node}.before-epoch-{}", plan.begins));
        fs::rename(&place.folder, aside).map_err(said)?;
        fs::rename(&new, &place.folder).map_err(said)?;
        let written_off = self.recoveries.written_off.clone();
        self.epochs.insert(node, OwnEpoch { epoch: plan.begins, written_off });
        Ok(())
    }

    /// A survivor whose log was not chosen comes back empty. Perhaps it was started before the plan
    /// was applied to it: then it was told, and is still as it was.
    async fn rejoin(&mut self, plan: &RecoveryPlan, node: u64) -> Result<(), String> {
        if self.world.roll(3) == 0 {
            self.wake(&[node]).await?;
        }
        self.apply(plan, node)?;
        self.start(node).await?;
        self.join(node).await
    }

    /// A master whose process runs gets a vote, whatever fails meanwhile.
    async fn join(&mut self, node: u64) -> Result<(), String> {
        let join =
            |run: &Self| operator::fulfil(run.world.clone(), Wish::Join(node), operator::PATIENCE);
        let joining = SimRuntime::spawn(join(self));
        if self.world.roll(2) == 0 {
            self.fault().await?;
        }
        let joined = joining.await.map_err(|error| error.to_string())?;
        if joined || join(self).await {
            return Ok(());
        }
        Err(format!("n{node} cannot join though nothing is wrong"))
    }

    /// The masters that `node` asks for their epoch: every member when it starts, and the other
    /// voters, for their votes, when it runs and hears no leader.
    fn asked_by(&self, node: u64) -> Result<BTreeSet<u64>, String> {
        Ok(match self.world.node(node) {
            Some(raft) => operator::members(&raft).voters.into_iter().collect(),
            None => self.collect(node)?.0.members.keys().map(|known| known.0).collect(),
        })
    }

    /// Of the survivors of the plan that have gone on, those that each of the lost ones asks. It
    /// asks nothing of somebody who was joining when it was cut off.
    fn asked_survivors(
        &self,
        plan: &RecoveryPlan,
        lost: &[u64],
    ) -> Result<BTreeMap<u64, Vec<u64>>, String> {
        let newest = self.recovered();
        let survivors: Vec<u64> = std::iter::once(&plan.keeper)
            .chain(&plan.rejoin)
            .map(|survivor| survivor.node.0)
            .filter(|node| newest.contains(node))
            .collect();
        lost.iter()
            .map(|node| {
                let asked = self.asked_by(*node)?;
                Ok((*node, survivors.iter().copied().filter(|it| asked.contains(it)).collect()))
            })
            .collect()
    }

    /// The lost ones are heard of again, and each learns that its epoch has ended. Not each of them
    /// reaches everybody, but each reaches one that it asks and that has gone on.
    async fn come_back(
        &mut self,
        plan: &RecoveryPlan,
        lost: &[u64],
        loss: Loss,
    ) -> Result<(), String> {
        let newest = self.recovered();
        let mut walls = BTreeSet::new();
        for (node, asked) in self.asked_survivors(plan, lost)? {
            let open = usize::try_from(self.world.roll(asked.len() as u64)).unwrap_or(0);
            let Some(open) = asked.get(open) else {
                return Err(format!("n{node} asks none of those that have gone on"));
            };
            for other in newest.iter().filter(|other| *other != open) {
                let ways = both_ways(&[node], &[*other]);
                walls.extend(ways.into_iter().filter(|_| self.world.roll(3) == 0));
            }
        }
        self.world.wall(walls);
        match loss {
            Loss::Dead => self.wake(lost).await?,
            Loss::SetAside => self.await_told(lost).await?,
        }
        self.world.wall(BTreeSet::new());
        Ok(())
    }

    /// Starts masters with their old disks, perhaps all at once: each is told that its epoch has
    /// ended before it can do anything.
    async fn wake(&mut self, nodes: &[u64]) -> Result<(), String> {
        self.world.set_powerless(nodes.iter().copied().collect());
        for node in nodes {
            self.start(*node).await?;
            C::sleep(self.world.delay(1_000, 40_000)).await;
        }
        self.await_told(nodes).await?;
        self.world.set_powerless(BTreeSet::new());
        Ok(())
    }

    async fn await_told(&mut self, nodes: &[u64]) -> Result<(), String> {
        let world = self.world.clone();
        // Whoever has lost its vote meanwhile talks to nobody, and can do nothing.
        let is_harmless = |node: u64| {
            let votes = |raft: SimRaft| operator::members(&raft).voters.contains(&node);
            world.has_ended(node) || !world.node(node).is_some_and(votes)
        };
        let told = async {
            while !nodes.iter().all(|node| is_harmless(*node)) {
                C::sleep(LOOK_EVERY).await;
            }
        };
        C::timeout(TOLD, told)
            .await
            .map_err(|_| format!("of {nodes:?} not all were told that their epoch has ended"))?;
        for node in nodes {
            self.recoveries.told += u64::from(self.world.has_ended(*node));
            self.crash(*node).await;
        }
        Ok(())
    }

    /// Every master is in the newest epoch, and knows who is dead.
    pub(super) fn check_recovered(&self) -> Result<(), String> {
        let newest = self.world.epoch();
        for (node, master) in &self.masters {
            let state = master.published.current();
            let tombstones = &state.metadata.tombstones;
            let mut written_off = self.recoveries.written_off.iter();
            if let Some(alive) = written_off.find(|gone| !tombstones.contains_key(*gone)) {
                return Err(format!("n{node} has no tombstone of {alive}"));
            }
            if state.epoch != newest {
                return Err(format!("n{node} is in epoch {}, not {newest}", state.epoch));
            }
        }
        Ok(())
    }
}

fn both_ways(some: &[u64], others: &[u64]) -> BTreeSet<(u64, u64)> {
    let pairs = some.iter().flat_map(|one| others.iter().map(move |other| (*one, *other)));
    pairs.flat_map(|(one, other)| [(one, other), (other, one)]).collect()
}

/// As in the product: a node stands for no election before it has asked every member it knows
/// which epoch that is in, and those that are silent for long are not waited for.
pub(super) async fn elect_when_asked(world: World, raft: SimRaft) {
    let this = *raft.node_id();
    let peers: Vec<u64> = {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        membership.nodes().map(|(id, _)| *id).filter(|id| *id != this).collect()
    };
    let asking: Vec<_> = peers
        .into_iter()
        .map(|target| Client { world: world.clone(), this, target })
        .map(|client| SimRuntime::spawn(client.ask_epoch()))
        .collect();
    let asked = async {
        for one in asking {
            drop(one.await);
        }
    };
    // Those that say nothing by then are not waited for.
    let _ = C::timeout(ASKING, asked).await;
    if !world.has_ended(this) {
        raft.runtime_config().elect(true);
    }
}
