//! Holds packets back for a while: a device whose packets come here, and go back when it is time.
//! The kernel's own way to do so (netem) is often not there.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};
use tokio_tun::Tun;

/// The largest packet there is.
const PACKET_BYTES_MAX: usize = 65_536;

/// By sender and receiver.
type Delays = Arc<Mutex<HashMap<(Ipv4Addr, Ipv4Addr), Duration>>>;

/// A thread that carries packets, until this is dropped.
#[derive(Debug)]
pub(super) struct Forwarder {
    delays: Delays,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Forwarder {
    /// Makes the device, in this process's network namespace, and begins to carry.
    pub(super) fn start(device: &str) -> Result<Self, String> {
        let delays = Delays::default();
        let (stop, stopped) = oneshot::channel();
        let (told, made) = mpsc::channel();
        let (name, known) = (device.to_owned(), Arc::clone(&delays));
        let thread = std::thread::spawn(move || run(&name, &known, stopped, &told));
        made.recv()
            .unwrap_or_else(|_| Err("the forwarder has ended".to_owned()))
            .map_err(|reason| format!("the device {device} cannot be made: {reason}"))?;
        Ok(Self { delays, stop: Some(stop), thread: Some(thread) })
    }

    /// From now on, packets from one address to another are held back so long.
    pub(super) fn delay(&self, from: Ipv4Addr, to: Ipv4Addr, by: Duration) {
        self.delays.lock().unwrap_or_else(PoisonError::into_inner).insert((from, to), by);
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed by itself.
            drop(thread.join());
        }
    }
}

fn run(
    device: &str,
    delays: &Delays,
    stopped: oneshot::Receiver<()>,
    told: &mpsc::Sender<Result<(), String>>,
) {
    let carrying = || -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let made = Tun::builder().name(device).build().map_err(|error| error.to_string())?;
            let tun = made.into_iter().next().ok_or("nothing was made")?;
            drop(told.send(Ok(())));
            tokio::select! {
                () = carry(&tun, delays) => {}
                _ = stopped => {}
            }
            Ok(())
        })
    };
    if let Err(reason) = carrying() {
        drop(told.send(Err(reason)));
    }
}

async fn carry(tun: &Tun, delays: &Delays) {
    let mut packet = vec![0; PACKET_BYTES_MAX];
    // The count keeps packets apart, and in order, that are due at the same instant.
    let mut held: BTreeMap<(Instant, u64), Vec<u8>> = BTreeMap::new();
    let mut count = 0_u64;
    loop {
        let next = held.first_key_value().map(|(&(due, _), _)| due);
        let due = async {
            match next {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = tun.recv(&mut packet) => {
                // Until the device is up, there is nothing to be read.
                let Ok(length) = read else {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                };
                let packet = &packet[..length];
                let delays = delays.lock().unwrap_or_else(PoisonError::into_inner);
                let by = ends(packet).and_then(|ends| delays.get(&ends)).copied();
                count += 1;
                held.insert((Instant::now() + by.unwrap_or_default(), count), packet.to_vec());
            }
            () = due => {
                if let Some((_, packet)) = held.pop_first() {
                    // A packet that does not fit is a lost packet; networks lose packets.
                    drop(tun.send(&packet).await);
                }
            }
        }
    }
}

/// Sender and receiver of an IPv4 packet.
fn ends(packet: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let address = |at: usize| -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(bytes.into())
    };
    (packet.first()? >> 4 == 4).then_some((address(12)?, address(16)?))
}
