//! Who said that it leads, and in which term: no two may say it of one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::task::JoinHandle;

const EVERY: Duration = Duration::from_millis(100);
/// A master that is stopped or cut off does not answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// By term, who claimed it.
#[derive(Debug, Default, Clone)]
pub(super) struct Claims(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    leaders: BTreeMap<u64, String>,
    asked: u64,
    violation: Option<String>,
}

impl Claims {
    /// Asks every master again and again, until the task is ended.
    pub(super) fn watch(&self, urls: &[String]) -> Vec<JoinHandle<()>> {
        let http = reqwest::Client::builder().timeout(PATIENCE).build().expect("it is made");
        urls.iter()
            .enumerate()
            .map(|(master, url)| {
                let (claims, url, http) = (self.clone(), format!("{url}/metrics"), http.clone());
                tokio::spawn(async move {
                    loop {
                        tokio::time::sleep(EVERY).await;
                        let Ok(answer) = http.get(&url).send().await else { continue };
                        let Ok(text) = answer.text().await else { continue };
                        if let Some(term) = claimed_term(&text) {
                            claims.note(term, &name(master));
                        }
                        claims.lock().asked += 1;
                    }
                })
            })
            .collect()
    }

    /// Reads what a master wrote down about itself: unlike what it was asked, that is complete.
    pub(super) fn read_log(&self, master: usize, log: &str) {
        for term in log.lines().filter_map(led_term) {
            self.note(term, &name(master));
        }
    }

    fn note(&self, term: u64, who: &str) {
        let mut found = self.lock();
        let leader = found.leaders.entry(term).or_insert_with(|| who.to_owned()).clone();
        if leader != who {
            let what = format!("{leader} and {who} both led in term {term}");
            found.violation.get_or_insert(what);
        }
    }

    /// # Errors
    /// The term that two masters claimed.
    pub(super) fn check(&self) -> Result<(), String> {
        self.lock().violation.clone().map_or(Ok(()), Err)
    }

    /// In how many terms somebody led, and how many answers told.
    pub(super) fn count(&self) -> (usize, u64) {
        let found = self.lock();
        (found.leaders.len(), found.asked)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(master: usize) -> String {
    format!("m{}", master + 1)
}

/// The term in which metrics claim leadership, if they do.
fn claimed_term(metrics: &str) -> Option<u64> {
    let number = |name: &str| -> Option<u64> {
        let line = metrics
            .lines()
            .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    (number("quorate_leader")? == 1).then(|| number("quorate_raft_term")).flatten()
}

/// The term that a line of the log says its master begins to lead in.
fn led_term(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(": leading node=")?;
    rest.split_whitespace().find_map(|word| word.strip_prefix("term="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_from_metrics_and_logs() {
        let metrics = "# HELP quorate_leader Whether.\n# TYPE quorate_leader gauge\n\
                       quorate_leader 1\nquorate_raft_term 17\nquorate_raft_term_x 3\n";
        assert_eq!(claimed_term(metrics), Some(17));
        assert_eq!(claimed_term(&metrics.replace("leader 1", "leader 0")), None);
        assert_eq!(claimed_term(""), None);
        let line = "2026-11-21T15:00:00Z  INFO quorate_control::background: leading node=n2 term=9";
        assert_eq!(led_term(line), Some(9));
        assert_eq!(led_term(&line.replace("leading", "leading no longer")), None);
    }

    #[test]
    fn a_term_with_two_leaders_is_found_and_one_with_the_same_twice_is_not() {
        let claims = Claims::default();
        claims.note(3, "m1");
        claims.note(4, "m2");
        claims.note(3, "m1");
        assert_eq!(claims.check(), Ok(()));
        claims.read_log(1, "x: leading node=n2 term=3\n");
        assert_eq!(claims.check(), Err("m1 and m2 both led in term 3".to_owned()));
    }
}
