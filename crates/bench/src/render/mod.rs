//! Shows a report to people: tables on a terminal, and the page `docs/benchmarks.md`.

mod upkeep;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle, presets};

use crate::{
    report::{FailoverResult, Report, WritesResult},
    statistics::number,
    systems::Kind,
};

/// What people write below this line of the page is kept when the page is written again.
pub(crate) const NOTES: &str = "## Notes";

/// More processor time than this, in percent of one core, used by others than the measured system
/// and the generator: idle clusters and the kernel take less.
const DISTURBED_PERCENT: f64 = 25.0;

/// Where a table will be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Terminal,
    Page,
}

/// The results for a terminal.
pub(crate) fn terminal(report: &Report) -> String {
    let mut text = machine(report);
    text.push_str("\n\n");
    text.push_str(&sections(report, Style::Terminal));
    text
}

/// The page; `notes` is what people wrote below [`NOTES`] before.
pub(crate) fn page(report: &Report, notes: &str) -> String {
    format!(
        "# Benchmarks\n\n<!-- Written by `cargo xtask bench --write`; only the notes at the end are \
         kept. -->\n\n{}\n\n## Method\n\n{}\n\n{}{NOTES}\n\n{}\n",
        machine(report),
        method(report),
        sections(report, Style::Page),
        if notes.trim().is_empty() { "None yet." } else { notes.trim() },
    )
}

/// What people wrote below [`NOTES`] on an earlier page.
pub(crate) fn notes_of(page: &str) -> &str {
    page.split_once(&format!("\n{NOTES}\n")).map_or("", |(_, notes)| notes)
}

fn machine(report: &Report) -> String {
    let machine = &report.machine;
    let versions: Vec<String> =
        report.systems.iter().map(|it| format!("{} {}", it.system.name(), it.version)).collect();
    format!(
        "{}{} cores ({}), {} GiB, Linux {}; a 4 KiB append with fdatasync takes {} ms (median; \
         99 of 100 at most {} ms); before the run others used {} % of a core.\n{}.",
        report.date.as_ref().map(|date| format!("{date}. ")).unwrap_or_default(),
        machine.cores,
        machine.processor,
        number(machine.memory_gib, 0),
        machine.kernel,
        number(machine.fdatasync_p50_ms, 3),
        number(machine.fdatasync_p99_ms, 3),
        number(machine.busy_before_percent, 0),
        versions.join(", "),
    )
}

/// Says so if other programs took a share of the processors: then the writes say little.
fn disturbance(report: &Report) -> String {
    let others = report.writes.iter().map(|it| it.others_cpu_percent.max);
    let most = others.fold(0.0, f64::max);
    if most <= DISTURBED_PERCENT {
        return String::new();
    }
    format!(
        "Disturbed: other programs used up to {} % of a core during the writes below; run again on \
         a quiet machine before comparing.\n\n",
        number(most, 0)
    )
}

/// `1 member`, `3 members`.
fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

fn method(report: &Report) -> String {
    let method = &report.method;
    let mut paragraphs = vec![format!(
        "One run of one program, the systems measured in turns. Every cluster has three members on \
         loopback, its data on a real disk, every acknowledged write flushed by a majority. etcd \
         and ZooKeeper are Debian's, without TLS, with their defaults (etcd's size limit and \
         ZooKeeper's limit of clients raised; ZooKeeper with `-Xmx1g`). Quorate is built for \
         release and works as always: mutual TLS between masters, the log encrypted, every write \
         an authorized REST call that is audited. Generator and servers share the cores, so these \
         are numbers of the whole system on this machine; CPU is in percent of one core; \
         what others use is all that ran beside servers and generator. Each \
         figure is the median, with (least–greatest)."
    )];
    if !report.writes.is_empty() {
        paragraphs.push(format!(
            "**Writes**: values of {} bytes, {} keys that exist, a closed loop, one connection per \
             client, clients spread evenly over the members; {} of {} s at each number of \
             clients, begun by another system each round. All three clusters are up, the two that \
             are not measured idle. ZooKeeper first works for {} s, so that its code is compiled. \
             Clients: etcd by gRPC, ZooKeeper by its own protocol, Quorate by HTTP/1.1 and JSON.",
            method.value_bytes,
            number(method.keys as f64, 0),
            count(method.rounds, "round"),
            method.seconds,
            method.warm_up_seconds,
        ));
    }
    if !report.failover.is_empty() {
        paragraphs.push(format!(
            "**Failover**: one writer on each surviving member with a deadline of 50 ms per write \
             and a new connection after a failure; the leader gets `kill -9`; the result is the \
             longest time between two acknowledged writes. {} of each system, in turns, \
             with the systems' default timers.",
            count(method.trials, "leader")
        ));
    }
    if !report.footprint.is_empty() {
        paragraphs.push(format!(
            "**Footprint**: one system at a time, empty. Ready is when every member has \
             acknowledged a write, counted from the first command: for Quorate that includes making \
             the cluster (`init`), the tokens, and each master's `join`, which the others do not \
             have. {} of each size; the last one is watched for {} s.",
            count(method.starts, "fresh cluster"),
            method.idle_seconds
        ));
    }
    paragraphs.extend(upkeep::method(report));
    paragraphs.join("\n\n")
}

