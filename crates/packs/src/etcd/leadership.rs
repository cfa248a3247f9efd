//! Moves the leadership of an etcd cluster, and looks whether it has moved.

use std::{fmt::Write as _, time::Duration};

use futures_util::future::join_all;
use quorate_model::{InstanceName, Refusal, codes};
use quorate_pack::{DriverError, InstanceContext};
use tokio::time::{Instant, sleep, timeout};

use super::{
    client::{CallError, Connections},
    driver::{member_id, problem},
    proto::StatusResponse,
    render::{Member, TlsFiles},
};

/// A driver's call returns within ten seconds.
const DEADLINE: Duration = Duration::from_secs(9);
/// How long a running election, which nobody started here, may take to bring a leader.
const ELECTION_WAIT: Duration = Duration::from_secs(3);
/// How long the members may take to see the new leader.
const VERIFY_WAIT: Duration = Duration::from_secs(2);
/// How often they are asked meanwhile.
const POLL: Duration = Duration::from_millis(10);

/// Sees to it that `away_from` does not lead.
pub(super) async fn transfer(
    connections: &Connections,
    via: &InstanceContext,
    away_from: &InstanceName,
    to: &InstanceName,
) -> Result<String, DriverError> {
    let members = Member::all(&via.component, &via.addresses).map_err(DriverError::Refused)?;
    for name in [away_from, to] {
        if via.component.instance(name).is_none() {
            return Err(DriverError::Refused(Refusal::new(
                codes::NOT_FOUND,
                format!("etcd cluster `{}` has no member `{name}`", via.component.name),
            )));
        }
    }
    let tls = TlsFiles::of(&via.folder);
    let cluster = Cluster { connections, tls, members, via };
    timeout(DEADLINE, cluster.transfer(away_from, to)).await.unwrap_or_else(|_| {
        Err(cluster.refuse(
            format!("moving the leadership away from `{away_from}`"),
            format!("it was not over after {} s", DEADLINE.as_secs()),
        ))
    })
}

struct Cluster<'a> {
    connections: &'a Connections,
    tls: TlsFiles,
    members: Vec<Member<'a>>,
    via: &'a InstanceContext,
}

/// What all members said at about one moment.
struct View<'a> {
    answers: Vec<Answer<'a>>,
    silent: Vec<(&'a Member<'a>, CallError)>,
}

struct Answer<'a> {
    member: &'a Member<'a>,
    status: StatusResponse,
}

impl Answer<'_> {
    fn name(&self) -> &InstanceName {
        &self.member.spec.name
    }

    fn id(&self) -> u64 {
        member_id(&self.status)
    }
}

impl<'a> View<'a> {
    /// The member that says it leads, in the newest term that anyone knows of. A leader that was
    /// cut off may still take itself for one, in an older term.
    fn leader(&self) -> Option<&Answer<'a>> {
        let term = self.answers.iter().map(|answer| answer.status.raft_term).max()?;
        self.answers
            .iter()
            .find(|answer| answer.status.leader == answer.id() && answer.status.raft_term == term)
    }

    /// Who takes over from `leader`: the preferred member when it is fit, else the fit member
    /// that has applied most; and why the preferred one does not.
    fn successor(
        &self,
        leader: &Answer<'a>,
        preferred: &InstanceName,
    ) -> Result<(&Answer<'a>, Option<String>), String> {
        let objection = match self.answers.iter().find(|answer| answer.name() == preferred) {
            Some(answer) => match unfit(answer, leader) {
                None => return Ok((answer, None)),
                Some(reason) => reason,
            },
            None => "it does not answer".to_owned(),
        };
        self.answers
            .iter()
            .filter(|answer| unfit(answer, leader).is_none())
            .max_by_key(|answer| answer.status.raft_applied_index)
            .map(|answer| (answer, Some(objection.clone())))
            .ok_or(objection)
    }
}

/// Why a member cannot take over from `leader`.
fn unfit(answer: &Answer<'_>, leader: &Answer<'_>) -> Option<String> {
    if answer.id() == leader.id() {
        Some("it is the leader itself".to_owned())
    } else if answer.status.is_learner {
        Some("it is a learner".to_owned())
    } else if let Some(problem) = problem(&answer.status) {
        Some(problem)
    } else if answer.status.leader != leader.id() {
        Some("it does not follow the leader".to_owned())
    } else {
        None
    }
}

