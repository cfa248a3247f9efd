//! Asks an etcd member how it is.

use async_trait::async_trait;
use quorate_model::{
    InstanceName, MemberObservation, MemberRole, PackName, Readiness, Refusal, codes,
};
use quorate_pack::{
    DriverError, InstanceContext, LeadershipTransfer, MemberView, PackDriver, PackRules as _,
};

use super::{
    client::{CallError, Connections},
    leadership,
    proto::{Member as ListedMember, StatusResponse},
    render::{Member, TlsFiles},
    rules::Rules,
};

/// The driver of the etcd pack; it keeps connections.
#[derive(Default)]
pub(crate) struct Driver {
    connections: Connections,
}

#[async_trait]
impl PackDriver for Driver {
    fn name(&self) -> PackName {
        Rules.name()
    }

    async fn probe(&self, instance: &InstanceContext) -> MemberView {
        self.look(instance).await.unwrap_or_else(|error| {
            let readiness = match error {
                ProbeError::Refused(refusal) => Readiness::Unknown { reason: refusal.to_string() },
                ProbeError::Call(
                    error @ (CallError::ReadCertificate { .. }
                    | CallError::PrepareConnection { .. }),
                ) => Readiness::Unknown { reason: error.to_string() },
                ProbeError::Call(error) => Readiness::NotReady { reason: error.to_string() },
            };
            MemberView { readiness, member: None }
        })
    }

    fn leadership(&self) -> Option<&dyn LeadershipTransfer> {
        Some(self)
    }
}

#[async_trait]
impl LeadershipTransfer for Driver {
    async fn transfer_leadership(
        &self,
        via: &InstanceContext,
        away_from: &InstanceName,
        to: &InstanceName,
    ) -> Result<String, DriverError> {
        leadership::transfer(&self.connections, via, away_from, to).await
    }
}

enum ProbeError {
    Refused(Refusal),
    Call(CallError),
}

impl From<CallError> for ProbeError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Driver {
    async fn look(&self, instance: &InstanceContext) -> Result<MemberView, ProbeError> {
        let members =
            Member::all(&instance.component, &instance.addresses).map_err(ProbeError::Refused)?;
        let member = members
            .iter()
            .find(|member| member.spec.name == instance.instance)
            .ok_or_else(|| {
                ProbeError::Refused(Refusal::new(
                    codes::NOT_FOUND,
                    format!(
                        "component `{}` has no instance `{}`",
                        instance.component.name, instance.instance
                    ),
                ))
            })?;
        let client = self.connections.client(&TlsFiles::of(&instance.folder), member).await?;
        let status = client.status().await?;
        if status.is_learner {
            let reason = "it is a learner: it has no vote yet and answers no reads".to_owned();
            return Ok(MemberView {
                readiness: Readiness::NotReady { reason },
                member: Some(observe(&status, &[])),
            });
        }
        let (listed, read) = tokio::join!(client.members(), client.linearizable_read());
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                let reason = format!("it does not list its members: {error}");
                return Ok(MemberView { readiness: Readiness::NotReady { reason }, member: None });
            }
        };
        if let Some(other) = answering_instead(&status, &listed, &instance.instance) {
            let reason = format!("member `{other}` answers at {}", member.client_url());
            return Ok(MemberView { readiness: Readiness::Unknown { reason }, member: None });
        }
        let readiness = match (problem(&status), read) {
            (Some(reason), _) => Readiness::NotReady { reason },
            (None, Err(error)) => {
                Readiness::NotReady { reason: format!("a linearizable read fails: {error}") }
            }
            (None, Ok(())) => Readiness::Ready,
        };
        Ok(MemberView { readiness, member: Some(observe(&status, &listed)) })
    }
}

/// The name of the member that answers in another's place, for instance behind a wrong port.
fn answering_instead<'a>(
    status: &StatusResponse,
    listed: &'a [ListedMember],
    expected: &InstanceName,
) -> Option<&'a str> {
    let id = member_id(status);
    listed
        .iter()
        .find(|member| member.id == id)
        .map(|member| member.name.as_str())
        .filter(|name| !name.is_empty() && *name != expected.as_str())
}

