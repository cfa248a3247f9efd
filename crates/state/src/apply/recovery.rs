//! A recovery from lost quorum: the epoch rises, the masters that were given up are dead, and what
//! was being done with masters is over.

use quorate_model::{NodeName, Refusal, codes};

use super::{Context, interventions};
use crate::{Applied, Command, Outcome, Recovery, State, Tombstone};

pub(super) fn recover(state: &mut State, context: &Context<'_>) -> Outcome {
    let Command::Recover { epoch, keeper, written_off, plan_sha256, last_node_id, last_generation } =
        &context.proposal.command
    else {
        return Err(Refusal::new(codes::INTERNAL, "the command is no recovery"));
    };
    if *epoch <= state.epoch {
        return Err(Refusal::new(
            codes::RECOVERY_CONFLICT,
            format!("epoch {epoch} cannot begin: the cluster is in epoch {}", state.epoch),
        ));
    }
    if written_off.contains(keeper) {
        return Err(Refusal::new(
            codes::RECOVERY_PLAN_INVALID,
            format!("{keeper} cannot both go on and be written off"),
        ));
    }
    let at = context.proposal.at;
    let metadata = &mut state.metadata;
    for id in written_off {
        // A master that joined in entries which did not survive is known to nobody here.
        let name = match metadata.nodes.remove(id) {
            Some(node) => node.name,
            None => NodeName::new(id.to_string())
                .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?,
        };
        if !metadata.tombstones.contains_key(id) {
            metadata.tombstones.insert(*id, Tombstone { name, removed_at: at });
        }
    }
    metadata.last_node_id = metadata.last_node_id.max(*last_node_id);
    metadata.last_generation = metadata.last_generation.max(*last_generation);
    metadata.masters_revision = context.revision();
    metadata.recovery = Some(Recovery {
        at,
        keeper: *keeper,
        written_off: written_off.clone(),
        plan_sha256: plan_sha256.clone(),
    });
    state.epoch = *epoch;
    interventions::end_with_recovery(state, context);
    Ok(Applied::Done)
}
