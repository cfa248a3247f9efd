//! The binaries on this node's disk: `binaries/<sha256>/quorate` below the data folder, with what
//! each said of itself beside it. A file has its final name only when its digest was checked.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use quorate_control::StagedBinary;
use quorate_keyring::{atomic_write, make_private_folder, sync_folder};
use quorate_model::{Binary, BinaryDigest, Refusal, codes, hex};
use sha2::{Digest, Sha256};
use tokio::{sync::Mutex, task::spawn_blocking};

use super::look::look;
use crate::node::{Folders, refuse_file};

/// A binary travels in parts of at most this many bytes.
const PART: usize = 1024 * 1024;
/// No binary of Quorate is larger, in bytes.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// The binaries of a node. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::node) struct Binaries {
    folder: PathBuf,
    /// One part is written at a time.
    writing: Arc<Mutex<()>>,
}

impl Binaries {
    /// Those of the node in these folders.
    pub(in crate::node) fn of(folders: &Folders) -> Self {
        Self { folder: folders.binaries(), writing: Arc::default() }
    }

    fn place(&self, sha256: &BinaryDigest) -> PathBuf {
        self.folder.join(sha256.as_str())
    }

    /// Where a binary lies, once it is whole. The file is called like the program, so that the
    /// process is.
    pub(in crate::node) fn file(&self, sha256: &BinaryDigest) -> PathBuf {
        self.place(sha256).join("quorate")
    }

    fn partial(&self, sha256: &BinaryDigest) -> PathBuf {
        self.place(sha256).join("partial")
    }

    fn facts(&self, sha256: &BinaryDigest) -> PathBuf {
        self.place(sha256).join("binary.json")
    }

    /// A binary that is whole and was looked at.
    pub(in crate::node) fn get(&self, sha256: &BinaryDigest) -> Option<Binary> {
        let binary: Binary = serde_json::from_slice(&fs::read(self.facts(sha256)).ok()?).ok()?;
        let held = fs::metadata(self.file(sha256)).ok()?.len();
        (held == binary.size && binary.sha256 == *sha256).then_some(binary)
    }

    /// How far a binary is.
    pub(in crate::node) fn staged(&self, sha256: &BinaryDigest) -> StagedBinary {
        let binary = self.get(sha256);
        let received = match &binary {
            Some(binary) => binary.size,
            None => fs::metadata(self.partial(sha256)).map_or(0, |file| file.len()),
        };
        StagedBinary { received, binary }
    }

    /// Takes in a part that begins at `offset`, when everything before it is there; says how far
    /// the binary is. With its last part it is checked, looked at, and kept.
    pub(in crate::node) async fn take(
        &self,
        sha256: &BinaryDigest,
        offset: u64,
        size: u64,
        bytes: Vec<u8>,
    ) -> Result<StagedBinary, Refusal> {
        if size == 0 || size > LARGEST {
            return Err(Refusal::new(
                codes::VALUE_TOO_LARGE,
                format!("a binary of {size} bytes is not taken"),
            )
            .cause(format!("it must have between 1 and {LARGEST} bytes")));
        }
        let _writing = self.writing.lock().await;
        let now = self.staged(sha256);
        let end = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if now.binary.is_some() || now.received != offset || end > size {
            // The sender goes on where this node stands.
            return Ok(now);
        }
        let this = (self.clone(), sha256.clone());
        blocking(move || this.0.append(&this.1, &bytes)).await?;
        if end == size {
            self.finish(sha256, size).await?;
        }
        Ok(self.staged(sha256))
    }

