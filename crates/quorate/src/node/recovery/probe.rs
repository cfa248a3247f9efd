//! Makes sure that masters which are to be written off are dead: one that lives would go on.

use std::time::{Duration, Instant};

use quorate_model::{NodeId, Refusal, codes};
use quorate_plan::recovery::WrittenOff;
use quorate_raft::Dialer;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

use crate::node::dial::NodeDialer;

/// How long a host may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// What accepts a connection and says nothing for so long may be a master that hangs. A little less
/// than how long the dialer waits.
const SILENT: Duration = Duration::from_millis(1800);

/// What is at an address.
enum Found {
    Nobody,
    /// The master itself, which has proved it by its certificate.
    Itself,
    /// Somebody who says nothing.
    Silent,
}

/// Refuses when any of them answers. `assumed_dead` are taken for dead by a person although
/// something accepts connections at their address; one that proves who it is never is.
pub(super) async fn refuse_the_living(
    dialer: &NodeDialer,
    written_off: &[WrittenOff],
    assumed_dead: &[NodeId],
) -> Result<(), Refusal> {
    let mut probes = JoinSet::new();
    for gone in written_off {
        for addr in &gone.addrs {
            let (dialer, addr) = (dialer.clone(), addr.clone());
            let (node, name) = (gone.node, gone.name.clone());
            probes.spawn(async move { (node, name, find(&dialer, node, &addr).await, addr) });
        }
    }
    while let Some(probed) = probes.join_next().await {
        let (node, name, found, addr) =
            probed.map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?;
        match found {
            Found::Nobody => {}
            Found::Itself => {
                return Err(Refusal::new(
                    codes::WRITTEN_OFF_ALIVE,
                    format!("{node} ({name}) is alive, and the plan writes it off"),
                )
                .cause(format!("it answers at {addr}"))
                .hint("stop it, collect its report too, and plan again with all reports: with it there may be a majority, and nothing to recover from"));
            }
            Found::Silent if assumed_dead.contains(&node) => {}
            Found::Silent => {
                return Err(Refusal::new(
                    codes::WRITTEN_OFF_ALIVE,
                    format!("{node} ({name}) may be alive, and the plan writes it off"),
                )
                .cause(format!("something at {addr} accepts connections and says nothing"))
                .hint(format!("if it hangs, stop it; if you have made sure that it is off and something else listens there: --assume-dead {node}")));
            }
        }
    }
    Ok(())
}

async fn find(dialer: &NodeDialer, node: NodeId, addr: &str) -> Found {
    match timeout(CONNECT, TcpStream::connect(addr)).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => return Found::Nobody,
    }
    let begun = Instant::now();
    match dialer.dial(node, addr).await {
        Ok(_) => Found::Itself,
        Err(_) if begun.elapsed() >= SILENT => Found::Silent,
        // Another node by now, or no node at all.
        Err(_) => Found::Nobody,
    }
}
