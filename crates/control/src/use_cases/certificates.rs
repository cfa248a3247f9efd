//! Certificates for component instances and renewed ones for nodes.

use std::path::PathBuf;

use quorate_keyring::identity::{CertificateNames, ComponentCertificate};
use quorate_model::{InstanceName, NodeId, Refusal, codes};
use quorate_pack::{CertificateRequest, RenderContext};

use super::enrolment::{sign_node, signing_authority};
use crate::Control;

/// Signs the key of an instance that is placed on the calling node, for the names that its pack
/// gives it and for no others: whoever holds one host gets certificates for nothing else.
///
/// # Errors
/// When the instance is not placed there, is not called so, or the request is malformed.
pub fn sign_instance(
    control: &Control,
    caller: NodeId,
    instance: &InstanceName,
    names: &CertificateNames,
    csr_pem: &str,
) -> Result<ComponentCertificate, Refusal> {
    let state = control.state();
    let component =
        state.metadata.components.values().map(|component| &component.spec).find(|component| {
            component.instance(instance).is_some_and(|placed| placed.node == caller)
        });
    let Some(component) = component else {
        return Err(Refusal::new(
            codes::NODE_NOT_AUTHORIZED,
            format!("`{instance}` is not placed on {caller}"),
        ));
    };
    let rules = control.shared.parts.catalog.get(&component.pack).ok_or_else(|| {
        Refusal::new(codes::SPECIFICATION_INVALID, format!("there is no pack `{}`", component.pack))
    })?;
    let rendered = rules.render(&RenderContext {
        component,
        instance,
        addresses: &state.metadata.addresses_of(component),
        // Where it lies on its host is no part of any name.
        folder: PathBuf::new(),
    })?;
    if !rendered.certificates.iter().any(|wanted| is_for(wanted, names)) {
        return Err(Refusal::new(
            codes::NODE_NOT_AUTHORIZED,
            format!("a certificate of `{instance}` is not for `{}`", names.common_name),
        )
        .cause(format!("it was asked for the names {}", names.names.join(", ")))
        .hint("the node may not have heard of a change yet, and asks again when it has"));
    }
    let lifetime = control.shared.parts.options.certificate_lifetime;
    let signed =
        signing_authority(control)?.issue_component(names, csr_pem, control.now(), lifetime);
    signed.map_err(|error| {
        Refusal::new(codes::REQUEST_MALFORMED, "the certificate request is not usable")
            .cause(error.to_string())
    })
}

fn is_for(wanted: &CertificateRequest, names: &CertificateNames) -> bool {
    wanted.common_name == names.common_name && wanted.names == names.names
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
