//! Makes the folder with which one master goes on alone: all that it holds, and at the end of its
//! log two entries that nobody else needs to agree to.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use openraft::{BasicNode, EntryPayload, vote::RaftLeaderIdExt};
use quorate_model::Term;
use quorate_state::Proposal;

use super::Place;
use crate::{
    RaftError,
    log_store::{Change, LogFile},
    types::{Entry, LeaderId, LogId, Membership, Replicated, Vote},
};

/// Copies what `from` holds into the new folder `to` and makes the node the only voter there, with
/// its whole log, the end of which may never have been committed: it may have been acknowledged.
/// `term` must be higher than any that a survivor knows; `proposal` is what the recovery changes in
/// the state. Everything is on disk when this returns.
///
/// # Errors
/// When the folder cannot be read or written; what is in `to` by then must be removed.
pub fn rebuild(
    from: &Place,
    to: &Path,
    addr: &str,
    term: Term,
    proposal: Proposal,
) -> Result<(), RaftError> {
    fs::DirBuilder::new()
        .mode(0o700)
        .create(to)
        .map_err(|error| RaftError::file("create", to, error))?;
    for name in ["log.redb", "snapshot.bin"] {
        copy(&from.folder.join(name), &to.join(name))?;
    }
    let path = to.join("log.redb");
    let (file, loaded) = LogFile::open(&path, from.vault())?;
    let end = loaded.entries.last().map(|entry| entry.log_id).max(loaded.purged);
    let next = end.map_or(0, |end| end.index + 1);
    let written = append(from.node.0, addr, term, next, proposal)
        .and_then(|changes| file.apply(&changes))
        .map_err(|error| RaftError::file("write", &path, error));
    file.close();
    let _unpurged = written?;
    File::open(to)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| RaftError::file("sync", to, error))
}

/// The vote says that this node leads the term already, so the entries of that term are its own.
fn append(
    node: u64,
    addr: &str,
    term: Term,
    next: u64,
    proposal: Proposal,
) -> io::Result<Vec<Change>> {
    let at = |index| LogId::new(LeaderId::new_committed(term.0, node), index);
    let alone =
        Membership::new(vec![[node].into()], BTreeMap::from([(node, BasicNode::new(addr))]))
            .map_err(|error| io::Error::other(error.to_string()))?;
    let proposal = Replicated::new(proposal).map_err(io::Error::other)?;
    Ok(vec![
        Change::Vote(Vote::new_committed(term.0, node)),
        Change::Append(vec![
            Entry { log_id: at(next), payload: EntryPayload::Membership(alone) },
            Entry { log_id: at(next + 1), payload: EntryPayload::Normal(proposal) },
        ]),
    ])
}

/// Copies a file that may be absent.
fn copy(from: &Path, to: &Path) -> Result<(), RaftError> {
    match fs::copy(from, to) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RaftError::file("copy", from, error)),
    }
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(|error| RaftError::file("sync", to, error))
}
