//! Colours, named by what they mean. A word always says the same beside the colour.

use anstyle::{AnsiColor, Style};

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Success,
    /// Not as it should be, or not known.
    Warn,
    /// Broken.
    Danger,
    /// Less important than what stands around it.
    Dim,
    /// A heading.
    Strong,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Success => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Danger => AnsiColor::Red.on_default().bold(),
            Self::Dim => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
        }
    }

    /// What a status word of the masters means; `None` for one that is neither good nor bad.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "up" | "ready" | "running" | "succeeded" | "finished" | "yes" | "leader" => {
                Some(Self::Success)
            }
            "degraded" | "unknown" | "paused" | "aborting" | "aborted" | "undone" | "kept"
            | "joining" | "started" => Some(Self::Warn),
            "down" | "failed" | "stuck" | "exited" | "no" => Some(Self::Danger),
            "pending" | "absent" | "expired" | "-" => Some(Self::Dim),
            _ => None,
        }
    }
}

/// Whether to use colours, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    /// Without it, text stays as it is.
    pub(crate) enabled: bool,
}

impl Paint {
    /// The text in a tone.
    pub(crate) fn text(self, tone: Tone, text: &str) -> String {
        if !self.enabled || text.is_empty() {
            return text.to_owned();
        }
        let style = tone.style();
        format!("{style}{text}{style:#}")
    }

    /// A status word in the tone of its meaning.
    pub(crate) fn word(self, word: &str) -> String {
        match Tone::of_word(word) {
            Some(tone) => self.text(tone, word),
            None => word.to_owned(),
        }
    }
}

/// Text of others on one line: what could move the cursor or hide a line becomes a space.
pub(crate) fn one_line(text: &str) -> String {
    let visible: String =
        text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    visible.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_text_stays_as_it_is() {
        assert_eq!(Paint { enabled: false }.word("down"), "down");
        assert_eq!(Paint { enabled: true }.word("down"), "\u{1b}[1m\u{1b}[31mdown\u{1b}[0m");
        assert_eq!(Paint { enabled: true }.word("learner"), "learner");
    }

    #[test]
    fn text_of_others_cannot_move_the_cursor() {
        assert_eq!(one_line("a\u{1b}[2Jb\nc\r"), "a [2Jb c");
    }
}