    fn append(&self, sha256: &BinaryDigest, bytes: &[u8]) -> Result<(), Refusal> {
        let place = self.place(sha256);
        make_private_folder(&place)
            .map_err(|error| refuse_file("make the folder", &place, &error))?;
        let partial = self.partial(sha256);
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&partial)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(|error| refuse_file("write", &partial, &error))
    }

    /// Every part is there: the digest is checked, the file gets its name, the binary is asked
    /// what it is. One that is not as it should be is removed.
    async fn finish(&self, sha256: &BinaryDigest, size: u64) -> Result<(), Refusal> {
        let this = (self.clone(), sha256.clone());
        let named = blocking(move || this.0.name(&this.1)).await;
        let looked = match named {
            Ok(()) => look(&self.file(sha256)).await,
            Err(refusal) => Err(refusal),
        };
        match looked {
            Ok(facts) => {
                let binary = Binary { sha256: sha256.clone(), size, facts };
                let json = serde_json::to_vec(&binary)
                    .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?;
                atomic_write(&self.facts(sha256), &json, 0o600)
                    .map_err(|error| Refusal::from(&error))
            }
            Err(refusal) => {
                // What cannot be removed is found wrong again.
                let _ = fs::remove_dir_all(self.place(sha256));
                Err(refusal)
            }
        }
    }

    fn name(&self, sha256: &BinaryDigest) -> Result<(), Refusal> {
        let (partial, file) = (self.partial(sha256), self.file(sha256));
        check_digest(&partial, sha256)?;
        let named = || -> io::Result<()> {
            let opened = File::open(&partial)?;
            opened.set_permissions(fs::Permissions::from_mode(0o755))?;
            opened.sync_all()?;
            fs::rename(&partial, &file)
        };
        named().map_err(|error| refuse_file("keep", &file, &error))?;
        sync_folder(&self.place(sha256)).map_err(|error| Refusal::from(&error))?;
        sync_folder(&self.folder).map_err(|error| Refusal::from(&error))
    }

    /// Checks the digest of a binary that is held, and asks it again what it is.
    pub(super) async fn try_out(&self, sha256: &BinaryDigest) -> Result<Binary, Refusal> {
        let Some(binary) = self.get(sha256) else { return Err(absent(sha256)) };
        let (file, digest) = (self.file(sha256), sha256.clone());
        let checked = blocking(move || check_digest(&file, &digest)).await;
        let looked = match checked {
            Ok(()) => look(&self.file(sha256)).await,
            Err(refusal) => Err(refusal),
        };
        match looked {
            Ok(facts) => Ok(Binary { facts, ..binary }),
            Err(refusal) => {
                // It is fetched anew next time.
                let _ = fs::remove_dir_all(self.place(sha256));
                Err(refusal)
            }
        }
    }

    /// The part of a binary that begins at `offset`, and the length of all of it; nothing when this
    /// node does not hold it.
    pub(in crate::node) async fn read(
        &self,
        sha256: &BinaryDigest,
        offset: u64,
    ) -> Result<Option<(Vec<u8>, u64)>, Refusal> {
        let Some(binary) = self.get(sha256) else { return Ok(None) };
        let file = self.file(sha256);
        let part = blocking(move || {
            let read = || -> io::Result<Vec<u8>> {
                let mut opened = File::open(&file)?;
                opened.seek(SeekFrom::Start(offset))?;
                let mut bytes = Vec::new();
                opened.take(u64::try_from(PART).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
                Ok(bytes)
            };
            read().map_err(|error| refuse_file("read", &file, &error))
        });
        Ok(Some((part.await?, binary.size)))
    }

    /// Removes all but one.
    pub(super) fn keep_only(&self, sha256: &BinaryDigest) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten().filter(|it| it.file_name() != sha256.as_str()) {
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                tracing::warn!(%error, path = %entry.path().display(), "an old binary stays");
            }
        }
    }
}

/// The SHA-256 of all that can be read, in hexadecimal, and its length.
pub(crate) fn digest_of(mut from: impl Read) -> io::Result<(String, u64)> {
    let (mut hasher, mut length) = (Sha256::new(), 0);
    let mut part = vec![0; PART];
    loop {
        let read = from.read(&mut part)?;
        if read == 0 {
            return Ok((hex(&hasher.finalize()), length));
        }
        hasher.update(part.get(..read).unwrap_or_default());
        length += u64::try_from(read).unwrap_or_default();
    }
}

/// Whether a file has that digest.
pub(super) fn check_digest(file: &Path, sha256: &BinaryDigest) -> Result<(), Refusal> {
    let (found, _) =
        File::open(file).and_then(digest_of).map_err(|error| refuse_file("read", file, &error))?;
    if found == sha256.as_str() {
        return Ok(());
    }
    Err(Refusal::new(codes::BINARY_UNFIT, "the binary is not the one it was sent as")
        .cause(format!("its SHA-256 is {found}, it should be {sha256}"))
        .hint("it was damaged on the way or on the disk: upload it again"))
}

/// The refusal for a binary that is not here.
pub(super) fn absent(sha256: &BinaryDigest) -> Refusal {
    Refusal::new(codes::BINARY_ABSENT, format!("no master holds the binary {}", sha256.short()))
        .hint("upload it again by beginning anew: quorate node upgrade --binary FILE")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Refusal::new(codes::INTERNAL, "reading or writing a binary ended")
            .cause(error.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Binaries) {
        let temp = tempfile::tempdir().unwrap();
        let folders =
            Folders::resolve(&crate::node::FolderArgs::default(), Some(temp.path()), None);
        (temp, Binaries::of(&folders))
    }

    fn digest(bytes: &[u8]) -> BinaryDigest {
        BinaryDigest::try_from(hex(&Sha256::digest(bytes))).unwrap()
    }

    #[tokio::test]
    async fn a_part_counts_only_where_the_binary_stands() {
        let (_temp, store) = store();
        let sha256 = digest(b"whatever");
        assert_eq!(store.take(&sha256, 0, 100, vec![1; 10]).await.unwrap().received, 10);
        // Sent twice, sent too far ahead, or longer than it was said to be: nothing is written.
        for (offset, length) in [(0, 10), (20, 10), (10, 91)] {
            let staged = store.take(&sha256, offset, 100, vec![1; length]).await.unwrap();
            assert_eq!((staged.received, staged.binary), (10, None));
        }
        assert!(store.take(&sha256, 10, u64::MAX, vec![1]).await.is_err());
        assert!(store.read(&sha256, 0).await.unwrap().is_none(), "it is not whole");
    }

    #[tokio::test]
    async fn what_has_another_digest_or_does_not_run_is_not_kept() {
        let (_temp, store) = store();
        let text = b"no program at all".to_vec();
        for sha256 in [digest(b"something else"), digest(&text)] {
            let size = u64::try_from(text.len()).unwrap();
            let refusal = store.take(&sha256, 0, size, text.clone()).await.unwrap_err();
            assert_eq!(refusal.code, codes::BINARY_UNFIT, "{refusal}");
            assert_eq!(store.staged(&sha256).received, 0);
            assert!(!store.place(&sha256).exists());
        }
    }
}
