//! Decrypting a stream, handing on nothing that is not authenticated.

use std::{
    fmt,
    io::{self, Read},
};

use quorate_keyring::{Keyring, Purpose, Zeroizing};

use super::{Framing, HEADER_BYTES, LAST};
use crate::ArchiveError;

/// Reads as the plaintext of the encrypted stream it wraps. Every byte handed on is authentic;
/// that the stream is also *complete* is known only when reading reaches the end without error,
/// so a caller that acts on the content reads all of it first. Errors carry an [`ArchiveError`].
pub struct OpenReader<R: Read> {
    inner: R,
    framing: Framing,
    ready: io::Cursor<Zeroizing<Vec<u8>>>,
    ended: bool,
    failed: bool,
}

impl<R: Read> OpenReader<R> {
    /// Decrypts `inner`, which was sealed for the same purpose with the same context.
    ///
    /// # Errors
    /// When the header cannot be read or is not that of such a stream; see [`ArchiveError::of_io`].
    pub fn new(
        mut inner: R,
        keyring: &Keyring,
        purpose: Purpose,
        context: &[u8],
    ) -> io::Result<Self> {
        let mut header = [0; HEADER_BYTES];
        read_exactly(&mut inner, &mut header)?;
        let framing =
            Framing::of_header(keyring, purpose, context, header).map_err(ArchiveError::into_io)?;
        let ready = io::Cursor::new(Zeroizing::default());
        Ok(Self { inner, framing, ready, ended: false, failed: false })
    }

    fn refill(&mut self) -> io::Result<()> {
        let damaged = |reason| ArchiveError::StreamDamaged { reason }.into_io();
        if self.failed {
            return Err(damaged("reading went on after an error"));
        }
        self.failed = true;
        let mut word = [0; 4];
        read_exactly(&mut self.inner, &mut word)?;
        let word = u32::from_be_bytes(word);
        let (last, sealed_bytes) = (word & LAST != 0, (word & !LAST) as usize);
        if sealed_bytes > self.framing.max_sealed_bytes() {
            return Err(damaged("a chunk is longer than a chunk can be"));
        }
        let mut sealed = vec![0; sealed_bytes];
        read_exactly(&mut self.inner, &mut sealed)?;
        let plaintext = self.framing.open(&sealed, last).map_err(ArchiveError::into_io)?;
        if last {
            let mut one_more = [0; 1];
            if read_some(&mut self.inner, &mut one_more)? > 0 {
                return Err(damaged("something follows its end"));
            }
        }
        self.ready = io::Cursor::new(plaintext);
        self.ended = last;
        self.failed = false;
        Ok(())
    }
}

impl<R: Read> Read for OpenReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let position = usize::try_from(self.ready.position()).unwrap_or(usize::MAX);
            let rest = self.ready.get_ref().get(position..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            self.ready.set_position((position + count) as u64);
            if count > 0 || buffer.is_empty() || self.ended {
                return Ok(count);
            }
            self.refill()?;
        }
    }
}

impl<R: Read> fmt::Debug for OpenReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenReader").field("chunks", &self.framing.next).finish_non_exhaustive()
    }
}

fn read_exactly(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<()> {
    reader.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            ArchiveError::StreamDamaged { reason: "it is cut short" }.into_io()
        }
        _ => error,
    })
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
