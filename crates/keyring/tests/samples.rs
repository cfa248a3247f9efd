//! Files that earlier versions wrote must be readable for ever; `samples/` keeps one set of each.

use std::{
    fs,
    path::{Path, PathBuf},
};

use quorate_keyring::{Keyring, Purpose, RootKey, identity::CertificateAuthority, load_sealed};

/// The root key among the samples was made for them and protects nothing.
fn sample(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/v1").join(file)
}

#[test]
fn what_format_1_stored_is_read() {
    let text = fs::read_to_string(sample("root-key.txt")).unwrap();
    let root_key = RootKey::from_env_value(Some(text)).unwrap();
    let keyring = Keyring::open(&root_key, &load_sealed(&sample("keyring.json")).unwrap()).unwrap();
    assert_eq!((keyring.key_ids(), keyring.active_key()), (vec![1, 2], 2));

    let value = fs::read(sample("value.sealed")).unwrap();
    let unsealed = keyring.unseal(Purpose::Log, b"place", &value).unwrap();
    assert_eq!(unsealed.as_slice(), b"sealed with the first data key");

    let authority = fs::read(sample("authority.sealed")).unwrap();
    let authority = CertificateAuthority::unseal(&keyring, &authority).unwrap();
    let fingerprint = fs::read_to_string(sample("authority.fingerprint")).unwrap();
    assert_eq!(authority.fingerprint().to_string(), fingerprint);
}
