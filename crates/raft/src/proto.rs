//! The generated protobuf types and the generated service, in the modules of their packages,
//! which refer to each other by these paths.

/// What the log store, the snapshot files and the wire share.
pub(crate) mod record {
    pub(crate) use self::v1::*;
    pub(crate) mod v1 {
        #![expect(unreachable_pub, reason = "generated; see the .proto file")]
        tonic::include_proto!("quorate.record.v1");
    }
}

/// The masters' service.
pub(crate) mod raft {
    pub(crate) use self::v1::*;
    pub(crate) mod v1 {
        #![expect(
            unreachable_pub,
            unused_qualifications,
            clippy::allow_attributes,
            reason = "generated; see the .proto file"
        )]
        tonic::include_proto!("quorate.raft.v1");
    }
}
