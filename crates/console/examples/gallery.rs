//! Serves every sample of the console on a loopback port of its own, to be looked at:
//! `cargo run -p quorate-console --example gallery`. One operation moves while it is watched.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use quorate_console::{router_over, samples};
use quorate_model::Timestamp;

const FIRST_PORT: u16 = 8200;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it tells a person where to look")]
async fn main() -> std::io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp(u64::try_from(now.as_millis()).unwrap_or_default());
    for (port, sample) in (FIRST_PORT..).zip(samples::all(now)) {
        let name = sample.name;
        let cluster = samples::SampleCluster::new(sample);
        if name == "restarting" {
            tokio::spawn(advance(cluster.clone()));
        }
        let listener =
            tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let router = router_over(cluster);
        tokio::spawn(async move { axum::serve(listener, router).await });
        println!("{name:>12}  http://127.0.0.1:{port}/");
    }
    println!("log in as anybody with the password `sample`; as `fresh` it must be changed first");
    std::future::pending().await
}

/// Finishes a step of the running operation every few seconds, and begins anew at the end.
async fn advance(cluster: samples::SampleCluster) {
    loop {
        tokio::time::sleep(Duration::from_secs(4)).await;
        cluster.change(|sample| {
            let operation = &mut sample.operations[0];
            let next = (operation.summary.finished_steps + 1) % operation.step_list.len();
            operation.summary.finished_steps = next;
            for (place, step) in operation.step_list.iter_mut().enumerate() {
                let status = match place {
                    _ if place < next => "finished",
                    _ if place == next => "started",
                    _ => "pending",
                };
                status.clone_into(&mut step.status);
            }
            sample.components[0].operation = Some(operation.summary.clone());
        });
    }
}
