//! The internal protocol, generated from `proto/internal.proto`.

#![expect(missing_docs, reason = "generated from the .proto file, which documents it")]
#![expect(unused_qualifications, reason = "generated")]
#![expect(clippy::allow_attributes, reason = "generated")]

tonic::include_proto!("quorate.internal.v1");
