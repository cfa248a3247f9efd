//! Tables: aligned columns without borders.

use comfy_table::{ContentArrangement, Table, presets::NOTHING};

use super::{Paint, Tone, paint::one_line};

/// One cell.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// Plain text; nothing is shown as `-`.
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        let text = one_line(text.as_ref());
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, tone: None }
    }

    /// A status word in the tone of its meaning.
    pub(crate) fn word(text: impl AsRef<str>) -> Self {
        let cell = Self::new(text);
        Self { tone: Tone::of_word(&cell.text), ..cell }
    }

    /// `yes` or `no`.
    pub(crate) fn yes_no(yes: bool) -> Self {
        Self::word(if yes { "yes" } else { "no" })
    }

    /// A number or word that may be unknown.
    pub(crate) fn maybe<T: ToString>(value: Option<T>) -> Self {
        Self::new(value.map(|value| value.to_string()).unwrap_or_default())
    }

    /// The text in a tone.
    pub(crate) fn tone(mut self, tone: Tone) -> Self {
        self.tone = Some(tone);
        self
    }
}

/// A table that is being filled.
#[derive(Debug)]
pub(crate) struct Grid {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// An empty table with these columns; free text goes last.
    pub(crate) fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table as text, or `nothing` in a dim voice when it has no rows.
    pub(crate) fn render(&self, paint: Paint, nothing: &str) -> String {
        if self.rows.is_empty() {
            return format!("{}\n", paint.text(Tone::Dim, nothing));
        }
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(self.header.iter().copied());
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| cell.text.as_str()));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut text = String::new();
        for (index, line) in table.lines().enumerate() {
            let line = line.trim_end();
            match index.checked_sub(1).and_then(|row| self.rows.get(row)) {
                None => text.push_str(&paint.text(Tone::Dim, line)),
                Some(row) => text.push_str(&painted(line, row, paint)),
            }
            text.push('\n');
        }
        text
    }
}

/// Colours are laid over the finished line, so that they cannot disturb its widths. Only spaces
/// stand before the next cell, so its first occurrence is itself.
fn painted(line: &str, row: &[Cell], paint: Paint) -> String {
    let mut done = String::new();
    let mut rest = line;
    for cell in row {
        let Some(at) = rest.find(&cell.text) else { continue };
        let (before, from) = rest.split_at(at);
        let (text, after) = from.split_at(cell.text.len());
        done.push_str(before);
        match cell.tone {
            Some(tone) => done.push_str(&paint.text(tone, text)),
            None => done.push_str(text),
        }
        rest = after;
    }
    done.push_str(rest);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Grid {
        let mut grid = Grid::new(&["NAME", "READY", "REASON"]);
        grid.row(vec![Cell::new("ä"), Cell::yes_no(true), Cell::new("")]);
        grid.row(vec![Cell::new("n"), Cell::yes_no(false), Cell::new("no\nanswer  for 3s")]);
        grid
    }

    #[test]
    fn columns_are_aligned_and_lines_do_not_end_in_spaces() {
        let text = sample().render(Paint { enabled: false }, "");
        assert_eq!(text, "NAME  READY  REASON\nä     yes    -\nn     no     no answer  for 3s\n");
    }

    #[test]
    fn colours_do_not_disturb_the_alignment() {
        let text = sample().render(Paint { enabled: true }, "");
        let plain = sample().render(Paint { enabled: false }, "");
        let mut stripped = String::new();
        for (index, part) in text.split('\u{1b}').enumerate() {
            let from = if index == 0 { 0 } else { part.find('m').unwrap() + 1 };
            stripped.push_str(&part[from..]);
        }
        assert_eq!(stripped, plain);
        assert!(text.contains("n     \u{1b}[1m\u{1b}[31mno\u{1b}[0m     no answer"), "{text:?}");
    }

    #[test]
    fn an_empty_table_says_so() {
        let text = Grid::new(&["NAME"]).render(Paint { enabled: false }, "no components");
        assert_eq!(text, "no components\n");
    }
}
