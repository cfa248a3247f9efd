//! Session tokens: what a logged-in person's client presents; the cluster keeps hashes only.

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    encoding::{from_base64, sha256, to_base64},
    random::fill_random,
};

const PREFIX: &str = "qst_";
const TOKEN_BYTES: usize = 32;

/// A new session's token: `qst_` and 43 characters.
pub struct SessionToken(Zeroizing<String>);

impl SessionToken {
    /// A new token from the operating system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        fill_random(bytes.as_mut_slice());
        Self(Zeroizing::new(format!("{PREFIX}{}", to_base64(bytes.as_slice()))))
    }

    /// The text to hand to the client, once. It is secret.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What the cluster keeps; equal to [`hash_session_token`] of the text.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(redacted)")
    }
}

/// The hash to look a presented token up by; `None` when the text is no session token. Looking up
/// by hash needs no constant time: who does not know the token cannot choose its hash.
#[must_use]
pub fn hash_session_token(text: &str) -> Option<[u8; 32]> {
    let bytes = from_base64(text.strip_prefix(PREFIX)?)?;
    (bytes.len() == TOKEN_BYTES).then(|| hash(text))
}

/// A plain hash is enough: the token is 256 random bits.
fn hash(text: &str) -> [u8; 32] {
    sha256(&[b"quorate session token", text.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_token_is_found_by_the_hash_of_its_text() {
        let token = SessionToken::generate();
        assert_eq!(token.text().len(), 47);
        assert_eq!(hash_session_token(token.text()), Some(token.hash()));
        assert_ne!(SessionToken::generate().hash(), token.hash());
    }

    #[test]
    fn a_text_that_is_no_session_token_has_no_hash() {
        let text = SessionToken::generate().text().to_owned();
        for bad in ["", "qst_", &text[4..], &text[..46], &format!("{text}A"), &format!(" {text}")] {
            assert_eq!(hash_session_token(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_session_token_is_not_shown() {
        let token = SessionToken::generate();
        assert!(!format!("{token:?}").contains(&token.text()[4..]));
    }
}
