//! What this host knows of its own node, where no quorum answers.

use std::fmt::Write as _;

use crate::{
    node::LocalView,
    ui::{Paint, Tone},
};

/// The local view as text.
pub(crate) fn local(view: &LocalView, paint: Paint) -> String {
    let mut text = String::new();
    let verdict = match (view.pid, view.ready) {
        (None, _) => paint.text(Tone::Danger, "not running"),
        (Some(_), _) if view.silent => paint.text(Tone::Danger, "does not answer"),
        (Some(_), false) => paint.text(Tone::Warn, "waiting"),
        (Some(_), true) if view.missing.is_empty() => paint.text(Tone::Success, "running"),
        (Some(_), true) => paint.text(Tone::Warn, "running, but not all is well"),
    };
    let _ = writeln!(text, "{} ({}), {}: {verdict}", view.name, view.node, view.role.word());
    let mut line = |label: &str, value: &str| {
        let label = paint.text(Tone::Dim, &format!("{label:<14}"));
        let _ = writeln!(text, "  {label} {value}");
    };
    line("known by", "this host alone: no quorum of masters was asked");
    line("cluster", &view.cluster_id);
    if let Some(pid) = view.pid {
        line("process", &pid.to_string());
    }
    for missing in &view.missing {
        line("missing", &paint.text(Tone::Warn, missing));
    }
    if let Some(failure) = &view.ended_by {
        line("ended by", &format!("{}: {}", failure.code, failure.message));
        if let Some(cause) = &failure.cause {
            line("", cause);
        }
    }
    line("last leader", view.last_known_leader.as_deref().unwrap_or("none is known"));
    let masters: Vec<String> =
        view.masters.iter().map(|(node, addr)| format!("{node} {addr}")).collect();
    let masters = if masters.is_empty() { "none is known".to_owned() } else { masters.join(", ") };
    line("masters", &masters);
    for step in &view.to_do {
        line("to do", step);
    }
    text
}

#[cfg(test)]
mod tests {
    use quorate_model::{Refusal, codes};

    use super::*;
    use crate::node::NodeRole;

    #[test]
    fn a_master_that_waits_says_for_what_and_what_to_do() {
        let view = LocalView {
            scope: "local",
            name: "m1".to_owned(),
            node: "n1".to_owned(),
            cluster_id: "01J8ZQ".to_owned(),
            role: NodeRole::Master,
            pid: Some(4711),
            ready: false,
            silent: false,
            last_known_leader: Some("n2".to_owned()),
            masters: (1..=3).map(|id| (format!("n{id}"), format!("10.0.0.{id}:9901"))).collect(),
            missing: vec!["leader: no leader is elected".to_owned()],
            ended_by: None,
            to_do: vec!["start the others".to_owned()],
        };
        insta::assert_snapshot!(local(&view, Paint { enabled: false }));
        let silent = LocalView { silent: true, ready: true, ..view.clone() };
        assert!(
            local(&silent, Paint { enabled: false })
                .starts_with("m1 (n1), master: does not answer\n")
        );
        let ended = LocalView {
            pid: None,
            missing: vec!["process: this host's node does not run".to_owned()],
            ended_by: Some(
                Refusal::new(codes::READINESS_TIMEOUT, "the cluster did not become ready")
                    .cause("leader: no leader is elected"),
            ),
            ..view
        };
        insta::assert_snapshot!(local(&ended, Paint { enabled: false }));
    }
}
