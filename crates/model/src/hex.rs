//! Bytes as lower-case hexadecimal text.

use std::fmt::Write;

/// The bytes as lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A digest in hexadecimal as people compare it: its first 128 bits in groups of four digits.
#[must_use]
pub fn spoken_digest(digest: &str) -> String {
    let digits: Vec<char> = digest.chars().take(32).collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_two_digits() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
        assert_eq!(hex(&[]), "");
    }

    #[test]
    fn a_digest_is_spoken_in_groups_of_four() {
        let spoken = spoken_digest(&hex(&[0xab; 32]));
        assert_eq!(spoken, ["abab"; 8].join("-"));
        assert_eq!(spoken_digest("abcde"), "abcd-e");
    }
}
