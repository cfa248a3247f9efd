//! Encrypted streams from outside: whole ones pass, and no damage goes unnoticed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{self, Read, Write},
    sync::LazyLock,
};

use proptest::prelude::*;
use quorate_archive::{ArchiveError, OpenReader, SealReader, SealWriter};
use quorate_keyring::{Keyring, Purpose, RootKey};
use quorate_model::ClusterId;

const CHUNK: usize = 64 * 1024;
const HEADER: usize = 26;
const SEALED_CHUNK: usize = 4 + 45 + CHUNK;

static KEYRING: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::create(&RootKey::generate(), ClusterId::from_parts(1, 2)).unwrap().0);

fn seal(content: &[u8], context: &[u8]) -> Vec<u8> {
    let mut writer = SealWriter::new(Vec::new(), &KEYRING, Purpose::Backup, context);
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn open(sealed: &[u8], context: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    OpenReader::new(sealed, &KEYRING, Purpose::Backup, context)?.read_to_end(&mut content)?;
    Ok(content)
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|position| (position * 7 + position / 509) as u8).collect()
}

/// The stored chunks, without the header.
fn chunks(sealed: &[u8]) -> Vec<&[u8]> {
    sealed[HEADER..].chunks(SEALED_CHUNK).collect()
}

fn with_chunks(header_of: &[u8], chunks: &[&[u8]]) -> Vec<u8> {
    [&header_of[..HEADER], &chunks.concat()].concat()
}

#[test]
fn streams_of_all_sizes_pass_and_their_length_is_predictable() {
    let around = |size: usize| [size - 1, size, size + 1];
    let sizes = [0, 1, 1000].into_iter().chain(around(CHUNK)).chain(around(3 * CHUNK));
    for size in sizes {
        let content = content(size);
        let sealed = seal(&content, b"part");
        let chunk_count = size.div_ceil(CHUNK).max(1);
        assert_eq!(sealed.len(), HEADER + chunk_count * 49 + size, "{size}");
        assert_eq!(open(&sealed, b"part").unwrap(), content, "{size}");

        let mut pulled = Vec::new();
        SealReader::new(content.as_slice(), &KEYRING, Purpose::Backup, b"part")
            .read_to_end(&mut pulled)
            .unwrap();
        assert_eq!(pulled.len(), sealed.len(), "{size}");
        assert_eq!(open(&pulled, b"part").unwrap(), content, "{size}");
    }
}

#[test]
fn nothing_of_the_content_is_readable_in_the_stream() {
    let sealed = seal(&b"a very secret sentence".repeat(100), b"");
    assert!(!sealed.windows(11).any(|window| window == b"very secret"));
}

#[test]
fn a_stream_opens_only_in_its_context_for_its_purpose_and_with_its_keyring() {
    let sealed = seal(b"content", b"point 1 part kms");
    for wrong in [b"" as &[u8], b"point 2 part kms", b"point 1 part iam"] {
        assert!(open(&sealed, wrong).is_err());
    }
    assert!(OpenReader::new(&*sealed, &KEYRING, Purpose::Snapshot, b"point 1 part kms").is_err());
    let (other, _) = Keyring::create(&RootKey::generate(), ClusterId::from_parts(1, 2)).unwrap();
    let mut reader =
        OpenReader::new(&*sealed, &other, Purpose::Backup, b"point 1 part kms").unwrap();
    assert!(reader.read_to_end(&mut Vec::new()).is_err());
}

#[test]
fn chunks_cannot_be_reordered_repeated_dropped_or_taken_from_another_stream() {
    let whole = content(3 * CHUNK + 5);
    let (sealed, twin) = (seal(&whole, b""), seal(&whole, b""));
    let (own, others) = (chunks(&sealed), chunks(&twin));
    let [a, b, c, last] = own[..] else { panic!("four chunks") };
    assert_eq!(with_chunks(&sealed, &[a, b, c, last]), sealed);
    let cases: [(&str, Vec<&[u8]>); 9] = [
        ("reordered", vec![b, a, c, last]),
        ("repeated", vec![a, a, b, c, last]),
        ("first dropped", vec![b, c, last]),
        ("inner dropped", vec![a, c, last]),
        ("last dropped", vec![a, b, c]),
        ("only the last", vec![last]),
        ("something after the end", vec![a, b, c, last, b"x"]),
        ("two ends", vec![a, b, c, last, last]),
        ("another stream's chunk of the same place", vec![a, others[1], c, last]),
    ];
    for (what, chunks) in cases {
        assert!(open(&with_chunks(&sealed, &chunks), b"").is_err(), "{what}");
    }
    assert!(open(&with_chunks(&twin, &own), b"").is_err(), "another stream's header");
}

