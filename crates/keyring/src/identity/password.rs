//! People's passwords: hashed with Argon2id, kept as PHC strings.

use argon2::{
    Argon2, Params,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use crate::{KeyringError, random::random_bytes};

/// The cost: 19 MiB, 2 passes, 1 lane, the least that OWASP recommends for Argon2id. It is fixed
/// here because every master verifies logins.
fn hasher() -> Result<Argon2<'static>, KeyringError> {
    Params::new(19 * 1024, 2, 1, None)
        .map(Argon2::from)
        .map_err(|error| KeyringError::HashPassword { reason: error.to_string() })
}

/// Hashes a password with a new salt into a PHC string (`$argon2id$...`). Takes tens of
/// milliseconds: do not call it on an async worker.
///
/// # Errors
/// [`KeyringError::HashPassword`] when memory is short.
pub fn hash_password(password: &str) -> Result<String, KeyringError> {
    let hash: PasswordHash = hasher()?
        .hash_password_with_salt(password.as_bytes(), &random_bytes::<16>())
        .map_err(|error| KeyringError::HashPassword { reason: error.to_string() })?;
    Ok(hash.to_string())
}

/// Whether `password` is the one of the PHC string; `false` for a string that is none. Takes tens
/// of milliseconds: do not call it on an async worker.
#[must_use]
pub fn verify_password(password: &str, phc: &str) -> bool {
    PasswordHash::new(phc)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Takes as long as [`verify_password`] and answers nothing: for a login under a name that does
/// not exist, so that the time of the answer does not tell which names do.
pub fn spend_password_check(password: &str) {
    let _ = hash_password(password);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_and_no_other_does() {
        let phc = hash_password("correct horse").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(verify_password("correct horse", &phc));
        for wrong in ["", "correct hors", "correct horse ", "Correct horse"] {
            assert!(!verify_password(wrong, &phc), "{wrong}");
        }
        assert_ne!(hash_password("correct horse").unwrap(), phc, "every hash has its own salt");
    }

    #[test]
    fn a_text_that_is_no_hash_verifies_nothing() {
        for bad in ["", "admin", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ"] {
            assert!(!verify_password("admin", bad), "{bad}");
            assert!(!verify_password("", bad), "{bad}");
        }
    }

    #[test]
    fn an_empty_and_a_very_long_password_can_be_hashed() {
        for password in ["", &"é".repeat(5000)] {
            let phc = hash_password(password).unwrap();
            assert!(verify_password(password, &phc));
        }
        spend_password_check("anything");
    }
}
