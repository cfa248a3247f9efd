//! The etcd pack: a static cluster of 1, 3 or 5 members with mutual TLS between the members and
//! to clients. Written against etcd 3.4; its API has kept these calls since.

mod client;
mod driver;
mod leadership;
mod render;
mod rules;
mod settings;

pub(crate) use driver::Driver;
pub(crate) use rules::Rules;

/// The messages and clients compiled from `proto/etcd.proto`.
mod proto {
    #![expect(unreachable_pub, unused_qualifications, reason = "generated from the proto file")]
    tonic::include_proto!("etcdserverpb");
}
