//! A folder as target, manifests, and a whole restore point there and back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, io::Read, os::unix::fs::PermissionsExt};

use quorate_archive::{
    ArchiveError, ArchiveTarget, Digest, DigestReader, FolderTarget, Manifest, ObjectName,
    OpenReader, Part, SealReader, SealedManifest, conformance,
};
use quorate_keyring::{Keyring, KeyringError, Purpose, RootKey};
use quorate_model::{ClusterId, Epoch, LogIndex, Refusal, Timestamp, codes};

const CLUSTER: ClusterId = ClusterId::from_parts(1_700_000_000_000, 42);

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

fn manifest(parts: Vec<Part>) -> Manifest {
    Manifest {
        name: "2026-01-02".to_owned(),
        cluster: CLUSTER,
        epoch: Epoch(3),
        log_index: LogIndex(1234),
        created_at: Timestamp(1_800_000_000_000),
        host: "db-1".to_owned(),
        versions: BTreeMap::from([("quorate".to_owned(), "0.1.0".to_owned())]),
        parts,
    }
}

#[test]
fn a_folder_conforms() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("not/there/yet");
    let target = FolderTarget::new(&folder);
    conformance::check(&target).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "no folder or temporary file is left");
    target.put(&name("secret"), &mut b"x".as_slice()).unwrap();
    let mode = fs::metadata(folder.join("secret")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_relative_folder_conforms_too() {
    let home = tempfile::tempdir_in(".").unwrap();
    let relative = home.path().file_name().unwrap();
    conformance::check(&FolderTarget::new(relative)).unwrap();
}

#[test]
fn the_conformance_suite_notices_a_target_that_forgets() {
    #[derive(Debug)]
    struct Forgets(FolderTarget);
    impl ArchiveTarget for Forgets {
        fn describe(&self) -> String {
            self.0.describe()
        }
        fn put(&self, name: &ObjectName, content: &mut dyn Read) -> Result<u64, ArchiveError> {
            self.0.put(name, &mut content.take(100_000))
        }
        fn get(&self, name: &ObjectName) -> Result<Box<dyn Read + Send>, ArchiveError> {
            self.0.get(name)
        }
        fn list(&self, prefix: &str) -> Result<Vec<quorate_archive::ObjectInfo>, ArchiveError> {
            self.0.list(prefix)
        }
        fn delete(&self, name: &ObjectName) -> Result<(), ArchiveError> {
            self.0.delete(name)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(conformance::check(&Forgets(FolderTarget::new(folder.path()))).is_err());
}

#[test]
fn a_leftover_of_a_crashed_write_is_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".part.0123.tmp"), "half").unwrap();
    fs::write(folder.path().join("a name with spaces"), "not ours").unwrap();
    let target = FolderTarget::new(folder.path());
    target.put(&name("part"), &mut b"whole".as_slice()).unwrap();
    let listed = target.list("").unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].name.as_str(), listed[0].bytes), ("part", 5));
}

#[test]
fn a_target_that_cannot_be_written_is_named_in_the_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, "in the way").unwrap();
    let error = FolderTarget::new(&file).put(&name("part"), &mut b"x".as_slice()).unwrap_err();
    let refusal = Refusal::from(&error);
    assert!(refusal.message.contains("a-file") && refusal.cause.is_some(), "{refusal:?}");
    let error = FolderTarget::new(folder.path()).get(&name("no")).map(drop).unwrap_err();
    assert_eq!(Refusal::from(&error).code, codes::NOT_FOUND);
}

