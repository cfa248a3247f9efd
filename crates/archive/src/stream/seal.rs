//! Encrypting a stream: pushed into a writer, or pulled from a reader.

use std::{
    fmt,
    io::{self, Read, Write},
};

use quorate_keyring::{Keyring, Purpose, Zeroizing};

use super::Framing;

/// Encrypts what is written to it and passes it on. [`SealWriter::finish`] must be called: a
/// stream that was not finished is refused as cut short by whoever reads it.
pub struct SealWriter<W: Write> {
    inner: W,
    framing: Framing,
    pending: Zeroizing<Vec<u8>>,
    begun: bool,
}

impl<W: Write> SealWriter<W> {
    /// Encrypts into `inner`. `context` says what the stream is (such as a restore point's id and
    /// the part's name) and must be given again to open it; it is not stored.
    pub fn new(inner: W, keyring: &Keyring, purpose: Purpose, context: &[u8]) -> Self {
        let framing = Framing::new(keyring, purpose, context);
        let pending = Zeroizing::new(Vec::with_capacity(framing.chunk_bytes));
        Self { inner, framing, pending, begun: false }
    }

    /// Writes the last chunk, flushes, and gives the inner writer back.
    ///
    /// # Errors
    /// The inner writer's.
    pub fn finish(mut self) -> io::Result<W> {
        self.emit(true)?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn emit(&mut self, last: bool) -> io::Result<()> {
        if !self.begun {
            self.inner.write_all(&self.framing.header)?;
            self.begun = true;
        }
        let chunk = self.framing.seal(&self.pending, last);
        self.inner.write_all(&chunk)?;
        self.pending.clear();
        Ok(())
    }
}

impl<W: Write> Write for SealWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // A full chunk waits until more comes, because it may be the last.
        if self.pending.len() == self.framing.chunk_bytes {
            self.emit(false)?;
        }
        let count = bytes.len().min(self.framing.chunk_bytes - self.pending.len());
        self.pending.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Flushes what is complete; a part of a chunk stays until it is full or the stream finished.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> fmt::Debug for SealWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealWriter").field("chunks", &self.framing.next).finish_non_exhaustive()
    }
}

/// Reads as the encrypted form of the reader it wraps: what an upload pulls from.
pub struct SealReader<R: Read> {
    inner: R,
    framing: Framing,
    /// Plaintext read ahead: whether a chunk is the last is known only once the next is tried.
    ahead: Zeroizing<Vec<u8>>,
    ready: io::Cursor<Vec<u8>>,
    begun: bool,
    ended: bool,
}

impl<R: Read> SealReader<R> {
    /// Encrypts `inner`; `context` as for [`SealWriter::new`].
    pub fn new(inner: R, keyring: &Keyring, purpose: Purpose, context: &[u8]) -> Self {
        let framing = Framing::new(keyring, purpose, context);
        let ready = io::Cursor::new(framing.header.to_vec());
        let ahead = Zeroizing::new(Vec::new());
        Self { inner, framing, ahead, ready, begun: false, ended: false }
    }

    fn refill(&mut self) -> io::Result<()> {
        if !self.begun {
            self.ahead = self.read_chunk()?;
            self.begun = true;
        }
        let full = self.ahead.len() == self.framing.chunk_bytes;
        let following = if full { self.read_chunk()? } else { Zeroizing::default() };
        let last = following.is_empty();
        self.ready = io::Cursor::new(self.framing.seal(&self.ahead, last));
        self.ahead = following;
        self.ended = last;
        Ok(())
    }

    /// A full chunk, or less at the end.
    fn read_chunk(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        let limit = self.framing.chunk_bytes;
        let mut chunk = Zeroizing::new(Vec::with_capacity(limit));
        Read::by_ref(&mut self.inner).take(limit as u64).read_to_end(&mut chunk)?;
        Ok(chunk)
    }
}

impl<R: Read> Read for SealReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.ready.read(buffer)?;
            if count > 0 || buffer.is_empty() || self.ended {
                return Ok(count);
            }
            self.refill()?;
        }
    }
}

impl<R: Read> fmt::Debug for SealReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealReader").field("chunks", &self.framing.next).finish_non_exhaustive()
    }
}
