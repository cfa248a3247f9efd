//! What every archive target must do, as a suite to run against each.

use std::io::{self, Read};

use crate::{ArchiveError, ArchiveTarget, ObjectName};

/// Checks that a target, empty below `conformance/`, behaves as [`ArchiveTarget`] says, and leaves
/// it empty there again.
///
/// # Errors
/// What the target did that it must not, in words.
pub fn check(target: &dyn ArchiveTarget) -> Result<(), String> {
    let suite = Suite { target };
    suite.begins_empty()?;
    suite.returns_what_was_put()?;
    suite.replaces_whole()?;
    suite.keeps_the_old_content_when_the_new_one_fails()?;
    suite.says_what_is_absent()?;
    suite.lists_by_prefix_in_order()?;
    suite.deletes()?;
    suite.begins_empty()
}

const ROOT: &str = "conformance/";

struct Suite<'a> {
    target: &'a dyn ArchiveTarget,
}

/// Content that breaks off with an error.
struct BreaksOff {
    left: usize,
}

impl Read for BreaksOff {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("the content broke off"));
        }
        let count = self.left.min(buffer.len());
        buffer[..count].fill(b'x');
        self.left -= count;
        Ok(count)
    }
}

/// Content that comes one byte at a time, interrupted now and then.
struct Trickles<'a> {
    rest: &'a [u8],
    interrupt: bool,
}

impl Read for Trickles<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = buffer.len().min(1);
        self.rest.read(&mut buffer[..count])
    }
}

impl Suite<'_> {
    fn begins_empty(&self) -> Result<(), String> {
        let listed = self.list(ROOT)?;
        if listed.is_empty() { Ok(()) } else { Err(format!("not empty: {listed:?}")) }
    }

    fn returns_what_was_put(&self) -> Result<(), String> {
        for size in [0, 1, 1000, 3_000_000] {
            let content = pattern(size);
            self.put("sizes/object", &content)?;
            self.expect("sizes/object", &content)?;
        }
        let content = pattern(500);
        let name = object("sizes/object")?;
        let bytes = self
            .target
            .put(&name, &mut Trickles { rest: &content, interrupt: false })
            .map_err(words)?;
        if bytes != 500 {
            return Err(format!("500 bytes were put and {bytes} reported"));
        }
        self.expect("sizes/object", &content)?;
        self.delete("sizes/object")
    }

    fn replaces_whole(&self) -> Result<(), String> {
        self.put("replaced", &pattern(5000))?;
        self.put("replaced", b"short")?;
        self.expect("replaced", b"short")?;
        self.delete("replaced")
    }

    fn keeps_the_old_content_when_the_new_one_fails(&self) -> Result<(), String> {
        for left in [0, 10, 2_000_000] {
            let name = object("kept/broken")?;
            for before in [None, Some(b"before".as_slice())] {
                if let Some(before) = before {
                    self.put("kept/broken", before)?;
                }
                match self.target.put(&name, &mut BreaksOff { left }) {
                    Err(ArchiveError::Content { .. }) => {}
                    other => return Err(format!("content broke off, but put said {other:?}")),
                }
                match before {
                    Some(before) => self.expect("kept/broken", before)?,
                    None => self.expect_absent("kept/broken")?,
                }
            }
            self.delete("kept/broken")?;
            if !self.list(ROOT)?.is_empty() {
                return Err("a broken put left something behind".to_owned());
            }
        }
        Ok(())
    }

    fn says_what_is_absent(&self) -> Result<(), String> {
        self.put("absent/here", b"x")?;
        for name in ["absent/there", "absent", "nowhere/at/all", "absent/here/below"] {
            self.expect_absent(name)?;
        }
        self.delete("absent/here")
    }

    fn lists_by_prefix_in_order(&self) -> Result<(), String> {
        let names = ["list/a", "list/a-1", "list/a/b", "list/b/c/d", "list/b2", "lists"];
        // An object store may hold `a` and `a/b`; a folder cannot, so the suite asks for neither.
        let names: Vec<&str> = names.into_iter().filter(|name| *name != "list/a").collect();
        for name in names.iter().rev() {
            self.put(name, name.as_bytes())?;
        }
        let cases: [(&str, &[&str]); 6] = [
            ("", &["list/a-1", "list/a/b", "list/b/c/d", "list/b2", "lists"]),
            ("list/", &["list/a-1", "list/a/b", "list/b/c/d", "list/b2"]),
            ("list/a", &["list/a-1", "list/a/b"]),
            ("list/b", &["list/b/c/d", "list/b2"]),
            ("list/b/c/d", &["list/b/c/d"]),
            ("list/x", &[]),
        ];
        for (prefix, expected) in cases {
            let listed = self.list(&format!("{ROOT}{prefix}"))?;
            let expected: Vec<_> =
                expected.iter().map(|name| (format!("{ROOT}{name}"), name.len() as u64)).collect();
            if listed != expected {
                return Err(format!("`{prefix}` listed {listed:?}, expected {expected:?}"));
            }
        }
        names.iter().try_for_each(|name| self.delete(name))
    }

    fn deletes(&self) -> Result<(), String> {
        self.put("gone/deep/object", b"x")?;
        self.put("gone/other", b"y")?;
        self.delete("gone/deep/object")?;
        self.expect_absent("gone/deep/object")?;
        self.expect("gone/other", b"y")?;
        self.delete("gone/deep/object")?;
        self.delete("gone/never/was")?;
        // A name that is only a prefix of others is no object, and takes nothing with it.
        self.delete("gone")?;
        self.expect("gone/other", b"y")?;
        self.delete("gone/other")
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), String> {
        let bytes = self.target.put(&object(name)?, &mut &*content).map_err(words)?;
        if bytes == content.len() as u64 {
            Ok(())
        } else {
            Err(format!("`{name}`: {} bytes were put and {bytes} reported", content.len()))
        }
    }

    fn expect(&self, name: &str, content: &[u8]) -> Result<(), String> {
        let mut got = Vec::new();
        let mut reader = self.target.get(&object(name)?).map_err(words)?;
        reader.read_to_end(&mut got).map_err(|error| format!("`{name}`: {error}"))?;
        if got == content {
            Ok(())
        } else {
            Err(format!("`{name}`: {} bytes came back, not the {} put", got.len(), content.len()))
        }
    }

    fn expect_absent(&self, name: &str) -> Result<(), String> {
        match self.target.get(&object(name)?) {
            Err(ArchiveError::Absent { .. }) => Ok(()),
            Err(error) => Err(format!("`{name}` is absent, but get said: {error}")),
            Ok(_) => Err(format!("`{name}` is absent, but get returned something")),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, String> {
        let listed = self.target.list(prefix).map_err(words)?;
        Ok(listed.into_iter().map(|info| (info.name.to_string(), info.bytes)).collect())
    }

    fn delete(&self, name: &str) -> Result<(), String> {
        self.target.delete(&object(name)?).map_err(words)
    }
}

fn object(name: &str) -> Result<ObjectName, String> {
    ObjectName::new(format!("{ROOT}{name}")).map_err(|error| error.to_string())
}

fn words(error: ArchiveError) -> String {
    use std::error::Error as _;
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// Bytes in which a shifted or repeated block would show.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|position| (position * 31 + position / 251) as u8).collect()
}