impl<'a> Cluster<'a> {
    async fn transfer(
        &'a self,
        away_from: &InstanceName,
        to: &InstanceName,
    ) -> Result<String, DriverError> {
        let view = self.await_leader(ELECTION_WAIT, |_| true).await?;
        let Some(leader) = view.leader() else {
            return Err(self.no_leader(&view));
        };
        if leader.name() != away_from {
            return Ok(format!("{away_from} does not lead; {} does", leader.name()));
        }
        let attempt = format!("moving the leadership away from `{away_from}`");
        let (successor, objection) = view.successor(leader, to).map_err(|objection| {
            self.refuse(
                attempt.clone(),
                format!("no other member can take it: `{to}` cannot, because {objection}"),
            )
        })?;

        let started = Instant::now();
        // The leader itself is asked: with authentication on, a follower cannot pass it on.
        let moved = match self.connections.client(&self.tls, leader.member).await {
            Ok(client) => client.move_leader(successor.id()).await,
            Err(error) => Err(error),
        };
        // Whatever the answer was, what counts is who leads now.
        let after = self.await_leader(VERIFY_WAIT, |leader| leader.name() != away_from).await?;
        let Some(new_leader) = after.leader().filter(|leader| leader.name() != away_from) else {
            let cause = match moved {
                Ok(()) => "it leads still, although it agreed to the move".to_owned(),
                Err(error) => error.to_string(),
            };
            return Err(self.refuse(attempt, cause));
        };
        let took_ms = started.elapsed().as_millis();
        let mut seen =
            format!("leadership moved from {away_from} to {} in {took_ms} ms", new_leader.name());
        if let Some(objection) = objection
            && new_leader.name() != to
        {
            // Writing to a text cannot fail.
            let _ = write!(seen, "; {to} was preferred, but {objection}");
        }
        Ok(seen)
    }

    /// Asks all members, again and again, until one leads that is `wanted` or `wait` is over;
    /// returns the last view, whatever it shows.
    async fn await_leader(
        &'a self,
        wait: Duration,
        wanted: impl Fn(&Answer<'a>) -> bool,
    ) -> Result<View<'a>, DriverError> {
        let until = Instant::now() + wait;
        loop {
            let view = self.ask_all().await;
            if view.answers.is_empty() {
                return Err(self.unreachable(&view));
            }
            if view.leader().is_some_and(&wanted) || Instant::now() >= until {
                return Ok(view);
            }
            sleep(POLL).await;
        }
    }

