//! The components of the throw-away cluster: a small built-in service, and a real etcd cluster
//! when Debian's etcd is installed.

use quorate_model::Refusal;
use serde_json::{Value, json};

use super::{cluster::DevCluster, status_line::say};

/// Component ports begin this much higher than the first admin port.
const GREETER_OFFSET: u16 = 100;
const ETCD_OFFSET: u16 = 200;

/// Creates the components and waits until they serve.
pub(super) async fn create(cluster: &mut DevCluster) -> Result<(), Refusal> {
    let program =
        std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    submit(cluster, &greeter(cluster, &program)).await?;
    if cluster.manager_names().len() < 3 {
        return Ok(());
    }
    if is_installed("etcd") {
        submit(cluster, &orders(cluster)).await?;
    } else {
        say(
            "etcd is not installed, so there is no `orders` cluster (Debian: apt-get install etcd-server etcd-client)",
        );
    }
    Ok(())
}

async fn submit(cluster: &DevCluster, spec: &Value) -> Result<(), Refusal> {
    say(&format!("creating component {} ...", spec["name"].as_str().unwrap_or_default()));
    cluster.call(&["component", "create", "-f", "-", "--yes"], &spec.to_string()).await?;
    Ok(())
}

/// One instance of the built-in sample service on each node manager.
fn greeter(cluster: &DevCluster, program: &str) -> Value {
    let instances: Vec<Value> = (0..)
        .zip(cluster.manager_names())
        .map(|(index, node): (u16, String)| {
            let port = cluster.port_base.saturating_add(GREETER_OFFSET + index);
            json!({ "node": node, "settings": { "port": port } })
        })
        .collect();
    json!({
        "name": "greeter",
        "pack": "process",
        "settings": {
            "command": [program, "sample", "--listen", "127.0.0.1:{port}", "--name", "{instance}"],
            "readiness": "http://127.0.0.1:{port}/",
        },
        "instances": instances,
    })
}

/// A three-member etcd cluster.
fn orders(cluster: &DevCluster) -> Value {
    let instances: Vec<Value> = (0..)
        .zip(cluster.manager_names().into_iter().take(3))
        .map(|(index, node): (u16, String)| {
            let client_port = cluster.port_base.saturating_add(ETCD_OFFSET + 2 * index);
            json!({
                "node": node,
                "settings": { "client_port": client_port, "peer_port": client_port + 1 },
            })
        })
        .collect();
    json!({ "name": "orders", "pack": "etcd", "instances": instances })
}

fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}
