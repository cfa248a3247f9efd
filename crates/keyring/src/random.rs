//! Randomness from the operating system: the only source of keys, nonces, secrets and ids.

use quorate_model::IdSource;

/// Fills an array from the operating system.
///
/// One system call (or vDSO call) each time rather than a generator of our own: a generator's
/// state would repeat in a virtual machine resumed from a snapshot, and with it the nonces.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    fill_random(&mut bytes);
    bytes
}

/// Fills a slice from the operating system.
#[expect(
    clippy::expect_used,
    reason = "without randomness no secret can be made; to continue would be worse than to stop"
)]
pub(crate) fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system provides randomness");
}

/// A password for one login: 80 random bits in groups that can be read out and typed.
#[must_use]
pub fn one_time_password() -> String {
    // Without those that look alike.
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let text: Vec<char> = random_bytes::<16>()
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect();
    let groups: Vec<String> = text.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// The product's source of ids: the operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsIdSource;

impl IdSource for OsIdSource {
    fn random(&self) -> u128 {
        u128::from_le_bytes(random_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_do_not_repeat() {
        assert_ne!(OsIdSource.random(), OsIdSource.random());
    }

    #[test]
    fn a_one_time_password_is_sixteen_letters_in_groups_and_never_the_same() {
        let password = one_time_password();
        assert_eq!(password.len(), 19);
        assert!(password.split('-').all(|group| group.len() == 4), "{password}");
        assert_ne!(password, one_time_password());
    }
}
