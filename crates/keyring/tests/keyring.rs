//! The keyring from outside: sealing, storing, wrong keys, damage, and what is never shown.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::LazyLock,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use quorate_keyring::{
    Keyring, KeyringError, Purpose, RootKey, SEAL_OVERHEAD, SealedKeyring, load_sealed,
    store_sealed,
};
use quorate_model::{ClusterId, Refusal, codes};

const CLUSTER: ClusterId = ClusterId::from_parts(1_700_000_000_000, 42);
const PURPOSES: [Purpose; 5] =
    [Purpose::Log, Purpose::Snapshot, Purpose::Field, Purpose::Backup, Purpose::Identity];

static SHARED: LazyLock<(RootKey, Keyring, SealedKeyring)> = LazyLock::new(|| {
    let root_key = RootKey::generate();
    let (keyring, sealed) = Keyring::create(&root_key, CLUSTER).unwrap();
    (root_key, keyring, sealed)
});

fn code(error: &KeyringError) -> quorate_model::Code {
    Refusal::from(error).code
}

#[test]
fn a_keyring_survives_being_stored_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring.json");
    let (root_key, keyring, stored) = &*SHARED;
    let sealed = keyring.seal(Purpose::Log, b"place", b"entry");

    store_sealed(&path, stored).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let loaded = load_sealed(&path).unwrap();
    assert_eq!(&loaded, stored);
    let reopened = Keyring::open(root_key, &loaded).unwrap();
    assert_eq!(reopened.cluster(), CLUSTER);
    assert_eq!(reopened.unseal(Purpose::Log, b"place", &sealed).unwrap().as_slice(), b"entry");
}

#[test]
fn a_wrong_root_key_is_told_apart_from_a_missing_a_malformed_and_another_clusters() {
    let (_, _, stored) = &*SHARED;
    let other = RootKey::generate();
    let wrong = Keyring::open(&other, stored).unwrap_err();
    assert_eq!(code(&wrong), codes::ROOT_KEY_WRONG);
    let joining = Keyring::open_joining(&other, stored).unwrap_err();
    assert_eq!(code(&joining), codes::ROOT_KEY_OF_ANOTHER_CLUSTER);
    for error in [wrong, joining] {
        let refusal = Refusal::from(&error);
        assert!(refusal.cause.unwrap().contains(&CLUSTER.to_string()));
        assert!(refusal.hint.is_some());
    }
}

#[test]
fn opening_a_keyring_is_quick_even_in_a_development_build() {
    let (root_key, _, stored) = &*SHARED;
    // The best of several: other work on the machine must not fail this test.
    let best = (0..5)
        .map(|_| {
            let begun = Instant::now();
            Keyring::open(root_key, stored).unwrap();
            begun.elapsed()
        })
        .min()
        .unwrap();
    assert!(best < Duration::from_millis(300), "{best:?}");
}

#[test]
fn a_value_unseals_only_for_its_own_purpose_place_and_cluster() {
    let (root_key, keyring, _) = &*SHARED;
    for sealed_for in PURPOSES {
        let sealed = keyring.seal(sealed_for, b"here", b"value");
        for asked_for in PURPOSES {
            let unsealed = keyring.unseal(asked_for, b"here", &sealed);
            assert_eq!(unsealed.is_ok(), sealed_for == asked_for, "{sealed_for} {asked_for}");
        }
        for place in [b"" as &[u8], b"her", b"here ", b"there"] {
            assert!(keyring.unseal(sealed_for, place, &sealed).is_err());
        }
        let (same_root_key, _) = Keyring::create(root_key, CLUSTER).unwrap();
        assert!(same_root_key.unseal(sealed_for, b"here", &sealed).is_err());
    }
}

#[test]
fn two_seals_of_one_value_differ() {
    let (_, keyring, _) = &*SHARED;
    assert_ne!(keyring.seal(Purpose::Log, b"", b"x"), keyring.seal(Purpose::Log, b"", b"x"));
}

