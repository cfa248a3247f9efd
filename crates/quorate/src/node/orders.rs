//! Orders to this process: written down, then obeyed, once.
//!
//! A master reads its order in the replicated state; a node manager is told in its session. Both
//! come here. An order that is not newer than the last one written down is never obeyed, so that
//! a restart happens once, whoever repeats the order, and whenever this process dies.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quorate_control::Control;
use quorate_keyring::atomic_write;
use quorate_model::{Generation, NodeOrder, OrderKind, Refusal, codes};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{error, info};

use super::{Folders, os::refuse_file, reexec::Image};

/// How long an order that cannot be obeyed rests until it is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// The version of the record.
const VERSION: u32 = 1;

/// `orders.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    obeyed: Generation,
}

/// How this process shall end.
#[derive(Clone)]
pub(super) struct Ending {
    stop: watch::Sender<bool>,
    anew: Arc<AtomicBool>,
}

impl Ending {
    pub(super) fn new() -> Self {
        Self { stop: watch::Sender::new(false), anew: Arc::default() }
    }

    /// Turns true when the process shall stop.
    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// It shall end for good: a person, or a part that failed, says so. That outranks an order to
    /// begin anew.
    pub(super) fn end(&self) {
        self.anew.store(false, Ordering::SeqCst);
        self.stop.send_replace(true);
    }

    /// It shall stop and begin anew, unless it is ending already.
    fn restart(&self) {
        self.stop.send_if_modified(|stop| {
            if !*stop {
                self.anew.store(true, Ordering::SeqCst);
                *stop = true;
                return true;
            }
            false
        });
    }

    /// Whether it shall begin anew once it has stopped.
    pub(super) fn begins_anew(&self) -> bool {
        self.anew.load(Ordering::SeqCst)
    }
}

/// The orders of this process.
#[derive(Clone)]
pub(super) struct Orders {
    file: PathBuf,
    obeyed: Generation,
    newest: watch::Sender<Option<NodeOrder>>,
}

impl Orders {
    /// Reads what was obeyed before this process began.
    pub(super) fn open(folders: &Folders) -> Result<Self, Refusal> {
        let file = folders.orders_file();
        let obeyed = match std::fs::read(&file) {
            Ok(bytes) => {
                let record: Record = serde_json::from_slice(&bytes).map_err(|error| {
                    refuse_file("read", &file, &std::io::Error::other(error.to_string()))
                })?;
                if record.version > VERSION {
                    return Err(Refusal::new(
                        codes::FORMAT_TOO_NEW,
                        format!("{} is of a newer version", file.display()),
                    ));
                }
                record.obeyed
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Generation(0),
            Err(error) => return Err(refuse_file("read", &file, &error)),
        };
        Ok(Self { file, obeyed, newest: watch::Sender::new(None) })
    }

    /// The newest order that was obeyed before this process began.
    pub(super) const fn obeyed(&self) -> Generation {
        self.obeyed
    }

    /// Where orders are put, from whichever side they come.
    pub(super) fn inbox(&self) -> watch::Sender<Option<NodeOrder>> {
        self.newest.clone()
    }

    /// Takes up the orders in the replicated state, as long as it is there.
    pub(super) async fn read_state(self, control: Control) {
        let mut states = control.state_watch();
        loop {
            let order = {
                let state = states.borrow_and_update();
                state.metadata.nodes.get(&control.node()).and_then(|node| node.order.clone())
            };
            if let Some(order) = order {
                self.put(order);
            }
            if states.changed().await.is_err() {
                return;
            }
        }
    }

    fn put(&self, order: NodeOrder) {
        self.newest.send_if_modified(|newest| {
            let is_newer = newest.as_ref().is_none_or(|it| it.generation < order.generation);
            if is_newer {
                *newest = Some(order);
            }
            is_newer
        });
    }

    /// Obeys the first new order. Never returns before that.
    pub(super) async fn obey(self, image: Image, ending: Ending) {
        let mut newest = self.newest.subscribe();
        loop {
            let order = newest
                .wait_for(|order| order.as_ref().is_some_and(|it| it.generation > self.obeyed))
                .await;
            // The sender lives in `self`, so waiting cannot fail.
            let Some(order) = order.ok().and_then(|order| order.clone()) else { return };
            match self.try_obey(&order, &image, &ending).await {
                Ok(()) => return,
                Err(reason) => {
                    error!(generation = %order.generation, %reason, "an order cannot be obeyed");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn try_obey(
        &self,
        order: &NodeOrder,
        image: &Image,
        ending: &Ending,
    ) -> Result<(), String> {
        match &order.kind {
            OrderKind::Restart => {
                image.check().await?;
                self.write_down(order.generation)?;
                info!(generation = %order.generation, "restarting, as ordered");
                ending.restart();
                Ok(())
            }
        }
    }

    /// From here on the order counts as obeyed, whatever happens.
    fn write_down(&self, generation: Generation) -> Result<(), String> {
        let record = Record { version: VERSION, obeyed: generation };
        let bytes = serde_json::to_vec(&record).map_err(|error| error.to_string())?;
        atomic_write(&self.file, &bytes, 0o600).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(root: &std::path::Path) -> Folders {
        let folders = Folders::resolve(&super::super::FolderArgs::default(), Some(root), None);
        folders.create().unwrap();
        folders
    }

    fn order(generation: u64) -> NodeOrder {
        NodeOrder { generation: Generation(generation), kind: OrderKind::Restart }
    }

    #[tokio::test]
    async fn an_order_is_written_down_and_obeyed_once() {
        let temp = tempfile::tempdir().unwrap();
        let folders = folders(temp.path());
        let image = Image::of_program("/bin/true".into());
        let orders = Orders::open(&folders).unwrap();
        assert_eq!(orders.obeyed(), Generation(0));
        let ending = Ending::new();
        orders.inbox().send_replace(Some(order(7)));
        orders.obey(image.clone(), ending.clone()).await;
        assert!(ending.begins_anew() && *ending.stop().borrow());

        // The next process, told the same again, goes on.
        let orders = Orders::open(&folders).unwrap();
        assert_eq!(orders.obeyed(), Generation(7));
        let ending = Ending::new();
        orders.put(order(7));
        orders.put(order(6));
        let obeying = tokio::spawn(orders.clone().obey(image, ending.clone()));
        tokio::task::yield_now().await;
        assert!(!ending.begins_anew() && !*ending.stop().borrow());
        orders.put(order(8));
        obeying.await.unwrap();
        assert!(ending.begins_anew());
    }

    #[tokio::test]
    async fn a_node_does_not_stop_for_a_program_that_does_not_run() {
        let temp = tempfile::tempdir().unwrap();
        let orders = Orders::open(&folders(temp.path())).unwrap();
        for program in ["/bin/false", "/nonexistent"] {
            let image = Image::of_program(program.into());
            let ending = Ending::new();
            assert!(orders.try_obey(&order(1), &image, &ending).await.is_err());
            assert!(!ending.begins_anew() && !*ending.stop().borrow());
            assert!(!folders(temp.path()).orders_file().exists());
        }
    }

    #[test]
    fn a_person_who_stops_a_node_outranks_an_order_to_restart_it() {
        let ending = Ending::new();
        ending.restart();
        ending.end();
        assert!(!ending.begins_anew());
        let ending = Ending::new();
        ending.end();
        ending.restart();
        assert!(!ending.begins_anew());
    }
}
