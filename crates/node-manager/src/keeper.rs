//! The orders of this host: judged, written down, and only then handed to the actors.

use std::{
    collections::BTreeMap, fs, panic::AssertUnwindSafe, path::PathBuf, sync::Arc, time::Duration,
};

use futures_util::FutureExt;
use quorate_model::{DesiredInstance, InstanceName};
use quorate_pack::InstanceContext;
use tokio::{sync::watch, task::JoinSet};
use tracing::{error, info, warn};

use crate::{
    NodeManagerError,
    disk::{blocking, make_folder, read_record, write_record},
    instance::{Actor, Host, context_of},
    order::{Obeyed, OrderKey, Verdict},
};

/// How long an actor that panicked is left alone.
const PANIC_PAUSE: Duration = Duration::from_secs(1);

/// One instance that was ever ordered here.
struct Kept {
    obeyed: Obeyed,
    orders: watch::Sender<Option<DesiredInstance>>,
}

/// Runs an instance's actor. One that panics is a bug, and no reason to leave its instance alone.
async fn act(
    host: Arc<Host>,
    name: InstanceName,
    folder: PathBuf,
    orders: watch::Receiver<Option<DesiredInstance>>,
    last: DesiredInstance,
) {
    loop {
        let (host, orders, last) = (Arc::clone(&host), orders.clone(), last.clone());
        let actor = Actor::new(host, name.clone(), folder.clone(), orders, last);
        // Everything that an actor shares is replaced whole, so nothing half-done is left.
        if AssertUnwindSafe(actor.run()).catch_unwind().await.is_ok() {
            return;
        }
        error!(instance = %name, "the instance's actor panicked and begins anew");
        tokio::time::sleep(PANIC_PAUSE).await;
    }
}

/// All instances of this host. Dropping it ends the actors and leaves every process as it is.
pub(crate) struct Keeper {
    folder: PathBuf,
    host: Arc<Host>,
    kept: BTreeMap<InstanceName, Kept>,
    actors: JoinSet<()>,
}

impl Keeper {
    /// Takes up the instances in `folder` as last ordered. Must be called in an async runtime.
    pub(crate) fn open(folder: PathBuf, host: Arc<Host>) -> Result<Self, NodeManagerError> {
        make_folder(&folder)?;
        let mut keeper = Self { folder, host, kept: BTreeMap::new(), actors: JoinSet::new() };
        for (name, obeyed) in keeper.records()? {
            info!(
                instance = %name, run = ?obeyed.desired.run, released = obeyed.released,
                order = %OrderKey::of(&obeyed.desired), "the instance is kept as last ordered"
            );
            keeper.take_up(name, obeyed);
        }
        Ok(keeper)
    }

    fn records(&self) -> Result<Vec<(InstanceName, Obeyed)>, NodeManagerError> {
        let fail =
            |source| NodeManagerError::Folder { action: "read", path: self.folder.clone(), source };
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(fail)? {
            let entry = entry.map_err(fail)?.file_name();
            let Some(name) = entry.to_str().and_then(|text| InstanceName::new(text).ok()) else {
                continue;
            };
            match read_record::<Obeyed>(&self.record_path(&name)) {
                Ok(Some(obeyed)) if obeyed.desired.instance == name => records.push((name, obeyed)),
                Ok(_) => {}
                Err(error @ NodeManagerError::ReadRecord { .. }) => {
                    // The masters' record still fences by epoch and term, so the next list may
                    // be believed.
                    error!(
                        instance = %name, %error,
                        "the instance's order is lost; it is left as it is until it is ordered anew"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }

    fn take_up(&mut self, name: InstanceName, obeyed: Obeyed) {
        let order = (!obeyed.released).then(|| obeyed.desired.clone());
        let (orders, followed) = watch::channel(order);
        let folder = self.instance_folder(&name);
        let (host, last) = (Arc::clone(&self.host), obeyed.desired.clone());
        self.actors.spawn(act(host, name.clone(), folder, followed, last));
        self.kept.insert(name, Kept { obeyed, orders });
    }

    /// Obeys a leader's list: each order unless a higher one was obeyed before; an instance that
    /// is not in it any more is left alone, if the list is `complete`. An order counts as obeyed
    /// once it is on disk.
    ///
    /// # Errors
    /// The first record that could not be written. All other orders are obeyed; the list may be
    /// obeyed again.
    pub(crate) async fn obey(
        &mut self,
        list: &[DesiredInstance],
        complete: bool,
    ) -> Result<(), NodeManagerError> {
        let mut result = Ok(());
        for order in list {
            let former = self.kept.get(&order.instance).map(|kept| &kept.obeyed);
            match Obeyed::judge(former, order) {
                Verdict::Known => {}
                Verdict::Obey => {
                    let kept = self.keep(Obeyed::new(order.clone())).await;
                    result = result.and(kept);
                }
                Verdict::Refuse => warn!(
                    instance = %order.instance, order = %OrderKey::of(order),
                    obeyed = %former.map(|it| OrderKey::of(&it.desired).to_string()).unwrap_or_default(),
                    "an order is refused: a higher one was obeyed before"
                ),
            }
        }
        if complete {
            let gone: Vec<Obeyed> = self
                .kept
                .iter()
                .filter(|(name, kept)| {
                    !kept.obeyed.released && list.iter().all(|order| order.instance != **name)
                })
                .map(|(_, kept)| kept.obeyed.clone().released())
                .collect();
            for released in gone {
                warn!(
                    instance = %released.desired.instance,
                    "the leader lists the instance no more: whatever runs is left alone"
                );
                let kept = self.keep(released).await;
                result = result.and(kept);
            }
        }
        result
    }

    /// Writes an order down, then tells its actor.
    async fn keep(&mut self, obeyed: Obeyed) -> Result<(), NodeManagerError> {
        let name = obeyed.desired.instance.clone();
        let (folder, path) = (self.instance_folder(&name), self.record_path(&name));
        let record = obeyed.clone();
        let written = blocking(move || {
            make_folder(&folder)?;
            write_record(&path, &record)
        });
        // `None` means that the runtime is shutting down.
        written.await.unwrap_or(Ok(()))?;
        match self.kept.get_mut(&name) {
            Some(kept) => {
                kept.orders.send_replace((!obeyed.released).then(|| obeyed.desired.clone()));
                kept.obeyed = obeyed;
            }
            None => self.take_up(name, obeyed),
        }
        Ok(())
    }

    /// What a driver is told of an instance; `None` when it is not kept here.
    pub(crate) fn context(&self, instance: &InstanceName) -> Option<InstanceContext> {
        let kept = self.kept.get(instance).filter(|kept| !kept.obeyed.released)?;
        Some(context_of(&kept.obeyed.desired, self.instance_folder(instance)))
    }

    fn instance_folder(&self, instance: &InstanceName) -> PathBuf {
        self.folder.join(instance.as_str())
    }

    fn record_path(&self, instance: &InstanceName) -> PathBuf {
        self.instance_folder(instance).join("obeyed.json")
    }
}
