//! The reset: what was decided since the cluster was made is gone, but for the nodes and for what
//! keeps old things from coming back.

use quorate_model::{ClusterAction, Generation, Operation, Refusal, StepKind, UserName, codes};

use super::{Context, components};
use crate::{Iam, Metadata, State, User, UserRole};

/// Does to the cluster what the operation's step says, and under which generation.
///
/// The operation goes on: whoever calls this keeps it, and it is the only one that is kept.
pub(super) fn act(
    state: &mut State,
    context: &Context<'_>,
    operation: &mut Operation,
    index: usize,
    action: &ClusterAction,
) -> Result<Generation, Refusal> {
    let ClusterAction::Reset { admin, password_hash } = action;
    if password_hash.is_empty() {
        // Nobody could log in afterwards.
        return Err(Refusal::new(codes::REQUEST_MALFORMED, "the reset names no password"));
    }
    let generation = components::next_generation(state);
    let gone = begin_anew(state, admin, password_hash, generation);
    // It has served its purpose; the user keeps it until a person chooses another.
    if let Some(step) = operation.plan.steps.get_mut(index) {
        step.kind = StepKind::Cluster {
            action: ClusterAction::Reset { admin: admin.clone(), password_hash: String::new() },
        };
    }
    state.audit.begin_anew();
    state.audit.note(
        context.index,
        context.proposal.at,
        &operation.requested_by,
        "cluster.reset",
        format!("operation {}: {gone}", operation.id),
    );
    Ok(generation)
}

/// What stays is named here, so that whatever is added later goes.
fn begin_anew(
    state: &mut State,
    admin: &UserName,
    password_hash: &str,
    generation: Generation,
) -> String {
    let former = std::mem::take(&mut state.metadata);
    let former_iam = std::mem::take(&mut state.iam);
    let gone = format!(
        "{} users, {} tokens, {} settings, {} components, {} operations are gone",
        former_iam.users.len(),
        former_iam.tokens.len(),
        former.settings.len(),
        former.components.len(),
        former.operations.len().saturating_sub(1),
    );
    state.recent = crate::recent::RecentOutcomes::default();
    state.iam = Iam {
        users: [(
            admin.clone(),
            User {
                password_hash: password_hash.to_owned(),
                must_change_password: true,
                role: UserRole::Admin,
            },
        )]
        .into_iter()
        .collect(),
        ..Iam::default()
    };
    state.metadata = Metadata {
        nodes: former.nodes,
        tombstones: former.tombstones,
        // Ids and generations that were given out once are not given out again: node managers and
        // removed nodes remember them.
        last_node_id: former.last_node_id,
        last_generation: former.last_generation,
        masters_revision: former.masters_revision,
        recovery: former.recovery,
        // It belongs to the masters that there are, and those stay.
        even_voters: former.even_voters,
        // Whoever logged in before is not let through any more.
        last_reset: generation,
        ..Metadata::default()
    };
    gone
}
