//! Binaries of Quorate that people upload, and nodes fetch. They lie on masters' disks and are no
//! part of the replicated state: any master takes one, and whoever wants it asks every master.

use quorate_api::{
    BASE_PATH,
    rest::{BinaryFactsView, BinaryView},
};
use quorate_model::{Binary, BinaryDigest, FeatureLevels, Refusal, codes};

use super::nodes::other_masters;
use crate::{Control, Permission, Principal, StagedBinary};

/// How far a binary is on this master's disk.
///
/// # Errors
/// When the principal may not see it, or the digest is none.
pub fn show(control: &Control, principal: &Principal, sha256: &str) -> Result<BinaryView, Refusal> {
    principal.require(Permission::Administer)?;
    let sha256 = parse(sha256)?;
    let staged = match control.surroundings() {
        Some(around) => around.binary(&sha256),
        None => return Err(no_disk()),
    };
    Ok(view(&sha256, &staged))
}

/// Takes in the part of a binary that begins at `offset`. The answer says where the next part
/// begins; with the last one the binary is checked, and asked what it is.
///
/// # Errors
/// When the principal may not, when it cannot be written, or when the binary is not fit for this
/// cluster.
pub async fn take(
    control: &Control,
    principal: &Principal,
    sha256: &str,
    offset: u64,
    size: u64,
    bytes: Vec<u8>,
) -> Result<BinaryView, Refusal> {
    principal.require(Permission::Administer)?;
    let sha256 = parse(sha256)?;
    let around = control.surroundings().ok_or_else(no_disk)?;
    let staged = around.take_binary(&sha256, offset, size, bytes).await?;
    Ok(view(&sha256, &staged))
}

/// What a binary is that some master holds.
///
/// # Errors
/// When the principal may not see it, or no master that answers holds it.
pub async fn find(
    control: &Control,
    principal: &Principal,
    sha256: &str,
) -> Result<Binary, Refusal> {
    principal.require(Permission::Administer)?;
    let sha256 = parse(sha256)?;
    let around = control.surroundings().ok_or_else(no_disk)?;
    if let Some(binary) = around.binary(&sha256).binary {
        return Ok(binary);
    }
    let path = format!("{BASE_PATH}/binaries/{sha256}");
    for (node, addr) in other_masters(control) {
        let Ok(body) = around.ask(node, &addr, &path).await else { continue };
        let held = serde_json::from_slice::<BinaryView>(&body).ok();
        if let Some(facts) = held.and_then(|view| Some((view.size, view.facts?))) {
            let (size, facts) = facts;
            return Ok(Binary { sha256, size, facts: facts_of(facts) });
        }
    }
    Err(Refusal::new(
        codes::BINARY_ABSENT,
        format!("no master holds the binary {}", sha256.short()),
    )
    .hint("upload it first: quorate node upgrade --binary FILE does"))
}

/// The part of a binary that begins at `offset`, and the length of all of it, for a node.
///
/// # Errors
/// When this master does not hold it.
pub async fn read(control: &Control, sha256: &str, offset: u64) -> Result<(Vec<u8>, u64), Refusal> {
    let sha256 = parse(sha256)?;
    let around = control.surroundings().ok_or_else(no_disk)?;
    around.read_binary(&sha256, offset).await?.ok_or_else(|| {
        Refusal::new(codes::BINARY_ABSENT, "this master does not hold the binary")
            .hint("ask another one, or upload it again")
    })
}

fn parse(sha256: &str) -> Result<BinaryDigest, Refusal> {
    BinaryDigest::try_from(sha256.to_owned())
        .map_err(|error| Refusal::new(codes::REQUEST_MALFORMED, error))
}

fn no_disk() -> Refusal {
    Refusal::new(codes::INTERNAL, "this master keeps no binaries")
}

fn view(sha256: &BinaryDigest, staged: &StagedBinary) -> BinaryView {
    BinaryView {
        sha256: sha256.to_string(),
        received: staged.received,
        size: staged.binary.as_ref().map_or(0, |binary| binary.size),
        facts: staged.binary.as_ref().map(|binary| BinaryFactsView {
            version: binary.facts.version.clone(),
            architecture: binary.facts.architecture.clone(),
            oldest_level: binary.facts.feature_levels.from,
            newest_level: binary.facts.feature_levels.to,
        }),
    }
}

fn facts_of(view: BinaryFactsView) -> quorate_model::BinaryFacts {
    quorate_model::BinaryFacts {
        version: view.version,
        architecture: view.architecture,
        feature_levels: FeatureLevels { from: view.oldest_level, to: view.newest_level },
    }
}