    async fn ask_all(&'a self) -> View<'a> {
        let asked = self.members.iter().map(async |member| {
            let client = self.connections.client(&self.tls, member).await;
            let status = match client {
                Ok(client) => client.status().await,
                Err(error) => Err(error),
            };
            (member, status)
        });
        let mut view = View { answers: Vec::new(), silent: Vec::new() };
        for (member, status) in join_all(asked).await {
            match status {
                Ok(status) => view.answers.push(Answer { member, status }),
                Err(error) => view.silent.push((member, error)),
            }
        }
        view
    }

    fn unreachable(&self, view: &View<'_>) -> DriverError {
        DriverError::Unreachable {
            what: format!("any member of etcd cluster `{}`", self.via.component.name),
            reason: silence(view),
        }
    }

    fn no_leader(&self, view: &View<'_>) -> DriverError {
        let mut cause = format!(
            "{} of {} members answer, and none of them leads",
            view.answers.len(),
            self.members.len()
        );
        if !view.silent.is_empty() {
            // Writing to a text cannot fail.
            let _ = write!(cause, "; {}", silence(view));
        }
        self.refuse("finding the leader".to_owned(), cause)
    }

    fn refuse(&self, attempt: String, cause: String) -> DriverError {
        let component = &self.via.component.name;
        DriverError::Refused(
            Refusal::new(
                codes::MEMBER_ACTION_FAILED,
                format!("etcd cluster `{component}`: {attempt} failed"),
            )
            .cause(cause)
            .hint(format!(
                "see how its members are, mend the unhealthy ones, and retry: quorate component \
                 show {component}"
            )),
        )
    }
}

/// Who is silent, and why.
fn silence(view: &View<'_>) -> String {
    let reasons: Vec<String> = view
        .silent
        .iter()
        .map(|(member, error)| format!("`{}` ({error})", member.spec.name))
        .collect();
    format!("silent: {}", reasons.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quorate_model::{ComponentName, ComponentSpec, InstanceSpec, NodeId, PackName};

    use super::*;
    use crate::etcd::proto::ResponseHeader;

    fn component(members: usize) -> (ComponentSpec, BTreeMap<NodeId, String>) {
        let instance = |number: usize| InstanceSpec {
            name: InstanceName::new(format!("orders-{number}")).unwrap(),
            node: NodeId(number as u64),
            settings: BTreeMap::new(),
        };
        let spec = ComponentSpec {
            name: ComponentName::new("orders").unwrap(),
            pack: PackName::new("etcd").unwrap(),
            instances: (1..=members).map(instance).collect(),
            settings: BTreeMap::new(),
        };
        let addresses =
            spec.instances.iter().map(|it| (it.node, format!("10.0.0.{}", it.node.0))).collect();
        (spec, addresses)
    }

    /// A view of members given as (id, leader, term, applied index, learner).
    fn with_view(statuses: &[(u64, u64, u64, u64, bool)], check: impl FnOnce(&View<'_>)) {
        let (spec, addresses) = component(statuses.len());
        let members = Member::all(&spec, &addresses).unwrap();
        let answers = members
            .iter()
            .zip(statuses)
            .map(|(member, &(member_id, leader, raft_term, raft_applied_index, is_learner))| {
                let header = Some(ResponseHeader { member_id, ..ResponseHeader::default() });
                let status = StatusResponse {
                    header,
                    leader,
                    raft_term,
                    raft_applied_index,
                    is_learner,
                    ..StatusResponse::default()
                };
                Answer { member, status }
            })
            .collect();
        check(&View { answers, silent: Vec::new() });
    }

    fn name(text: &str) -> InstanceName {
        InstanceName::new(text).unwrap()
    }

    #[test]
    fn a_leader_of_an_older_term_does_not_lead() {
        with_view(&[(1, 1, 4, 9, false), (2, 2, 5, 9, false), (3, 2, 5, 9, false)], |view| {
            assert_eq!(view.leader().unwrap().name().as_str(), "orders-2");
        });
        with_view(&[(1, 1, 4, 9, false), (2, 0, 5, 9, false), (3, 0, 5, 9, false)], |view| {
            assert!(view.leader().is_none());
        });
    }

    #[test]
    fn the_preferred_member_takes_over_when_it_is_fit() {
        with_view(&[(1, 1, 4, 9, false), (2, 1, 4, 8, false), (3, 1, 4, 9, false)], |view| {
            let leader = view.leader().unwrap();
            let (successor, objection) = view.successor(leader, &name("orders-2")).unwrap();
            assert_eq!((successor.name().as_str(), objection), ("orders-2", None));
        });
    }

    #[test]
    fn another_voter_takes_over_when_the_preferred_member_is_unfit() {
        let table = [
            ((2, 1, 4, 9, true), "it is a learner"),
            ((2, 0, 4, 9, false), "it knows no leader"),
            ((2, 3, 3, 9, false), "it does not follow the leader"),
        ];
        for (second, words) in table {
            with_view(&[(1, 1, 4, 9, false), second, (3, 1, 4, 9, false)], |view| {
                let leader = view.leader().unwrap();
                let (successor, objection) = view.successor(leader, &name("orders-2")).unwrap();
                assert_eq!(successor.name().as_str(), "orders-3");
                assert_eq!(objection.as_deref(), Some(words));
            });
        }
    }

    #[test]
    fn a_single_member_has_no_successor() {
        with_view(&[(1, 1, 4, 9, false)], |view| {
            let objection =
                view.successor(view.leader().unwrap(), &name("orders-1")).err().unwrap();
            assert_eq!(objection, "it is the leader itself");
        });
    }
}
