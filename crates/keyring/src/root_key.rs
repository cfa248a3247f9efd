//! The root key: the operator's secret, read from the environment and never written anywhere.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    KeyringError,
    encoding::{from_base64, sha256, to_base64},
    random::fill_random,
};

/// The environment variable the root key arrives in.
pub const ROOT_KEY_VARIABLE: &str = "QUORATE_ROOT_KEY";

const PREFIX: &str = "qrk1-";
const KEY_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;
const CHECKSUM_LABEL: &[u8] = b"quorate root key 1";

/// The operator's root key: 32 random bytes. Its text form ends in a checksum, so that a typing
/// error is told apart from the key of another cluster. Erased from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RootKey([u8; KEY_BYTES]);

impl RootKey {
    /// A new root key from the operating system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        let mut key = Self([0; KEY_BYTES]);
        fill_random(&mut key.0);
        key
    }

    /// Reads the text that [`RootKey::to_text`] writes; surrounding white space is ignored.
    ///
    /// # Errors
    /// [`KeyringError::RootKeyMalformed`], which says what is wrong without repeating the text.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let malformed = |reason| KeyringError::RootKeyMalformed { reason };
        let body = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or_else(|| malformed("it does not begin with `qrk1-`"))?;
        let bytes =
            from_base64(body).ok_or_else(|| malformed("it holds characters that no key has"))?;
        if bytes.len() != KEY_BYTES + CHECKSUM_BYTES {
            return Err(malformed("it is too short or too long"));
        }
        let (key_bytes, checksum) = bytes.split_at(KEY_BYTES);
        if checksum != &sha256(&[CHECKSUM_LABEL, key_bytes])[..CHECKSUM_BYTES] {
            return Err(malformed("its checksum does not match: a character is wrong"));
        }
        let mut key = Self([0; KEY_BYTES]);
        key.0.copy_from_slice(key_bytes);
        Ok(key)
    }

    /// Reads the value of [`ROOT_KEY_VARIABLE`]; erases the text given.
    ///
    /// # Errors
    /// [`KeyringError::RootKeyAbsent`] when there is none or it is empty, otherwise as
    /// [`RootKey::parse`].
    pub fn from_env_value(value: Option<String>) -> Result<Self, KeyringError> {
        let text = Zeroizing::new(value.unwrap_or_default());
        if text.trim().is_empty() {
            return Err(KeyringError::RootKeyAbsent);
        }
        Self::parse(&text)
    }

    /// The key as the operator keeps it: `qrk1-` and 48 characters.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES + CHECKSUM_BYTES]);
        bytes[..KEY_BYTES].copy_from_slice(&self.0);
        bytes[KEY_BYTES..].copy_from_slice(&sha256(&[CHECKSUM_LABEL, &self.0])[..CHECKSUM_BYTES]);
        let body = Zeroizing::new(to_base64(bytes.as_slice()));
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + body.len()));
        text.push_str(PREFIX);
        text.push_str(&body);
        text
    }

    pub(crate) const fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_model::{Refusal, codes};

    use super::*;

    #[test]
    fn a_root_key_is_read_as_it_is_written() {
        let key = RootKey::generate();
        let text = key.to_text();
        assert_eq!(text.len(), "qrk1-".len() + 48);
        assert_eq!(RootKey::parse(&format!("  {}\n", *text)).unwrap().expose(), key.expose());
    }

    #[test]
    fn two_root_keys_differ() {
        assert_ne!(RootKey::generate().expose(), RootKey::generate().expose());
    }

    #[test]
    fn an_absent_and_a_malformed_key_have_different_codes() {
        let good = RootKey::generate().to_text().to_string();
        let cases = [
            (None, codes::ROOT_KEY_ABSENT),
            (Some(String::new()), codes::ROOT_KEY_ABSENT),
            (Some(" \n".to_owned()), codes::ROOT_KEY_ABSENT),
            (Some("hunter2".to_owned()), codes::ROOT_KEY_MALFORMED),
            (Some("qrk1-".to_owned()), codes::ROOT_KEY_MALFORMED),
            (Some(good[..good.len() - 1].to_owned()), codes::ROOT_KEY_MALFORMED),
            (Some(format!("{good}A")), codes::ROOT_KEY_MALFORMED),
            (Some(good.replace("qrk1-", "qrk2-")), codes::ROOT_KEY_MALFORMED),
            (Some(good.replace("qrk1-", "QRK1-")), codes::ROOT_KEY_MALFORMED),
        ];
        for (value, code) in cases {
            let error = RootKey::from_env_value(value.clone()).unwrap_err();
            assert_eq!(Refusal::from(&error).code, code, "{value:?}");
        }
        assert!(RootKey::from_env_value(Some(good)).is_ok());
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_malformed_and_never_another_key(
            position in 5_usize..53,
            replacement in "[A-Za-z0-9_-]",
        ) {
            let good = RootKey::generate().to_text().to_string();
            prop_assume!(good[position..=position] != replacement);
            let mut typed = good;
            typed.replace_range(position..=position, &replacement);
            let error = RootKey::parse(&typed).unwrap_err();
            let is_malformed = matches!(error, KeyringError::RootKeyMalformed { .. });
            prop_assert!(is_malformed);
            let repeats_the_text = format!("{error} {error:?}").contains(&typed[5..]);
            prop_assert!(!repeats_the_text);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            let _ = RootKey::parse(&text);
        }
    }
}
