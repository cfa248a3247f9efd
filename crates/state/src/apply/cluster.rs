//! The first command of a cluster, and its feature level.

use quorate_model::{NodeId, Refusal, codes};

use super::{Context, nodes};
use crate::{Applied, Command, Kms, Outcome, State};

pub(super) fn create(state: &mut State, context: &Context<'_>) -> Outcome {
    let Command::CreateCluster {
        cluster,
        ca_cert_pem,
        sealed_ca,
        node,
        admin,
        admin_user,
        feature_level,
    } = &context.proposal.command
    else {
        return Err(Refusal::new(codes::INTERNAL, "not a create-cluster command"));
    };
    if let Some(existing) = state.cluster {
        return Err(Refusal::new(
            codes::ALREADY_INITIALISED,
            format!("the cluster {existing} exists already"),
        ));
    }
    state.cluster = Some(*cluster);
    state.feature_level = *feature_level;
    state.kms = Kms { ca_cert_pem: ca_cert_pem.clone(), sealed_ca: sealed_ca.clone() };
    state.iam.users.insert(admin.clone(), admin_user.clone());
    let id = NodeId(1);
    nodes::insert(state, id, node, context);
    Ok(Applied::Node(id))
}

/// Raises the feature level, unless some node cannot read it. It never falls.
pub(super) fn raise(state: &mut State, level: u32) -> Result<(), Refusal> {
    let behind: Vec<String> = state
        .metadata
        .nodes
        .values()
        .filter(|node| !node.reads(level))
        .map(|node| format!("`{}` reads up to {}", node.name, node.reads_level.max(1)))
        .collect();
    if !behind.is_empty() {
        return Err(Refusal::new(
            codes::FEATURE_LEVEL_UNREADABLE,
            format!("the feature level cannot rise to {level}"),
        )
        .cause(behind.join("; "))
        .hint("upgrade those nodes first: quorate node upgrade"));
    }
    state.feature_level = state.feature_level.max(level);
    Ok(())
}
