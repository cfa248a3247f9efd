//! The replicated state as a value: [`State`], the [`Command`]s that change it, and the codecs of
//! both.
//!
//! `apply` is synchronous, total and deterministic: time, ids and randomness are chosen by the
//! proposer and arrive inside the [`Proposal`]. A command that is not allowed gives a
//! [`quorate_model::Refusal`] and changes nothing. This crate performs no I/O and knows no clock,
//! no randomness and no async runtime (docs/adr/0001).

mod apply;
mod audit;
mod codec;
mod command;
mod iam;
mod kms;
mod metadata;
mod outcome;
mod policy;
mod recent;
mod root;

pub use audit::{AuditEntry, AuditTrail, BrokenChain};
pub use codec::{CodecError, FORMAT_VERSION, OutcomeCodec};
pub use command::{Command, NewNode, Proposal};
pub use iam::{Enrolment, Iam, JoinToken, KeyedRequest, Session, TokenStatus, User, UserRole};
pub use kms::Kms;
pub use metadata::{Component, InstanceRecord, Metadata, Node, Recovery, Setting, Tombstone};
pub use outcome::{Applied, Outcome};
pub use policy::{MasterPolicy, Stated};
pub use root::{FEATURE_LEVEL, State};