#[test]
fn a_restore_point_goes_to_a_folder_and_comes_back_with_the_root_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let target = FolderTarget::new(folder.path());
    let root_key = RootKey::generate();
    let (keyring, stored) = Keyring::create(&root_key, CLUSTER).unwrap();
    let contents: Vec<(ObjectName, Vec<u8>)> = ["kms", "iam", "metadata", "monitor"]
        .into_iter()
        .zip([0_usize, 10, 200_000, 65_536])
        .map(|(part, size)| (name(&format!("point/{part}.q")), part.as_bytes().repeat(size)))
        .collect();

    let mut parts = Vec::new();
    for (part, content) in &contents {
        let context = part.as_str().as_bytes();
        let sealed = SealReader::new(content.as_slice(), &keyring, Purpose::Backup, context);
        let mut digesting = DigestReader::new(sealed);
        target.put(part, &mut digesting).unwrap();
        let (bytes, sha256) = digesting.finish();
        parts.push(Part { name: part.clone(), bytes, sha256 });
    }
    let written = manifest(parts);
    let bytes = written.seal(&keyring, &stored).to_bytes();
    target.put(&name("point/manifest.json"), &mut bytes.as_slice()).unwrap();
    drop((keyring, stored));

    let mut bytes = Vec::new();
    target.get(&name("point/manifest.json")).unwrap().read_to_end(&mut bytes).unwrap();
    let (keyring, read) = SealedManifest::from_bytes(&bytes).unwrap().open(&root_key).unwrap();
    assert_eq!(read, written);
    for (part, (_, content)) in read.parts.iter().zip(&contents) {
        let object = DigestReader::new(target.get(&part.name).unwrap());
        let mut object = object;
        let mut restored = Vec::new();
        OpenReader::new(&mut object, &keyring, Purpose::Backup, part.name.as_str().as_bytes())
            .unwrap()
            .read_to_end(&mut restored)
            .unwrap();
        let (bytes, sha256) = object.finish();
        part.verify(bytes, sha256).unwrap();
        assert_eq!(&restored, content);
    }
}

#[test]
fn a_manifest_is_refused_with_another_root_key_or_when_altered() {
    let root_key = RootKey::generate();
    let (keyring, stored) = Keyring::create(&root_key, CLUSTER).unwrap();
    let part = Part { name: name("p"), bytes: 1, sha256: Digest::of(b"x") };
    let sealed = manifest(vec![part]).seal(&keyring, &stored);

    let error = sealed.open(&RootKey::generate()).unwrap_err();
    assert!(matches!(error, ArchiveError::Keyring(KeyringError::RootKeyWrong { .. })));
    assert_eq!(Refusal::from(&error).code, codes::ROOT_KEY_WRONG);

    let text = String::from_utf8(sealed.to_bytes()).unwrap();
    let content = text.rsplit('"').nth(1).unwrap();
    for position in (0..content.len()).step_by(7) {
        let digit = if content.as_bytes()[position] == b'0' { "1" } else { "0" };
        let mut altered = content.to_owned();
        altered.replace_range(position..=position, digit);
        let altered = text.replace(content, &altered);
        let opened = SealedManifest::from_bytes(altered.as_bytes())
            .and_then(|sealed| sealed.open_with(&keyring));
        assert!(opened.is_err(), "{position}");
    }
    for bad in ["", "{}", "[]", r#"{"version":1}"#] {
        let error = SealedManifest::from_bytes(bad.as_bytes()).unwrap_err();
        assert!(matches!(error, ArchiveError::ManifestDamaged { .. }), "{bad}");
    }
    let newer = SealedManifest::from_bytes(br#"{"version":2}"#).unwrap_err();
    assert_eq!(Refusal::from(&newer).code, codes::FORMAT_TOO_NEW);
}

#[test]
fn a_manifest_cannot_be_opened_with_another_clusters_keyring_put_beside_it() {
    let root_key = RootKey::generate();
    let (ours, stored) = Keyring::create(&root_key, CLUSTER).unwrap();
    let (_, foreign) = Keyring::create(&root_key, ClusterId::from_parts(1, 1)).unwrap();
    let sealed = manifest(vec![]).seal(&ours, &stored);
    let swapped = manifest(vec![]).seal(&ours, &foreign);
    assert!(sealed.open(&root_key).is_ok());
    assert!(swapped.open(&root_key).is_err());
}

#[test]
fn a_part_of_another_size_or_digest_is_not_the_manifests() {
    let part = Part { name: name("p"), bytes: 1, sha256: Digest::of(b"x") };
    part.verify(1, Digest::of(b"x")).unwrap();
    for (bytes, sha256) in [(2, Digest::of(b"x")), (1, Digest::of(b"y"))] {
        let error = part.verify(bytes, sha256).unwrap_err();
        assert!(matches!(error, ArchiveError::PartMismatch { .. }), "{error}");
    }
}