#[test]
fn after_a_rotation_old_values_unseal_and_new_ones_use_the_new_key() {
    let (root_key, keyring, _) = &*SHARED;
    let old = keyring.seal(Purpose::Field, b"a", b"old");
    let rotated = keyring.rotated().unwrap();
    let new = rotated.seal(Purpose::Field, b"a", b"new");
    assert_eq!((Keyring::key_of(&old), Keyring::key_of(&new)), (Some(1), Some(2)));
    assert_eq!((rotated.key_ids(), rotated.active_key()), (vec![1, 2], 2));
    assert!(matches!(
        keyring.unseal(Purpose::Field, b"a", &new),
        Err(KeyringError::DataKeyMissing { id: 2 })
    ));

    let reopened = Keyring::open(root_key, &rotated.wrap(root_key).unwrap()).unwrap();
    assert_eq!(reopened.unseal(Purpose::Field, b"a", &old).unwrap().as_slice(), b"old");
    assert_eq!(reopened.unseal(Purpose::Field, b"a", &new).unwrap().as_slice(), b"new");
}

#[test]
fn after_a_rekey_only_the_new_root_key_opens_and_all_values_unseal() {
    let (root_key, keyring, _) = &*SHARED;
    let sealed = keyring.seal(Purpose::Snapshot, b"", b"value");
    let new_root_key = RootKey::generate();
    let stored = keyring.wrap(&new_root_key).unwrap();
    assert!(matches!(Keyring::open(root_key, &stored), Err(KeyringError::RootKeyWrong { .. })));
    let reopened = Keyring::open(&new_root_key, &stored).unwrap();
    assert_eq!(reopened.unseal(Purpose::Snapshot, b"", &sealed).unwrap().as_slice(), b"value");
}

#[test]
fn a_newer_format_is_called_new_and_unknown_fields_are_ignored() {
    let (_, _, stored) = &*SHARED;
    let mut json: serde_json::Value = serde_json::from_slice(&stored.to_bytes()).unwrap();
    json["a_field_of_a_later_program"] = serde_json::json!({"x": 1});
    let tolerated = SealedKeyring::from_bytes(&serde_json::to_vec(&json).unwrap()).unwrap();
    assert_eq!(&tolerated, stored);

    let newer = br#"{"version": 2, "everything": "different"}"#;
    let error = SealedKeyring::from_bytes(newer).unwrap_err();
    assert_eq!(code(&error), codes::FORMAT_TOO_NEW);
    for bad in [b"" as &[u8], b"{}", b"[1]", br#"{"version": 1}"#, b"\xff"] {
        let error = SealedKeyring::from_bytes(bad).unwrap_err();
        assert!(matches!(error, KeyringError::KeyringDamaged { .. }), "{error}");
    }
    let (_, keyring, _) = &*SHARED;
    let mut value = keyring.seal(Purpose::Log, b"", b"x");
    value[0] = 2;
    let error = keyring.unseal(Purpose::Log, b"", &value).unwrap_err();
    assert_eq!(code(&error), codes::FORMAT_TOO_NEW);
}

#[test]
fn an_altered_stored_keyring_is_refused_without_blaming_the_root_key() {
    let (root_key, keyring, _) = &*SHARED;
    let stored = keyring.rotated().unwrap().wrap(root_key).unwrap();
    type Alter = fn(&mut SealedKeyring);
    let alterations: [(&str, Alter); 8] = [
        ("an older key made active again", |k| k.active = 1),
        ("a key removed", |k| drop(k.keys.pop())),
        ("keys swapped", |k| {
            let (first, second) = (k.keys[0].wrapped.clone(), k.keys[1].wrapped.clone());
            (k.keys[0].wrapped, k.keys[1].wrapped) = (second, first);
        }),
        ("a key doubled", |k| k.keys.push(k.keys[0].clone())),
        ("a byte of a key", |k| k.keys[0].wrapped[30] ^= 1),
        ("a key cut short", |k| k.keys[0].wrapped.truncate(10)),
        ("a cost that takes all memory", |k| k.kdf.memory_kib = u32::MAX),
        ("another derivation", |k| k.kdf.algorithm = "none".to_owned()),
    ];
    for (what, alter) in alterations {
        let mut altered = stored.clone();
        alter(&mut altered);
        let error = Keyring::open(root_key, &altered).unwrap_err();
        assert!(matches!(error, KeyringError::KeyringDamaged { .. }), "{what}: {error}");
    }
    let mut of_another_cluster = stored;
    of_another_cluster.cluster = ClusterId::from_parts(1, 1);
    assert!(Keyring::open(root_key, &of_another_cluster).is_err());
}

