//! The names in certificates: which belong to nodes, and which a component may have.

use std::net::IpAddr;

use quorate_model::{ClusterId, NodeId};
use rustls_pki_types::{DnsName, ServerName};

use crate::KeyringError;

/// The domain of the names that only nodes have. It is never looked up in any DNS.
pub(crate) const RESERVED_DOMAIN: &str = "quorate.internal";

/// What a component's certificate is to be valid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateNames {
    /// The subject's common name (etcd takes the user's name from it).
    pub common_name: String,
    /// DNS names and IP addresses.
    pub names: Vec<String>,
}

impl CertificateNames {
    /// Refuses what a component may not be called.
    pub(crate) fn check(&self) -> Result<(), KeyringError> {
        let refuse = |reason: String| Err(KeyringError::CertificateRequestRefused { reason });
        if !(1..=64).contains(&self.common_name.chars().count())
            || self.common_name.chars().any(char::is_control)
        {
            return refuse("a common name has 1 to 64 characters".to_owned());
        }
        if self.names.len() > 64 {
            return refuse("a certificate has at most 64 names".to_owned());
        }
        for name in self.names.iter().chain([&self.common_name]) {
            if is_reserved(name) {
                return refuse(format!("`{name}` is reserved for nodes"));
            }
        }
        for name in &self.names {
            let host = name.strip_prefix("*.").unwrap_or(name);
            let is_address = name.parse::<IpAddr>().is_ok();
            if !is_address && DnsName::try_from(host).is_err() {
                return refuse(format!("`{name}` is neither a DNS name nor an IP address"));
            }
        }
        Ok(())
    }
}

/// Whether a name could be taken for a node's.
fn is_reserved(name: &str) -> bool {
    let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
    name == RESERVED_DOMAIN
        || name.ends_with(&format!(".{RESERVED_DOMAIN}"))
        || name.starts_with("quorate:")
}

/// The DNS name in a node's certificate: `n7.<cluster>.quorate.internal`.
pub(crate) fn node_dns_name(cluster: ClusterId, node: NodeId) -> String {
    format!("{node}.{}.{RESERVED_DOMAIN}", cluster.to_string().to_ascii_lowercase())
}

/// The URI in a node's certificate, which makes it a node's: `quorate://<cluster>/node/7`.
pub(crate) fn node_uri(cluster: ClusterId, node: NodeId) -> String {
    format!("quorate://{cluster}/node/{}", node.0)
}

/// Reads [`node_uri`], and only exactly that.
pub(crate) fn parse_node_uri(uri: &str) -> Option<(ClusterId, NodeId)> {
    let (cluster, number) = uri.strip_prefix("quorate://")?.split_once("/node/")?;
    let (cluster, node) = (cluster.parse().ok()?, NodeId(number.parse().ok()?));
    (node_uri(cluster, node) == uri).then_some((cluster, node))
}

/// The name by which a client asks for one node and no other; it is independent of the address.
#[must_use]
#[expect(clippy::expect_used, reason = "the parts are letters, digits and dots of bounded length")]
pub fn server_name(cluster: ClusterId, node: NodeId) -> ServerName<'static> {
    ServerName::try_from(node_dns_name(cluster, node)).expect("a node's name is a DNS name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_uri_is_read_only_in_its_exact_form() {
        let cluster = ClusterId::from_parts(7, u128::MAX);
        let uri = node_uri(cluster, NodeId(7));
        assert_eq!(parse_node_uri(&uri), Some((cluster, NodeId(7))));
        for bad in [
            uri.to_lowercase(),
            format!("{uri}/"),
            uri.replace("/node/7", "/node/+7"),
            uri.replace("/node/7", "/node/07"),
            uri.replace("/node/", "/component/"),
            uri.replace("quorate:", "https:"),
        ] {
            assert_eq!(parse_node_uri(&bad), None, "{bad}");
        }
    }

    #[test]
    fn every_cluster_and_node_has_a_server_name() {
        for (cluster, node) in [(0, 0), (u64::MAX >> 16, u64::MAX)] {
            let cluster = ClusterId::from_parts(cluster, u128::MAX);
            let name = server_name(cluster, NodeId(node));
            assert!(name.to_str().ends_with(".quorate.internal"));
        }
    }

    #[test]
    fn a_component_gets_ordinary_names_and_never_a_nodes() {
        let with = |common_name: &str, names: &[&str]| {
            CertificateNames {
                common_name: common_name.to_owned(),
                names: names.iter().map(|name| (*name).to_owned()).collect(),
            }
            .check()
        };
        with("orders-1", &["localhost", "127.0.0.1", "::1", "db-1.example.org", "*.db.example"])
            .unwrap();
        with("root", &[]).unwrap();
        for reserved in [
            "quorate.internal",
            "n7.01h.quorate.internal",
            "N7.01H.Quorate.INTERNAL.",
            "*.quorate.internal",
            "quorate://01H/node/7",
        ] {
            assert!(with("x", &[reserved]).is_err(), "{reserved}");
            assert!(with(reserved, &[]).is_err(), "{reserved}");
        }
        for bad in ["", "*", "a b", "*.*.example", "http://x", "é"] {
            assert!(with("x", &[bad]).is_err(), "{bad}");
        }
        assert!(with("", &[]).is_err());
        assert!(with(&"x".repeat(65), &[]).is_err());
    }
}
