//! Encrypted streams of any length, in chunks.
//!
//! ```text
//! stream = header, chunk*, last chunk
//! header = "QARC" | format (1) | purpose | chunk size u32 | stream id (16 random bytes)
//! chunk  = u32: bit 31 set for the last one, bits 0..30 the sealed length | sealed bytes
//! ```
//!
//! Numbers are big-endian. Each chunk is sealed by the keyring with the header, the caller's
//! context, the chunk's number and whether it is the last as associated data. So chunks cannot be
//! reordered, repeated, dropped, or taken from another stream; the end cannot be cut off, for only
//! the true last chunk unseals as such; and a stream cannot stand in for another of another
//! context. All chunks but the last are full, so one content has one length.

mod open;
mod seal;

pub use open::OpenReader;
pub use seal::{SealReader, SealWriter};

use quorate_keyring::{Keyring, OsIdSource, Purpose, SEAL_OVERHEAD, Zeroizing};
use quorate_model::IdSource;

use crate::ArchiveError;

const MAGIC: &[u8; 4] = b"QARC";
const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 26;
const LAST: u32 = 1 << 31;
/// Plaintext per chunk: large enough that the overhead is 0.1 %, small enough to hold in memory.
const CHUNK_BYTES: usize = 64 * 1024;
/// The largest chunk size that a reader accepts: it bounds the memory a forged header can take.
const MAX_CHUNK_BYTES: usize = 1024 * 1024;

/// What every chunk of one stream shares.
struct Framing {
    keyring: Keyring,
    purpose: Purpose,
    header: [u8; HEADER_BYTES],
    context: Vec<u8>,
    chunk_bytes: usize,
    next: u64,
}

impl Framing {
    fn new(keyring: &Keyring, purpose: Purpose, context: &[u8]) -> Self {
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(MAGIC);
        header[4] = FORMAT;
        header[5] = purpose_byte(purpose);
        header[6..10].copy_from_slice(&(CHUNK_BYTES as u32).to_be_bytes());
        header[10..].copy_from_slice(&OsIdSource.random().to_be_bytes());
        Self {
            keyring: keyring.clone(),
            purpose,
            header,
            context: context.to_vec(),
            chunk_bytes: CHUNK_BYTES,
            next: 0,
        }
    }

    fn of_header(
        keyring: &Keyring,
        purpose: Purpose,
        context: &[u8],
        header: [u8; HEADER_BYTES],
    ) -> Result<Self, ArchiveError> {
        let damaged = |reason| ArchiveError::StreamDamaged { reason };
        if &header[..4] != MAGIC {
            return Err(damaged("it does not begin as an encrypted stream does"));
        }
        if header[4] != FORMAT {
            return Err(ArchiveError::FormatTooNew {
                what: "encrypted stream",
                found: u32::from(header[4]),
                supported: u32::from(FORMAT),
            });
        }
        if header[5] != purpose_byte(purpose) {
            return Err(damaged("it was sealed for another purpose"));
        }
        let chunk_bytes = u32::from_be_bytes([header[6], header[7], header[8], header[9]]) as usize;
        if !(1..=MAX_CHUNK_BYTES).contains(&chunk_bytes) {
            return Err(damaged("its chunk size is impossible"));
        }
        let (keyring, context) = (keyring.clone(), context.to_vec());
        Ok(Self { keyring, purpose, header, context, chunk_bytes, next: 0 })
    }

    /// The next chunk as it is stored, its length word included.
    fn seal(&mut self, plaintext: &[u8], last: bool) -> Vec<u8> {
        let sealed = self.keyring.seal(self.purpose, &self.aad(last), plaintext);
        self.next += 1;
        // A chunk is at most MAX_CHUNK_BYTES and the overhead, far below 31 bits.
        let word = sealed.len() as u32 | if last { LAST } else { 0 };
        [word.to_be_bytes().as_slice(), &sealed].concat()
    }

    /// The plaintext of the next chunk.
    fn open(&mut self, sealed: &[u8], last: bool) -> Result<Zeroizing<Vec<u8>>, ArchiveError> {
        let plaintext = self.keyring.unseal(self.purpose, &self.aad(last), sealed)?;
        if !last && plaintext.len() != self.chunk_bytes {
            return Err(ArchiveError::StreamDamaged { reason: "a chunk within it is not full" });
        }
        self.next += 1;
        Ok(plaintext)
    }

    /// The longest sealed chunk there can be.
    const fn max_sealed_bytes(&self) -> usize {
        self.chunk_bytes + SEAL_OVERHEAD
    }

    fn aad(&self, last: bool) -> Vec<u8> {
        let mut aad = Vec::with_capacity(HEADER_BYTES + 9 + self.context.len());
        aad.extend_from_slice(&self.header);
        aad.extend_from_slice(&self.next.to_be_bytes());
        aad.push(u8::from(last));
        aad.extend_from_slice(&self.context);
        aad
    }
}

/// The purpose in the header. The seal enforces it anyway; the byte gives the better error.
const fn purpose_byte(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Log => 1,
        Purpose::Snapshot => 2,
        Purpose::Field => 3,
        Purpose::Backup => 4,
        Purpose::Identity => 5,
    }
}