#[test]
fn nothing_secret_is_ever_shown() {
    let (root_key, keyring, stored) = &*SHARED;
    let text = root_key.to_text();
    let shown = format!(
        "{root_key:?} {keyring:?} {:?} {:?} {:?}",
        keyring.unseal(Purpose::Log, b"", b"not sealed"),
        Keyring::open(&RootKey::generate(), stored).map(drop),
        RootKey::parse(&text[..52]),
    );
    assert!(!shown.contains(&text[5..20]), "{shown}");
    assert!(shown.contains("RootKey(redacted)"));
    // The bytes of a data key, as an array is shown, would be a long list of numbers.
    assert!(!shown.contains(", 1"), "{shown}");

    let stored_text = String::from_utf8(stored.to_bytes()).unwrap();
    assert!(!stored_text.contains(&text[5..20]));
}

#[test]
fn the_words_of_a_refusal_say_what_why_and_what_next() {
    let cases = [
        (RootKey::from_env_value(None).unwrap_err(), "[Q1001] the root key is absent"),
        (RootKey::parse("x").unwrap_err(), "[Q1002] the root key is malformed"),
        (
            Keyring::open(&RootKey::generate(), &SHARED.2).unwrap_err(),
            "[Q1003] the root key is not the one of this cluster",
        ),
    ];
    for (error, words) in cases {
        let refusal = Refusal::from(&error);
        assert!(refusal.to_string().starts_with(words), "{refusal}");
        assert!(refusal.cause.unwrap().contains("QUORATE_ROOT_KEY"));
        assert!(refusal.hint.unwrap().contains("secret manager"));
    }
}

#[test]
fn values_sealed_from_many_threads_unseal() {
    let (_, keyring, _) = &*SHARED;
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let keyring = keyring.clone();
            scope.spawn(move || {
                for round in 0..200_u8 {
                    let place = [thread, round];
                    let sealed = keyring.seal(Purpose::Log, &place, &place);
                    let unsealed = keyring.unseal(Purpose::Log, &place, &sealed).unwrap();
                    assert_eq!(unsealed.as_slice(), place);
                }
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_value_unseals_as_it_was_and_no_altered_byte_goes_unnoticed(
        aad in proptest::collection::vec(any::<u8>(), 0..40),
        value in proptest::collection::vec(any::<u8>(), 0..200),
        flip in 1_u8..,
    ) {
        let (_, keyring, _) = &*SHARED;
        let sealed = keyring.seal(Purpose::Log, &aad, &value);
        prop_assert_eq!(sealed.len(), value.len() + SEAL_OVERHEAD);
        let unsealed = keyring.unseal(Purpose::Log, &aad, &sealed).unwrap();
        prop_assert_eq!(unsealed.as_slice(), value.as_slice());
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= flip;
            prop_assert!(keyring.unseal(Purpose::Log, &aad, &altered).is_err(), "{}", position);
        }
        for length in 0..sealed.len() {
            prop_assert!(keyring.unseal(Purpose::Log, &aad, &sealed[..length]).is_err());
        }
        let longer = [sealed.as_slice(), &[0]].concat();
        prop_assert!(keyring.unseal(Purpose::Log, &aad, &longer).is_err());
    }

    #[test]
    fn aad_and_value_cannot_trade_bytes(
        both in proptest::collection::vec(any::<u8>(), 1..40),
        cut in any::<prop::sample::Index>(),
        other_cut in any::<prop::sample::Index>(),
    ) {
        let (_, keyring, _) = &*SHARED;
        let (cut, other_cut) = (cut.index(both.len() + 1), other_cut.index(both.len() + 1));
        prop_assume!(cut != other_cut);
        let sealed = keyring.seal(Purpose::Log, &both[..cut], &both[cut..]);
        prop_assert!(keyring.unseal(Purpose::Log, &both[..other_cut], &sealed).is_err());
    }

    #[test]
    fn no_bytes_make_unsealing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let (_, keyring, _) = &*SHARED;
        prop_assert!(keyring.unseal(Purpose::Log, b"", &bytes).is_err());
        let _ = SealedKeyring::from_bytes(&bytes);
    }
}
