//! Certificates for component instances and renewed ones for nodes.

use quorate_keyring::identity::{CertificateNames, ComponentCertificate};
use quorate_model::{InstanceName, NodeId, Refusal, codes};

use super::enrolment::{authority, sign_node};
use crate::Control;

/// Signs the key of an instance that is placed on the calling node.
///
/// # Errors
/// When the instance is not placed there, or the request is malformed.
pub fn sign_instance(
    control: &Control,
    caller: NodeId,
    instance: &InstanceName,
    names: &CertificateNames,
    csr_pem: &str,
) -> Result<ComponentCertificate, Refusal> {
    let state = control.state();
    let placed = state.metadata.components.values().any(|component| {
        component.spec.instance(instance).is_some_and(|placed| placed.node == caller)
    });
    if !placed {
        return Err(Refusal::new(
            codes::NODE_NOT_AUTHORIZED,
            format!("`{instance}` is not placed on {caller}"),
        ));
    }
    let lifetime = control.parts.options.certificate_lifetime;
    authority(control)?.issue_component(names, csr_pem, control.now(), lifetime).map_err(|error| {
        Refusal::new(codes::REQUEST_MALFORMED, "the certificate request is not usable")
            .cause(error.to_string())
    })
}

/// Signs a new key of the calling node itself.
///
/// # Errors
/// When the node is not (or no longer) a part of the cluster.
pub fn renew_node(control: &Control, caller: NodeId, csr_pem: &str) -> Result<String, Refusal> {
    let state = control.state();
    if let Some(tombstone) = state.metadata.tombstones.get(&caller) {
        return Err(tombstone.refusal(caller));
    }
    if !state.metadata.nodes.contains_key(&caller) {
        return Err(Refusal::new(
            codes::NODE_NOT_AUTHORIZED,
            format!("{caller} is not a node of this cluster"),
        ));
    }
    sign_node(control, caller, csr_pem)
}
