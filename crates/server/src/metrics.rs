//! `/metrics`: gauges read from the control plane at the moment of asking, counters of requests.

use std::{
    fmt,
    sync::atomic::{AtomicI64, AtomicU64},
    time::Duration,
};

use axum::http::Method;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use quorate_control::{Control, use_cases::metrics};

/// The content type of the text that [`render`] writes.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    status: u32,
}

/// Counts requests on the admin port.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    duration: Histogram,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        let seconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
        Self { requests: Family::default(), duration: Histogram::new(seconds) }
    }
}

impl HttpMetrics {
    pub(crate) fn count(&self, method: &Method, status: u16, took: Duration) {
        let labels = RequestLabels { method: known(method).to_owned(), status: u32::from(status) };
        self.requests.get_or_create(&labels).inc();
        self.duration.observe(took.as_secs_f64());
    }
}

/// Anybody may send a method of any name, and every name would be kept for ever.
fn known(method: &Method) -> &str {
    const STANDARD: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ];
    if STANDARD.contains(method) { method.as_str() } else { "other" }
}

/// All metrics as text.
pub(crate) fn render(control: &Control, http: &HttpMetrics) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("quorate");
    let mut gauge = |name: &str, help: &str, value: i64| {
        let gauge = Gauge::<i64, AtomicI64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    let now = metrics::read(control);
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    gauge("ready", "Whether this master can serve", now.ready.into());
    gauge("leader", "Whether this master leads", now.leads.into());
    gauge("raft_term", "The Raft term", number(now.term));
    gauge("raft_last_log_index", "The end of this master's log", number(now.last_log_index));
    gauge("raft_committed_index", "What is known to be committed", number(now.committed_index));
    gauge("raft_applied_index", "What this master has applied", number(now.applied_index));
    gauge("raft_voters", "How many voters there are", count(now.voters));
    gauge("raft_learners", "How many learners there are", count(now.learners));
    gauge("epoch", "Counts recoveries from lost quorum", number(now.epoch));
    gauge("feature_level", "What every binary must read", i64::from(now.feature_level));
    gauge("nodes", "How many nodes there are", count(now.nodes));
    gauge("components", "How many components there are", count(now.components));
    gauge("settings", "How many settings there are", count(now.settings));
    gauge(
        "operations_unfinished",
        "How many operations have not ended",
        count(now.operations_unfinished),
    );
    gauge(
        "failed_proposals_10m",
        "Changes not acknowledged in the last ten minutes",
        number(now.failed_proposals),
    );
    gauge(
        "failed_calls_10m",
        "Calls to other masters that failed in the last ten minutes",
        number(now.failed_calls),
    );
    gauge(
        "elections_10m",
        "Elections of a leader in the last ten minutes, failed ones included",
        number(now.elections),
    );
    let commits = Family::<Vec<(String, String)>, Gauge<f64, AtomicU64>>::default();
    // A label `quantile` belongs to summaries alone.
    for (percentile, micros) in [("50", now.commits.p50_us), ("99", now.commits.p99_us)] {
        let labels = vec![("percentile".to_owned(), percentile.to_owned())];
        commits.get_or_create(&labels).set(Duration::from_micros(micros).as_secs_f64());
    }
    registry.register_with_unit(
        "log_commit_duration",
        "How long the newest commits of this master's log took, each with its fdatasync",
        Unit::Seconds,
        commits,
    );
    registry.register(
        "http_requests",
        "Requests answered on the admin port",
        http.requests.clone(),
    );
    registry.register_with_unit(
        "http_request_duration",
        "How long requests on the admin port took",
        Unit::Seconds,
        http.duration.clone(),
    );
    let failed = Counter::<u64>::default();
    failed.inc_by(now.failed_logins);
    registry.register("failed_logins", "Logins that failed on this master", failed);
    let changes = Counter::<u64>::default();
    changes.inc_by(now.leader_changes);
    registry.register("leader_changes", "How often this master saw the leadership change", changes);
    let build = Family::<Vec<(String, String)>, Gauge<i64, AtomicI64>>::default();
    build.get_or_create(&vec![("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]).set(1);
    registry.register("build_info", "The version of this binary", build);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(prometheus_text(&text))
}

/// OpenMetrics names a counter without `_total` in its comments; the older Prometheus format,
/// which every scraper reads, names it with. It knows no `# UNIT` and no `# EOF` either.
fn prometheus_text(open_metrics: &str) -> String {
    let counters: Vec<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        let comment = line.strip_prefix("# ").and_then(|comment| {
            let mut words = comment.splitn(3, ' ');
            Some((words.next()?, words.next()?, words.next().unwrap_or_default()))
        });
        match comment {
            Some((kind, name, rest)) if counters.contains(&name) => {
                text.push_str(&format!("# {kind} {name}_total {rest}\n"));
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_methods_make_no_new_series() {
        for name in ["BREW", "get", "X"] {
            assert_eq!(known(&Method::from_bytes(name.as_bytes()).unwrap()), "other");
        }
        assert_eq!(known(&Method::DELETE), "DELETE");
    }

    #[test]
    fn counters_are_named_as_prometheus_names_them() {
        let open = "# HELP q_requests Requests.\n# TYPE q_requests counter\n# UNIT q_x seconds\n\
                    q_requests_total 1\n# EOF\n";
        assert_eq!(
            prometheus_text(open),
            "# HELP q_requests_total Requests.\n# TYPE q_requests_total counter\nq_requests_total 1\n"
        );
    }
}