fn sections(report: &Report, style: Style) -> String {
    let mut text = String::new();
    let mut section = |title: &str, warning: &str, tables: &[Table]| {
        let title = match style {
            Style::Terminal => title.to_owned(),
            Style::Page => format!("## {title}"),
        };
        text.push_str(&title);
        text.push_str("\n\n");
        text.push_str(warning);
        for table in tables.iter().filter(|table| !table.is_empty()) {
            text.push_str(&table.trim_fmt());
            text.push_str("\n\n");
        }
    };
    if !report.writes.is_empty() {
        section(
            "Replicated writes",
            &disturbance(report),
            &[writes(report, style), write_ratios(report, style)],
        );
    }
    if !report.failover.is_empty() {
        section(
            "Failover: seconds without an acknowledged write after kill -9 of the leader",
            "",
            &departure_tables(report, &report.failover, "the leader's death", style),
        );
    }
    if !report.handover.is_empty() {
        section(
            "Hand-over: seconds without an acknowledged write after SIGTERM to the leader",
            "",
            &departure_tables(report, &report.handover, "the leader's leave", style),
        );
    }
    for (title, tables) in upkeep::sections(report, style) {
        section(title, "", &tables);
    }
    if !report.footprint.is_empty() {
        section("Start and idle", "", &[footprint(report, style), footprint_ratios(report, style)]);
    }
    text
}

