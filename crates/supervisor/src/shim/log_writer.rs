//! An instance's log on disk: rotated at line ends, and never in the way of the component.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use crate::{LogRotation, logs};

/// A line longer than this is cut at a rotation.
const LONGEST_LINE: u64 = 64 * 1024;

/// Writes output to a rotated log. No error stops it: what cannot be written is counted, and the
/// log says so at the place once it can be written again.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    rotation: LogRotation,
    file: Option<File>,
    /// The size of the current file.
    written: u64,
    at_line_start: bool,
    /// Bytes lost since the last successful write.
    gap: u64,
    /// Bytes lost in all.
    dropped: u64,
}

impl LogWriter {
    /// Opens the log, or will at the first write that can.
    #[must_use]
    pub fn open(path: PathBuf, rotation: LogRotation) -> Self {
        let rotation = LogRotation { max_bytes: rotation.max_bytes.max(1), ..rotation };
        let mut writer = Self {
            path,
            rotation,
            file: None,
            written: 0,
            at_line_start: true,
            gap: 0,
            dropped: 0,
        };
        // A failure shows again, and is counted, at the first write.
        drop(writer.ensure_open());
        writer
    }

    /// Appends output, rotating where due.
    pub fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rotate) = self.fit(bytes);
            let (piece, rest) = bytes.split_at(now);
            self.append(piece);
            // While the disk is full, nothing is written: rotating then would push the old files
            // out for nothing.
            if rotate && self.written > 0 {
                self.rotate();
            }
            bytes = rest;
        }
    }

    /// How many bytes were lost in all.
    pub(super) fn close(mut self) -> u64 {
        self.note_gap();
        self.dropped
    }

    /// How many of the bytes go into the current file, and whether it is full then. A file ends
    /// at the end of a line, unless the line is too long for that.
    fn fit(&self, bytes: &[u8]) -> (usize, bool) {
        let room = self.rotation.max_bytes.saturating_sub(self.written);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if bytes.len() <= room {
            return (bytes.len(), false);
        }
        if let Some(last) = bytes[..room].iter().rposition(|byte| *byte == b'\n') {
            return (last + 1, true);
        }
        if self.at_line_start && self.written > 0 {
            return (0, true);
        }
        let over = self.written.saturating_sub(self.rotation.max_bytes);
        let slack = usize::try_from(LONGEST_LINE.saturating_sub(over)).unwrap_or(0);
        let limit = bytes.len().min(room.saturating_add(slack));
        match bytes[..limit].iter().position(|byte| *byte == b'\n') {
            Some(first) => (first + 1, true),
            // The line goes on in the next piece, or has had its share.
            None => (limit, limit < bytes.len() || slack == 0),
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.note_gap();
        let kept = if self.gap > 0 { 0 } else { self.put(bytes) };
        let lost = (bytes.len() - kept) as u64;
        self.gap += lost;
        self.dropped += lost;
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
        }
    }

    /// Says in the log that output is missing, if any is.
    fn note_gap(&mut self) {
        if self.gap > 0 {
            let note = format!("\n[quorate: {} bytes of output could not be kept]\n", self.gap);
            // A note that fits in part only is tried again; the log may hold a torn one.
            if self.put(note.as_bytes()) == note.len() {
                self.gap = 0;
            }
        }
    }

    /// Writes as much as the disk takes.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let mut kept = 0;
        while kept < bytes.len() {
            let result = self.ensure_open().and_then(|file| file.write(&bytes[kept..]));
            match result {
                Ok(0) => break,
                Ok(count) => {
                    kept += count;
                    self.written += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        kept
    }

    fn ensure_open(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            self.written = file.metadata()?.len();
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Moves every file one number up; the oldest goes. Where that fails the log is truncated:
    /// better old output lost than the disk filled.
    fn rotate(&mut self) {
        self.file = None;
        let keep = self.rotation.keep;
        let mut moved = keep > 0;
        for number in (0..keep).rev() {
            let (from, to) =
                (logs::numbered(&self.path, number), logs::numbered(&self.path, number + 1));
            match fs::rename(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => moved = false,
                _ => {}
            }
        }
        if !moved {
            drop(OpenOptions::new().write(true).truncate(true).open(&self.path));
        }
        self.written = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(folder: &std::path::Path, max_bytes: u64, keep: u32) -> LogWriter {
        LogWriter::open(folder.join("a.log"), LogRotation { max_bytes, keep })
    }

    fn read(folder: &std::path::Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap_or_default()
    }

    #[test]
    fn a_log_is_rotated_between_lines_and_the_oldest_file_goes() {
        let temp = tempfile::tempdir().unwrap();
        let mut log = writer(temp.path(), 10, 2);
        log.write(b"one\ntwo\nthree\nfour\nfive\nsix\nseven\n");
        assert_eq!(read(temp.path(), "a.log"), "six\nseven\n");
        assert_eq!(read(temp.path(), "a.log.1"), "four\nfive\n");
        assert_eq!(read(temp.path(), "a.log.2"), "three\n");
        assert!(!temp.path().join("a.log.3").exists());
        assert_eq!(log.close(), 0);
    }

    #[test]
    fn a_line_that_arrives_in_pieces_is_not_cut() {
        let temp = tempfile::tempdir().unwrap();
        let mut log = writer(temp.path(), 10, 3);
        for piece in ["a b", "c d", "e f g h", " i j\nnext", " line\n"] {
            log.write(piece.as_bytes());
        }
        assert_eq!(read(temp.path(), "a.log.1"), "a bc de f g h i j\n");
        assert_eq!(read(temp.path(), "a.log"), "next line\n");
    }

    #[test]
    fn an_endless_line_is_cut_so_that_files_stay_bounded() {
        let temp = tempfile::tempdir().unwrap();
        let mut log = writer(temp.path(), 1000, 1);
        for _ in 0..100 {
            log.write(&[b'x'; 8192]);
        }
        let size = fs::metadata(temp.path().join("a.log.1")).unwrap().len();
        assert!(size > 1000 && size <= 1000 + LONGEST_LINE + 8192, "{size}");
    }

    #[test]
    fn a_log_that_existed_is_appended_to_and_its_size_counts() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("a.log"), "earlier\n").unwrap();
        writer(temp.path(), 10, 1).write(b"later\n");
        assert_eq!(read(temp.path(), "a.log.1"), "earlier\n");
        assert_eq!(read(temp.path(), "a.log"), "later\n");
    }

    #[test]
    fn with_no_rotated_files_kept_the_log_starts_anew() {
        let temp = tempfile::tempdir().unwrap();
        writer(temp.path(), 6, 0).write(b"one\ntwo\n");
        assert_eq!(read(temp.path(), "a.log"), "two\n");
        assert!(!temp.path().join("a.log.1").exists());
    }

    #[test]
    fn lost_output_is_counted_and_the_log_says_so_when_it_can() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("later");
        let mut log = writer(&folder, 1000, 1);
        log.write(b"lost\n");
        fs::create_dir(&folder).unwrap();
        log.write(b"kept\n");
        let text = read(&folder, "a.log");
        assert_eq!(text, "\n[quorate: 5 bytes of output could not be kept]\nkept\n");
        assert_eq!(log.close(), 5);
    }

    #[test]
    fn a_full_disk_neither_fails_nor_blocks() {
        let mut log = LogWriter::open("/dev/full".into(), LogRotation::default());
        for _ in 0..100 {
            log.write(&[b'x'; 1000]);
        }
        assert_eq!(log.close(), 100_000);
    }
}