/// Why a member that answers does not serve, as far as it says so itself.
pub(super) fn problem(status: &StatusResponse) -> Option<String> {
    if !status.errors.is_empty() {
        Some(status.errors.join("; "))
    } else if status.leader == 0 {
        Some("it knows no leader".to_owned())
    } else {
        None
    }
}

/// The id of the member that answered.
pub(super) fn member_id(status: &StatusResponse) -> u64 {
    status.header.as_ref().map_or(0, |header| header.member_id)
}

/// An id as etcd's own tools write and read it.
pub(super) fn hex(id: u64) -> String {
    format!("{id:x}")
}

fn observe(status: &StatusResponse, listed: &[ListedMember]) -> MemberObservation {
    let id = member_id(status);
    let role = if status.is_learner {
        MemberRole::Learner
    } else if status.leader == id {
        MemberRole::Leader
    } else {
        MemberRole::Follower
    };
    let voters = listed.iter().filter(|member| !member.is_learner).count();
    MemberObservation {
        member_id: hex(id),
        role,
        leader_id: (status.leader != 0).then(|| hex(status.leader)),
        term: status.raft_term,
        committed_index: status.raft_index,
        applied_index: status.raft_applied_index,
        version: status.version.clone(),
        // A learner does not list the members: 0 says that it does not say.
        voters: u32::try_from(voters).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::proto::ResponseHeader;

    fn status(member_id: u64, leader: u64) -> StatusResponse {
        StatusResponse {
            header: Some(ResponseHeader { member_id, ..ResponseHeader::default() }),
            leader,
            raft_term: 33,
            raft_index: 104_127,
            raft_applied_index: 104_126,
            version: "3.4.23".to_owned(),
            ..StatusResponse::default()
        }
    }

    fn listed(id: u64, name: &str, is_learner: bool) -> ListedMember {
        ListedMember { id, name: name.to_owned(), is_learner }
    }

    #[test]
    fn an_id_above_two_to_the_53_keeps_every_digit() {
        let seen = observe(&status(8_873_126_763_567_433_806, 10_730_359_802_204_392_104), &[]);
        assert_eq!(seen.member_id, "7b23adc79572c84e");
        assert_eq!(seen.leader_id.as_deref(), Some("94e9e56362860aa8"));
    }

    #[test]
    fn a_status_is_read_as_a_role() {
        let members = [listed(1, "a", false), listed(2, "b", false), listed(3, "c", true)];
        let seen = observe(&status(1, 1), &members);
        assert_eq!((seen.role, seen.voters, seen.term), (MemberRole::Leader, 2, 33));
        assert_eq!((seen.committed_index, seen.applied_index), (104_127, 104_126));
        assert_eq!(observe(&status(1, 2), &members).role, MemberRole::Follower);
        let lost = observe(&status(1, 0), &members);
        assert_eq!((lost.role, lost.leader_id), (MemberRole::Follower, None));
        let learner = StatusResponse { is_learner: true, ..status(3, 1) };
        assert_eq!(observe(&learner, &[]).role, MemberRole::Learner);
    }

    #[test]
    fn a_member_that_answers_in_anothers_place_is_noticed() {
        let members = [listed(1, "orders-1", false), listed(2, "", false)];
        let name = |text| InstanceName::new(text).unwrap();
        let seen = |id, text| answering_instead(&status(id, 1), &members, &name(text));
        assert_eq!(seen(1, "orders-1"), None);
        assert_eq!(seen(1, "orders-2"), Some("orders-1"));
        // A member that has just started is listed without its name.
        assert_eq!(seen(2, "orders-2"), None);
    }

    #[test]
    fn a_member_without_a_leader_or_with_an_alarm_does_not_serve() {
        assert_eq!(problem(&status(1, 2)), None);
        assert_eq!(problem(&status(1, 0)).unwrap(), "it knows no leader");
        let alarmed =
            StatusResponse { errors: vec!["memberID:1 alarm:NOSPACE".to_owned()], ..status(1, 2) };
        assert_eq!(problem(&alarmed).unwrap(), "memberID:1 alarm:NOSPACE");
    }
}
