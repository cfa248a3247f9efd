//! Free ports on loopback addresses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::error::BenchError;

/// So many addresses with a free port each. They are free at this moment; the systems bind them
/// right after.
pub(super) fn free(address: Ipv4Addr, number: usize) -> Result<Vec<SocketAddr>, BenchError> {
    // All are held until the last is found, so that none is handed out twice.
    let held: Result<Vec<TcpListener>, _> =
        (0..number).map(|_| TcpListener::bind((address, 0))).collect();
    held.and_then(|held| held.iter().map(TcpListener::local_addr).collect())
        .map_err(|source| BenchError::Ports { address: address.to_string(), source })
}

/// The loopback address of a member: 127.0.0.1, 127.0.0.2, ...
pub(super) fn loopback(member: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, u8::try_from(member + 1).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ() {
        let mut found = free(loopback(1), 8).unwrap();
        assert!(found.iter().all(|address| address.ip() == Ipv4Addr::new(127, 0, 0, 2)));
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 8);
    }
}
