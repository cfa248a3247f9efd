//! What `dev` shows: where the console is, then one live line.

use std::{io::IsTerminal, time::Duration};

use quorate_model::Refusal;
use serde_json::Value;

use super::cluster::DevCluster;

const EVERY: Duration = Duration::from_secs(2);

/// Says one line on stderr, where all progress goes.
#[expect(clippy::print_stderr, reason = "progress is for people")]
pub(super) fn say(line: &str) {
    if std::io::stderr().is_terminal() {
        // Clears what is left of the live line.
        eprintln!("\r\x1b[2K{line}");
    } else {
        eprintln!("{line}");
    }
}

/// Says where everything is.
pub(super) fn announce(cluster: &DevCluster) {
    say("");
    say(&format!("  console   http://127.0.0.1:{}", cluster.port_base));
    say("  login     admin / admin");
    say(&format!("  folder    {}", cluster.base().display()));
    say(&format!("  try       quorate --root {} status", cluster.first_root().display()));
    say(&format!(
        "            quorate --root {} component restart greeter --plan",
        cluster.first_root().display()
    ));
    say("  Ctrl-C ends the cluster and removes its folder");
    say("");
}

/// Keeps one line true until the cluster is ended; on a terminal in place, otherwise when it
/// changes.
#[expect(clippy::print_stderr, reason = "progress is for people")]
pub(super) async fn follow(cluster: &mut DevCluster) -> Result<(), Refusal> {
    let mut last = String::new();
    let terminal = std::io::stderr().is_terminal();
    loop {
        cluster.check_processes()?;
        let line = cluster.status().await.map_or_else(
            || "the first master does not answer".to_owned(),
            |status| describe(&status),
        );
        if terminal {
            eprint!("\r\x1b[2K{line}");
        } else if line != last {
            eprintln!("{line}");
        }
        last = line;
        tokio::time::sleep(EVERY).await;
    }
}

fn describe(status: &Value) -> String {
    let ready = |list: &str| {
        let all = status[list].as_array().map(Vec::as_slice).unwrap_or_default();
        let ready = all.iter().filter(|one| one["ready"].as_bool() == Some(true)).count();
        format!("{ready}/{}", all.len())
    };
    let problem = status["problems"].as_array().and_then(|all| all.first()?.as_str());
    let summary = format!(
        "leader {} · term {} · masters {} · node managers {}",
        status["leader"].as_str().unwrap_or("none"),
        status["term"],
        ready("masters"),
        ready("nodeManagers"),
    );
    match problem {
        None => format!("✓ {summary} · all is well"),
        Some(problem) => format!("! {summary} · {problem}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_line_says_what_is_wrong_first() {
        let mut status = json!({
            "leader": "n1", "term": 3, "problems": [],
            "masters": [{"ready": true}, {"ready": false}], "nodeManagers": [],
        });
        assert_eq!(
            describe(&status),
            "✓ leader n1 · term 3 · masters 1/2 · node managers 0/0 · all is well"
        );
        status["problems"] = json!(["master m2 is not ready"]);
        assert!(describe(&status).starts_with("! "));
        assert!(describe(&status).ends_with("master m2 is not ready"));
    }
}
