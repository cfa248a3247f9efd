//! The words and signs of the console: one icon and tone for each state word, and moments and
//! durations as people read them.
//!
//! Numbers may be borrowed, because templates hand them over so.

use std::borrow::{Borrow, Cow};

/// How a state feels. The word and the icon say the same without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Neither good nor bad, or over.
    Quiet,
    /// Something goes on.
    Busy,
    /// Nothing is known.
    Unknown,
    /// Look at it soon.
    Warn,
    /// Look at it now.
    Bad,
}

impl Tone {
    /// The class in the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Quiet => "quiet",
            Self::Busy => "busy",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// The icon (an id in `icons.svg`) and the tone of a state word of REST.
pub(crate) fn sign(word: &str) -> (&'static str, Tone) {
    match word {
        "ok" | "up" | "ready" | "running" | "applied" | "safe" => ("check", Tone::Good),
        "succeeded" | "finished" => ("check", Tone::Good),
        "in progress" | "started" => ("spin", Tone::Busy),
        "paused" => ("pause", Tone::Warn),
        "warning" | "stuck" | "degraded" | "at risk" | "refused" => ("alert", Tone::Warn),
        "problem" | "down" | "failed" | "exited" | "not ready" | "stopped serving" => {
            ("cross", Tone::Bad)
        }
        "aborting" | "undone" | "kept" => ("undo", Tone::Warn),
        "aborted" => ("undo", Tone::Quiet),
        "pending" => ("dot", Tone::Quiet),
        "leader" => ("crown", Tone::Busy),
        "stopped" | "absent" => ("stop", Tone::Quiet),
        "unknown" | "joining" => ("question", Tone::Unknown),
        _ => ("dot", Tone::Quiet),
    }
}

/// A running *operation* is something going on, a running *process* is as it should be: the word
/// of an operation's status for [`sign`].
pub(crate) fn operation_word(status: &str) -> &str {
    if status == "running" { "in progress" } else { status }
}

/// Whether an operation has ended.
pub(crate) fn is_over(status: &str) -> bool {
    matches!(status, "succeeded" | "aborted")
}

/// An RFC 3339 moment in UTC to the second, such as `2026-08-02 14:03:21 UTC`; the script makes
/// it relative.
pub(crate) fn moment(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => rfc3339.to_owned(),
    }
}

/// How long ago, roughly: what is fresh stays the same text, so that a page at rest stands still.
pub(crate) fn ago(ms: impl Borrow<u64>) -> String {
    match *ms.borrow() / 1000 {
        0..5 => "just now".to_owned(),
        seconds => format!("{} ago", duration(seconds)),
    }
}

/// Seconds in at most two units.
pub(crate) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, 10..) => format!("{minutes} min"),
        (0, 0, _) => two((minutes, "min"), (seconds % 60, "s")),
        (0, _, _) => two((hours, "h"), (minutes, "min")),
        _ => two((days, "d"), (hours, "h")),
    }
}

fn two((large, of_large): (u64, &str), (small, of_small): (u64, &str)) -> String {
    match small {
        0 => format!("{large} {of_large}"),
        _ => format!("{large} {of_large} {small} {of_small}"),
    }
}

/// `1 step`, `2 steps`.
pub(crate) fn count(number: impl Borrow<usize>, one: &str, many: &str) -> String {
    let number = *number.borrow();
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A large number in groups of three, for the eye.
pub(crate) fn grouped(number: impl Borrow<u64>) -> String {
    let digits = number.borrow().to_string();
    let first = digits.len() % 3;
    let mut text = digits[..first].to_owned();
    for (place, group) in digits.as_bytes()[first..].chunks(3).enumerate() {
        if first > 0 || place > 0 {
            text.push('\u{202f}');
        }
        text.extend(group.iter().map(|digit| char::from(*digit)));
    }
    text
}

/// A piece of a sentence: names stand between backticks and are set as code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) is_code: bool,
}

impl<'a> Piece<'a> {
    fn new(text: &'a str, is_code: bool) -> Self {
        Self { text: Cow::Borrowed(text), is_code }
    }
}

/// Takes words apart at their backticks; one without a partner stays what it is.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, code, after)) = rest
        .split_once('`')
        .and_then(|(before, rest)| rest.split_once('`').map(|(code, after)| (before, code, after)))
    {
        pieces.push(Piece::new(before, false));
        pieces.push(Piece::new(code, true));
        rest = after;
    }
    pieces.push(Piece::new(rest, false));
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

/// The programs that hints name.
const PROGRAMS: [&str; 10] = [
    "quorate ",
    "apt-get ",
    "chmod ",
    "du ",
    "iostat ",
    "journalctl ",
    "ss ",
    "systemctl ",
    "timedatectl ",
    "ulimit ",
];