fn table(style: Style, columns: &[&str], words: usize) -> Table {
    let mut table = Table::new();
    table.load_style(match style {
        Style::Terminal => {
            TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'))
        }
        Style::Page => presets::ASCII_MARKDOWN,
    });
    table.set_header(columns);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn writes(report: &Report, style: Style) -> Table {
    let columns = [
        "system",
        "clients",
        "writes/s",
        "p50 ms",
        "p99 ms",
        "servers CPU %",
        "generator CPU %",
        "others CPU %",
        "failed",
    ];
    let mut table = table(style, &columns, 1);
    for it in &report.writes {
        table.add_row([
            it.system.name().to_owned(),
            it.clients.to_string(),
            it.per_second.show(0),
            it.p50_ms.show(2),
            it.p99_ms.show(2),
            number(it.servers_cpu_percent.median, 0),
            number(it.generator_cpu_percent.median, 0),
            number(it.others_cpu_percent.median, 0),
            it.failed.to_string(),
        ]);
    }
    table
}

/// The systems that Quorate is compared with; none if it was not measured itself.
fn others(report: &Report) -> Vec<Kind> {
    let kinds = report.systems.iter().map(|it| it.system);
    if !kinds.clone().any(|kind| kind == Kind::Quorate) {
        return Vec::new();
    }
    kinds.filter(|kind| *kind != Kind::Quorate).collect()
}

/// Rows of ratios: Quorate's value divided by each other system's.
fn ratios<const N: usize>(
    report: &Report,
    style: Style,
    columns: [&str; N],
    rows: impl Fn(Kind) -> Vec<(String, [f64; N])>,
) -> Table {
    let mut header = vec!["ratio of medians", "at"];
    header.extend(columns);
    let mut table = table(style, &header, 2);
    let ours = rows(Kind::Quorate);
    for other in others(report) {
        let theirs = rows(other);
        for (at, our_values) in &ours {
            let Some((_, their_values)) = theirs.iter().find(|(it, _)| it == at) else { continue };
            let mut row = vec![format!("Quorate / {}", other.name()), at.clone()];
            row.extend(our_values.iter().zip(their_values).map(|(our, their)| ratio(*our, *their)));
            table.add_row(row);
        }
    }
    table
}

fn ratio(our: f64, their: f64) -> String {
    if their > 0.0 { format!("{} ×", number(our / their, 2)) } else { "–".to_owned() }
}

fn write_ratios(report: &Report, style: Style) -> Table {
    let row = |it: &WritesResult| {
        let values = [it.per_second.median, it.p50_ms.median, it.p99_ms.median];
        (count(it.clients, "client"), values)
    };
    ratios(report, style, ["writes/s", "p50", "p99"], |kind| {
        report.writes.iter().filter(|it| it.system == kind).map(row).collect()
    })
}

/// What the leader's departures cost, and how that compares.
fn departure_tables(
    report: &Report,
    departures: &[FailoverResult],
    at: &str,
    style: Style,
) -> [Table; 2] {
    let columns = ["system", "leaders", "any survivor, s", "every survivor, s"];
    let mut table = table(style, &columns, 1);
    for it in departures {
        table.add_row([
            it.system.name().to_owned(),
            it.trials.to_string(),
            it.any_survivor_seconds.show(3),
            it.every_survivor_seconds.show(3),
        ]);
    }
    let ratios = ratios(report, style, ["any survivor", "every survivor"], |kind| {
        let of_kind = departures.iter().filter(|it| it.system == kind);
        let values =
            of_kind.map(|it| [it.any_survivor_seconds.median, it.every_survivor_seconds.median]);
        values.map(|values| (at.to_owned(), values)).collect()
    });
    [table, ratios]
}

fn footprint(report: &Report, style: Style) -> Table {
    let columns = ["system", "members", "start to ready, s", "idle CPU %", "resident MiB"];
    let mut table = table(style, &columns, 1);
    for it in &report.footprint {
        table.add_row([
            it.system.name().to_owned(),
            it.members.to_string(),
            it.ready_seconds.show(2),
            it.idle_cpu_percent.show(2),
            it.resident_mib.show(1),
        ]);
    }
    table
}

fn footprint_ratios(report: &Report, style: Style) -> Table {
    let columns = ["start to ready", "idle CPU", "resident"];
    ratios(report, style, columns, |kind| {
        let of_kind = report.footprint.iter().filter(|it| it.system == kind);
        let row = of_kind.map(|it| {
            let values =
                [it.ready_seconds.median, it.idle_cpu_percent.median, it.resident_mib.median];
            (count(it.members, "member"), values)
        });
        row.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        failover::Trial,
        machine::Machine,
        report::{FailoverResult, Method, SystemVersion, WritesResult},
        systems::{KEYS, VALUE_BYTES},
        workload::Sample,
    };

    fn report() -> Report {
        let pause = |ms| {
            let any = std::time::Duration::from_millis(ms);
            Trial { any, every: 2 * any }
        };
        let version = |system| SystemVersion { system, version: "1.2".to_owned() };
        Report {
            date: Some("2030-01-31".to_owned()),
            machine: Machine {
                cores: 2,
                processor: "P".to_owned(),
                memory_gib: 3.9,
                kernel: "6.1".to_owned(),
                busy_before_percent: 1.0,
                fdatasync_p50_ms: 0.1234,
                fdatasync_p99_ms: 0.2,
            },
            method: Method {
                rounds: 1,
                seconds: 2,
                value_bytes: VALUE_BYTES,
                keys: KEYS,
                warm_up_seconds: 3,
                trials: 2,
                starts: 1,
                idle_seconds: 5,
            },
            systems: vec![version(Kind::Quorate), version(Kind::Etcd)],
            footprint: Vec::new(),
            writes: Vec::new(),
            failover: [(Kind::Quorate, 500), (Kind::Etcd, 1000)]
                .into_iter()
                .filter_map(|(kind, ms)| FailoverResult::of(kind, &[pause(ms), pause(ms)]))
                .collect(),
            handover: Vec::new(),
            rolling: Vec::new(),
            join: None,
            fleet: None,
            load: None,
        }
    }

    #[test]
    fn a_page_compares_the_medians() {
        let page = page(&report(), "");
        let line = page.lines().find(|line| line.starts_with("| Quorate / etcd")).unwrap();
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        assert_eq!(cells[2..5], ["the leader's death", "0.50 ×", "0.50 ×"]);
        assert!(page.contains("2030-01-31. 2 cores (P), 4 GiB, Linux 6.1"));
        assert!(!page.contains("## Start and idle"), "what was not measured is left out");
    }

    #[test]
    fn a_disturbed_run_says_so() {
        let written = |others_cpu| {
            let sample = Sample {
                per_second: 1000.0,
                p50_ms: 1.0,
                p99_ms: 2.0,
                servers_cpu: 150.0,
                generator_cpu: 10.0,
                others_cpu,
                failed: 0,
            };
            let mut report = report();
            report.writes.extend(WritesResult::of(Kind::Quorate, 16, &[sample]));
            terminal(&report)
        };
        assert!(written(93.0).contains("Disturbed: other programs used up to 93 % of a core"));
        assert!(!written(9.0).contains("Disturbed"));
    }

    #[test]
    fn notes_of_people_survive_the_next_run() {
        let first = page(&report(), "").replace("None yet.", "It was a quiet day.\n\nTruly.");
        let second = page(&report(), notes_of(&first));
        assert_eq!(second, first);
        assert_eq!(notes_of(""), "");
    }
}
