//! What the upkeep of a cluster costs: rolling restarts, a master that joins, many node managers.

use comfy_table::Table;

use super::{Style, count, ratios, table};
use crate::{report::Report, rolling::By, statistics::number};

/// How it was measured, a paragraph each.
pub(super) fn method(report: &Report) -> Vec<String> {
    let mut paragraphs = Vec::new();
    if !report.handover.is_empty() {
        paragraphs.push(format!(
            "**Hand-over**: as failover, but the leader gets SIGTERM, as from `systemctl stop`. {} of \
             each system.",
            count(report.method.trials, "leader")
        ));
    }
    if let Some(first) = report.rolling.first() {
        paragraphs.push(format!(
            "**Rolling restart**: three members, SIGTERM and start, followers first, each awaited \
             until every member acknowledges writes; from the first stop until the last member \
             does. Quorate also by its own operation (`quorate node restart --masters`), from the \
             command until it has ended. The pause is that of one client that knows all members and \
             goes on to the next after a failure. {} of each.",
            count(first.restarts, "rolling restart")
        ));
    }
    if let Some(join) = &report.join {
        paragraphs.push(format!(
            "**Join**: a cluster of three masters with settings of {} MB, more than the log keeps, so \
             that the newcomer needs a snapshot; level is when the leader sees it hold the log.",
            join.state_mb
        ));
    }
    if report.fleet.is_some() {
        paragraphs.push(format!(
            "**Node managers**: enrolled with a token each; each has its certificate, connection and \
             session, reports once a second and carries nothing; all of them in one program beside \
             the masters. The leader is watched for {} s.",
            report.method.idle_seconds
        ));
    }
    if let Some(load) = &report.load {
        paragraphs.push(format!(
            "**Load**: three masters on their default settings and one client that writes without \
             a pause, for {}, beside {} loops at the same priority that do nothing but use the \
             processor. Nothing dies, so every election is a false one.",
            count(usize::try_from(load.minutes).unwrap_or(usize::MAX), "minute"),
            load.burners
        ));
    }
    paragraphs
}

/// Titles and tables.
pub(super) fn sections(report: &Report, style: Style) -> Vec<(&'static str, Vec<Table>)> {
    let mut sections = Vec::new();
    if !report.rolling.is_empty() {
        sections.push((
            "Rolling restart of three members",
            vec![rolling(report, style), rolling_ratios(report, style)],
        ));
    }
    if report.join.is_some() {
        sections.push(("A fourth master joins", vec![join(report, style)]));
    }
    if report.fleet.is_some() {
        sections.push(("Node managers on one leader", vec![fleet(report, style)]));
    }
    if report.load.is_some() {
        sections.push(("Full processor load", vec![load(report, style)]));
    }
    sections
}

fn rolling(report: &Report, style: Style) -> Table {
    let columns = ["system", "by", "restarts", "first stop to last ready, s", "longest pause, s"];
    let mut table = table(style, &columns, 2);
    for it in &report.rolling {
        table.add_row([
            it.system.name().to_owned(),
            it.by.name().to_owned(),
            it.restarts.to_string(),
            it.seconds.show(2),
            it.pause_seconds.show(3),
        ]);
    }
    table
}

fn rolling_ratios(report: &Report, style: Style) -> Table {
    ratios(report, style, ["first stop to last ready", "longest pause"], |kind| {
        let of_kind = report.rolling.iter().filter(|it| it.system == kind && it.by == By::Signals);
        let values = of_kind.map(|it| [it.seconds.median, it.pause_seconds.median]);
        values.map(|values| ("a rolling restart".to_owned(), values)).collect()
    })
}

fn join(report: &Report, style: Style) -> Table {
    let columns = ["state, MB", "join command, s", "start to level, s", "processor of all four, s"];
    let mut table = table(style, &columns, 0);
    if let Some(it) = &report.join {
        table.add_row([
            it.state_mb.to_string(),
            number(it.enrolled, 2),
            number(it.level, 2),
            number(it.processor, 2),
        ]);
    }
    table
}

fn fleet(report: &Report, style: Style) -> Table {
    let columns = [
        "node managers",
        "enrolled in, s",
        "sessions open in, s",
        "leader CPU %",
        "leader MiB before",
        "leader MiB",
        "generator CPU %",
    ];
    let mut table = table(style, &columns, 0);
    if let Some(it) = &report.fleet {
        table.add_row([
            number(f64::from(it.node_managers), 0),
            number(it.enrolled, 1),
            number(it.connected, 1),
            number(it.leader_cpu, 0),
            number(it.resident_before_mib, 0),
            number(it.resident_mib, 0),
            number(it.generator_cpu, 0),
        ]);
    }
    table
}

fn load(report: &Report, style: Style) -> Table {
    let columns = [
        "minutes",
        "false elections",
        "writes",
        "longest pause, s",
        "masters CPU %",
        "machine CPU %",
    ];
    let mut table = table(style, &columns, 0);
    if let Some(it) = &report.load {
        table.add_row([
            it.minutes.to_string(),
            it.elections.to_string(),
            it.writes.to_string(),
            number(it.longest_pause, 3),
            number(it.masters_cpu, 0),
            number(it.machine_cpu, 0),
        ]);
    }
    table
}
