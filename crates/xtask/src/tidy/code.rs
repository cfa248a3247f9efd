//! Rust source as text, without what the rules are not about: comments, strings, test modules.
//!
//! A scanner, not a parser: it knows comments, string and character literals and brackets, which
//! is all the rules need, and is compiled in a moment.

/// Source with the irrelevant parts blanked; every line stays where it was.
pub(super) struct Code {
    /// Without comments and string literals.
    pub(super) bare: String,
    /// As `bare`, and without items that are compiled for tests only.
    pub(super) shipped: String,
    /// Without comments and test items, but with string literals.
    pub(super) shipped_with_strings: String,
}

impl Code {
    pub(super) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut scanner =
            Scanner { with_strings: chars.clone(), bare: chars.clone(), chars, at: 0 };
        scanner.scan();
        let Scanner { mut with_strings, bare, .. } = scanner;
        let mut shipped = bare.clone();
        for (from, to) in test_items(&bare) {
            blank(&mut shipped, from, to);
            blank(&mut with_strings, from, to);
        }
        Self {
            bare: bare.into_iter().collect(),
            shipped: shipped.into_iter().collect(),
            shipped_with_strings: with_strings.into_iter().collect(),
        }
    }
}

/// The identifiers of code with their positions (line counted from 1, byte offset).
pub(super) fn identifiers(code: &str) -> impl Iterator<Item = (usize, usize, &str)> {
    let mut line = 1;
    let mut from = None;
    code.char_indices().chain([(code.len(), '\n')]).filter_map(move |(at, char)| {
        let mut found = None;
        if is_word(char) {
            from.get_or_insert(at);
        } else if let Some(start) = from.take() {
            found = Some((line, start, &code[start..at]));
        }
        if char == '\n' {
            line += 1;
        }
        found
    })
}

/// The line, counted from 1, that a byte offset is on.
pub(super) fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

pub(super) const fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn blank(chars: &mut [char], from: usize, to: usize) {
    for char in &mut chars[from..to] {
        if *char != '\n' {
            *char = ' ';
        }
    }
}

struct Scanner {
    chars: Vec<char>,
    with_strings: Vec<char>,
    bare: Vec<char>,
    at: usize,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn scan(&mut self) {
        while self.at < self.chars.len() {
            let start = self.at;
            match (self.peek(0), self.peek(1)) {
                ('/', '/') => {
                    self.skip_until(|scanner| scanner.peek(0) == '\n');
                    self.comment(start);
                }
                ('/', '*') => {
                    self.block_comment();
                    self.comment(start);
                }
                ('"', _) => {
                    self.at += 1;
                    self.string();
                    blank(&mut self.bare, start + 1, self.at.saturating_sub(1).max(start + 1));
                }
                ('\'', _) => self.quote(start),
                (char, _) if is_word(char) => self.word(start),
                _ => self.at += 1,
            }
        }
    }

    fn skip_until(&mut self, stop: impl Fn(&Self) -> bool) {
        while self.at < self.chars.len() && !stop(self) {
            self.at += 1;
        }
    }

    fn comment(&mut self, start: usize) {
        blank(&mut self.with_strings, start, self.at);
        blank(&mut self.bare, start, self.at);
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    /// From behind the opening quote to behind the closing one.
    fn string(&mut self) {
        while self.at < self.chars.len() {
            match self.peek(0) {
                '\\' => self.at += 2,
                '"' => {
                    self.at += 1;
                    break;
                }
                _ => self.at += 1,
            }
        }
        self.at = self.at.min(self.chars.len());
    }

    /// A character literal, or the tick of a lifetime.
    fn quote(&mut self, start: usize) {
        if self.peek(1) == '\\' {
            self.at += 3;
            self.skip_until(|scanner| scanner.peek(0) == '\'');
            self.at = (self.at + 1).min(self.chars.len());
        } else if self.peek(2) == '\'' {
            self.at += 3;
        } else {
            self.at += 1;
            return;
        }
        blank(&mut self.bare, start, self.at);
    }

    /// An identifier; a raw string, when the word is one's prefix.
    fn word(&mut self, start: usize) {
        self.skip_until(|scanner| !is_word(scanner.peek(0)));
        let prefix: String = self.chars[start..self.at].iter().collect();
        if !matches!(prefix.as_str(), "r" | "br" | "cr") {
            return;
        }
        let mut hashes = 0;
        while self.peek(hashes) == '#' {
            hashes += 1;
        }
        if self.peek(hashes) != '"' {
            return;
        }
        let content = self.at + hashes + 1;
        self.at = content;
        self.skip_until(|scanner| {
            scanner.peek(0) == '"' && (1..=hashes).all(|ahead| scanner.peek(ahead) == '#')
        });
        blank(&mut self.bare, content, self.at);
        self.at = (self.at + 1 + hashes).min(self.chars.len());
    }
}

/// The ranges of items behind `#[cfg(test)]`.
fn test_items(bare: &[char]) -> Vec<(usize, usize)> {
    const MARK: &str = "#[cfg(test)]";
    let mark: Vec<char> = MARK.chars().collect();
    let mut items = Vec::new();
    let mut at = 0;
    while at + mark.len() <= bare.len() {
        if bare[at..at + mark.len()] != mark[..] {
            at += 1;
            continue;
        }
        let end = item_end(bare, at + mark.len());
        items.push((at, end));
        at = end;
    }
    items
}

/// Behind the item that begins at `from`: its `;`, or the `}` of its body.
fn item_end(bare: &[char], from: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, char) in bare[from..].iter().enumerate() {
        match char {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return from + offset + 1;
                }
            }
            ';' if depth == 0 => return from + offset + 1,
            _ => {}
        }
    }
    bare.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blanked_and_lines_stay() {
        let text = "a // b\n/* c /* d */ e\n*/ f \"g \\\" h\" i r#\"j\"k\"# l 'm' '\\'' &'n o\n";
        let code = Code::new(text);
        let words: Vec<(usize, &str)> =
            identifiers(&code.bare).map(|(line, _, word)| (line, word)).collect();
        assert_eq!(words, [(1, "a"), (3, "f"), (3, "i"), (3, "r"), (3, "l"), (3, "n"), (3, "o")]);
        assert_eq!(code.bare.lines().count(), text.lines().count());
        assert!(code.shipped_with_strings.contains("j\"k"));
        assert!(!code.shipped_with_strings.contains('b'));
    }

    #[test]
    fn a_raw_identifier_is_not_a_raw_string() {
        let code = Code::new("let r#type = 1; let other = \"x\";");
        assert!(code.bare.contains("other"));
        assert!(!code.bare.contains('x'));
    }

    #[test]
    fn test_items_are_not_shipped() {
        let text = "fn kept() {}\n#[cfg(test)]\nmod tests { fn gone(a: [u8; 3]) { {} } }\n\
                    fn also_kept() {}\n#[cfg(test)]\nuse gone_too;\nfn last() {}";
        let code = Code::new(text);
        assert!(code.bare.contains("gone"));
        assert!(!code.shipped.contains("gone"), "{}", code.shipped);
        for kept in ["kept", "also_kept", "last"] {
            assert!(code.shipped.contains(kept), "{kept}");
        }
    }

    #[test]
    fn an_unfinished_file_does_not_panic() {
        for text in ["\"", "'\\", "/*", "r#\"", "#[cfg(test)]", "'", "\"\\", "'a"] {
            let _ = Code::new(text);
        }
    }
}