#[test]
fn an_inner_chunk_cannot_be_declared_the_last() {
    let sealed = seal(&content(2 * CHUNK), b"");
    let mut forged = sealed[..HEADER + SEALED_CHUNK].to_vec();
    forged[HEADER] |= 0x80;
    assert!(open(&forged, b"").is_err());
    let mut endless = sealed;
    endless[HEADER + SEALED_CHUNK] &= 0x7f;
    assert!(open(&endless, b"").is_err());
}

#[test]
fn every_truncation_is_noticed() {
    let sealed = seal(&content(2 * CHUNK + 100), b"");
    let boundaries = [HEADER, HEADER + SEALED_CHUNK, HEADER + 2 * SEALED_CHUNK];
    let lengths = boundaries
        .into_iter()
        .flat_map(|boundary| boundary - 3..boundary + 60)
        .chain((0..sealed.len()).step_by(997))
        .chain([sealed.len() - 1]);
    for length in lengths {
        let error = open(&sealed[..length.min(sealed.len() - 1)], b"").unwrap_err();
        assert!(
            matches!(ArchiveError::of_io(&error), Some(ArchiveError::StreamDamaged { .. })),
            "{length}: {error}"
        );
    }
}

#[test]
fn a_stream_that_was_not_finished_is_refused() {
    let mut stored = Vec::new();
    let mut writer = SealWriter::new(&mut stored, &KEYRING, Purpose::Backup, b"");
    writer.write_all(&content(CHUNK * 2)).unwrap();
    drop(writer);
    assert!(open(&stored, b"").is_err());
    assert!(open(b"", b"").is_err());
}

#[test]
fn a_forged_length_takes_no_memory() {
    let mut sealed = seal(b"x", b"");
    sealed[HEADER..HEADER + 4].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
    assert!(open(&sealed, b"").is_err());
    let mut sealed = seal(b"x", b"");
    sealed[6..10].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(open(&sealed, b"").is_err());
}

#[test]
fn a_newer_format_is_called_new() {
    let mut sealed = seal(b"x", b"");
    sealed[4] = 2;
    let error = open(&sealed, b"").unwrap_err();
    assert!(matches!(ArchiveError::of_io(&error), Some(ArchiveError::FormatTooNew { .. })));
}

#[test]
fn after_an_error_a_reader_gives_nothing_more() {
    let mut sealed = seal(&content(3 * CHUNK), b"");
    sealed[HEADER + SEALED_CHUNK + 100] ^= 1;
    let mut reader = OpenReader::new(&*sealed, &KEYRING, Purpose::Backup, b"").unwrap();
    let mut got = Vec::new();
    assert!(reader.read_to_end(&mut got).is_err());
    assert_eq!(got.len(), CHUNK, "what came before the damage is authentic");
    assert!(reader.read(&mut [0; 10]).is_err());
    assert!(reader.read_to_end(&mut got).is_err());
}

#[test]
fn errors_of_the_inner_streams_pass_through() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut writer = SealWriter::new(Full, &KEYRING, Purpose::Backup, b"");
    let error = writer.write_all(&content(CHUNK + 1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);

    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let mut reader = SealReader::new(Broken, &KEYRING, Purpose::Backup, b"");
    assert!(reader.read_to_end(&mut Vec::new()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn writing_in_any_pieces_gives_the_same_content(
        pieces in proptest::collection::vec(0..100_000_usize, 0..5),
    ) {
        let whole = content(pieces.iter().sum());
        let mut writer = SealWriter::new(Vec::new(), &KEYRING, Purpose::Backup, b"");
        let mut rest = whole.as_slice();
        for piece in pieces {
            let (now, later) = rest.split_at(piece);
            writer.write_all(now).unwrap();
            writer.flush().unwrap();
            rest = later;
        }
        prop_assert_eq!(open(&writer.finish().unwrap(), b"").unwrap(), whole);
    }

    #[test]
    fn no_altered_byte_goes_unnoticed(size in 0..400_usize, flip in 1_u8..) {
        let sealed = seal(&content(size), b"context");
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= flip;
            prop_assert!(open(&altered, b"context").is_err(), "{}", position);
        }
    }

    #[test]
    fn no_altered_byte_of_a_long_stream_goes_unnoticed(
        position in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut sealed = seal(&content(2 * CHUNK + 10), b"");
        let position = position.index(sealed.len());
        sealed[position] ^= flip;
        prop_assert!(open(&sealed, b"").is_err());
    }
}
