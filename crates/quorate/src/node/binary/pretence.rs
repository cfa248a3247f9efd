//! What a copy of this binary pretends to be in a test. Debug builds only.
//!
//! A test appends a line such as `quorate-test: version=0.2.0 level=2 behaviour=crash` to a copy
//! of the binary, which the loader does not mind. The copy has another digest then, and behaves
//! otherwise, without being compiled again.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    sync::LazyLock,
};

/// The line is the last of the file and no longer than this.
const LONGEST: i64 = 200;
const MARK: &str = "quorate-test:";

/// What this binary pretends to be.
#[derive(Debug, Default)]
pub(super) struct Pretence {
    pub(super) version: Option<String>,
    pub(super) level: Option<u32>,
    pub(super) behaviour: Option<String>,
}

/// What this binary pretends to be; nothing unless a test made it so.
pub(super) fn get() -> &'static Pretence {
    static PRETENCE: LazyLock<Pretence> =
        LazyLock::new(|| end_of_this_file().map(|end| read(&end)).unwrap_or_default());
    &PRETENCE
}

fn end_of_this_file() -> std::io::Result<Vec<u8>> {
    let mut file = File::open("/proc/self/exe")?;
    file.seek(SeekFrom::End(-LONGEST))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(end)
}

fn read(end: &[u8]) -> Pretence {
    let end = String::from_utf8_lossy(end);
    let mut pretence = Pretence::default();
    let Some((_, words)) = end.rsplit_once(MARK) else { return pretence };
    for (name, value) in words.split_whitespace().filter_map(|word| word.split_once('=')) {
        match name {
            "version" => pretence.version = Some(value.to_owned()),
            "level" => pretence.level = value.parse().ok(),
            "behaviour" => pretence.behaviour = Some(value.to_owned()),
            _ => {}
        }
    }
    pretence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_marked_binary_pretends() {
        assert!(read(b"\0\0\x7f rodata").version.is_none());
        let pretence = read(b"\xff\0quorate-test: version=9.9.9 level=2 behaviour=crash\n");
        assert_eq!(pretence.version.as_deref(), Some("9.9.9"));
        assert_eq!((pretence.level, pretence.behaviour.as_deref()), (Some(2), Some("crash")));
    }
}