/// Like [`pieces`], for words that stand alone: they begin with a capital, and a command in them
/// is set as code, from its name to the end of the clause.
pub(crate) fn sentence(text: &str) -> Vec<Piece<'_>> {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    for piece in self::pieces(text) {
        match piece {
            Piece { text: Cow::Borrowed(text), is_code: false } => commands(text, &mut pieces),
            piece => pieces.push(piece),
        }
    }
    if let Some(first) = pieces.first_mut().filter(|first| !first.is_code) {
        let mut letters = first.text.chars();
        let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        first.text = Cow::Owned(capital + letters.as_str());
    }
    pieces
}

fn commands<'a>(text: &'a str, pieces: &mut Vec<Piece<'a>>) {
    let mut rest = text;
    while let Some(begin) = PROGRAMS.iter().filter_map(|name| command(rest, name)).min() {
        let (before, command) = rest.split_at(begin);
        let marks = [command.find([';', ',', ')']), command.find(" (")];
        let end = marks.into_iter().flatten().min().unwrap_or(command.len());
        let (command, after) = command.split_at(end);
        pieces.extend([Piece::new(before, false), Piece::new(command, true)]);
        rest = after;
    }
    pieces.push(Piece::new(rest, false));
    pieces.retain(|piece| !piece.text.is_empty());
}

/// Where a command begins: its name is a word of its own, and no part of a path.
fn command(text: &str, name: &str) -> Option<usize> {
    let is_free = |place: usize| {
        let before = text[..place].chars().next_back();
        before.is_none_or(|it| it.is_whitespace() || it == '(')
    };
    text.match_indices(name).map(|(place, _)| place).find(|place| is_free(*place))
}

/// `a`, `a or b`, `a, b or c`, each between backticks; no more than three are named.
pub(crate) fn any_of(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [some @ .., last] if quoted.len() <= 3 => format!("{} or {last}", some.join(", ")),
        [a, b, others @ ..] => format!("{a}, {b} or {} others", others.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (120, "2 min"),
            (700, "11 min"),
            (3_700, "1 h 1 min"),
            (7_200, "2 h"),
            (200_000, "2 d 7 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(ago(4_999), "just now");
        assert_eq!(ago(12_000), "12 s ago");
    }

    #[test]
    fn a_moment_is_read_to_the_second() {
        assert_eq!(moment("2026-08-02T14:03:21.123Z"), "2026-08-02 14:03:21 UTC");
        assert_eq!(moment("soon"), "soon");
        assert_eq!(moment("éééééééééééééééé"), "éééééééééééééééé");
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1\u{202f}000"),
            (1_234_567_u64, "1\u{202f}234\u{202f}567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn names_between_backticks_are_code() {
        let texts = |text| {
            pieces(text)
                .into_iter()
                .map(|piece| (piece.text.into_owned(), piece.is_code))
                .collect::<Vec<_>>()
        };
        let expected = |pieces: &[(&str, bool)]| {
            pieces.iter().map(|(text, code)| ((*text).to_owned(), *code)).collect::<Vec<_>>()
        };
        let restart = expected(&[("Restart ", false), ("db-1", true), (" now", false)]);
        assert_eq!(texts("Restart `db-1` now"), restart);
        assert_eq!(texts("a ` b"), expected(&[("a ` b", false)]));
        assert_eq!(texts(""), expected(&[]));
    }

    #[test]
    fn a_hint_begins_with_a_capital_and_shows_its_command() {
        let text =
            |text| {
                sentence(text)
                    .into_iter()
                    .map(|piece| {
                        if piece.is_code { format!("[{}]", piece.text) } else { piece.text.into() }
                    })
                    .collect::<String>()
            };
        for (hint, shown) in [
            ("see: quorate status; then go on", "See: [quorate status]; then go on"),
            ("quorate login, or ask", "[quorate login], or ask"),
            ("`db-1` is dead", "[db-1] is dead"),
            (
                "on m1: chmod 0700 /data; or there: quorate doctor --fix",
                "On m1: [chmod 0700 /data]; or there: [quorate doctor --fix]",
            ),
            ("ask it itself: quorate status (on m2)", "Ask it itself: [quorate status] (on m2)"),
            ("add a master across the link", "Add a master across the link"),
            ("move /srv/quorate aside", "Move /srv/quorate aside"),
            ("", ""),
        ] {
            assert_eq!(text(hint), shown);
        }
    }

    #[test]
    fn lists_read_like_sentences() {
        let names =
            |names: &[&str]| any_of(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names(&["a"]), "`a`");
        assert_eq!(names(&["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(names(&["a", "b", "c", "d"]), "`a`, `b` or 2 others");
    }
}
