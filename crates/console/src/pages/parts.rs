//! The small parts that pages are made of. Each escapes what it shows, so that it may stand in a
//! page as it is.

use askama::{Template, filters::HtmlSafe};
use quorate_model::Refusal;

use crate::{
    assets,
    words::{self, Piece, Tone},
};

/// An icon beside the word it stands for.
#[derive(Template, Clone)]
#[template(path = "partials/icon.html")]
pub(crate) struct Icon {
    url: String,
    name: &'static str,
}

/// The icon of that name; see `assets/icons.svg`.
pub(crate) fn icon(name: &'static str) -> Icon {
    Icon { url: assets::url("icons.svg"), name }
}

/// A state: icon and word, with a tone.
#[derive(Template, Clone)]
#[template(path = "partials/badge.html")]
pub(crate) struct Badge {
    icon: Icon,
    word: String,
    tone: &'static str,
}

/// The badge of a state word of REST.
pub(crate) fn badge(word: &str) -> Badge {
    let (name, tone) = words::sign(word);
    Badge { icon: icon(name), word: word.to_owned(), tone: tone.class() }
}

/// The badge of something that is ready or is not.
pub(crate) fn ready(is_ready: &bool) -> Badge {
    badge(if *is_ready { "ready" } else { "not ready" })
}

/// The badge of a node; what this master cannot see is unknown.
pub(crate) fn seen(ready: Option<bool>) -> Badge {
    badge(match ready {
        Some(true) => "ready",
        Some(false) => "not ready",
        None => "unknown",
    })
}

/// The badge of an operation's status.
pub(crate) fn status(status: &str) -> Badge {
    badge(words::operation_word(status))
}

/// A sentence with its names set as code.
#[derive(Template)]
#[template(path = "partials/prose.html")]
pub(crate) struct Prose<'a> {
    pieces: Vec<Piece<'a>>,
}

/// Sets a sentence.
pub(crate) fn prose(text: &str) -> Prose<'_> {
    Prose { pieces: words::pieces(text) }
}

/// Sets words that stand alone: a problem, a hint.
pub(crate) fn sentence(text: &str) -> Prose<'_> {
    Prose { pieces: words::sentence(text) }
}

/// A moment: readable as it is, made relative by the script.
#[derive(Template)]
#[template(path = "partials/when.html")]
pub(crate) struct When<'a> {
    at: &'a str,
    text: String,
    style: &'static str,
}

/// A moment that has passed, such as `12 s ago`.
pub(crate) fn when(at: &str) -> When<'_> {
    When { at, text: words::moment(at), style: "ago" }
}

/// A moment since which something lasts, such as `3 h 12 min`.
pub(crate) fn since(at: &str) -> When<'_> {
    When { at, text: format!("since {}", words::moment(at)), style: "for" }
}

/// The members of something as a row of small discs, with the same in words.
#[derive(Template, Clone)]
#[template(path = "partials/pips.html")]
pub(crate) struct Pips {
    members: Vec<(&'static str, String)>,
    words: String,
}

/// Pips for members, each with its name and whether it is ready; `None` when that is unknown.
pub(crate) fn pips<'a>(members: impl Iterator<Item = (&'a str, Option<bool>)>) -> Pips {
    let members: Vec<(&'static str, String)> = members
        .map(|(name, ready)| match ready {
            Some(true) => ("up", format!("{name}: ready")),
            Some(false) => ("down", format!("{name}: not ready")),
            None => ("dim", format!("{name}: unknown")),
        })
        .collect();
    let up = members.iter().filter(|(class, _)| *class == "up").count();
    let words = format!("{up} of {} ready", members.len());
    Pips { members, words }
}

/// Why something was refused: code, message, cause, hint, in the words of the command line.
#[derive(Template)]
#[template(path = "partials/refusal.html")]
pub(crate) struct RefusalBox<'a> {
    refusal: &'a Refusal,
    icon: Icon,
}

/// Shows a refusal.
pub(crate) fn refusal(refusal: &Refusal) -> RefusalBox<'_> {
    RefusalBox { refusal, icon: icon("alert") }
}

/// How far an operation is, as a bar.
#[derive(Template)]
#[template(path = "partials/progress.html")]
pub(crate) struct Progress {
    done: usize,
    all: usize,
    tone: &'static str,
}

/// The bar of an operation.
pub(crate) fn progress(status: &str, done: &usize, all: &usize) -> Progress {
    let tone = match words::sign(words::operation_word(status)).1 {
        Tone::Warn => "warn",
        Tone::Quiet => "quiet",
        _ if words::is_over(status) => "good",
        _ => "busy",
    };
    Progress { done: *done, all: *all, tone }
}

impl HtmlSafe for Icon {}
impl HtmlSafe for Badge {}
impl HtmlSafe for Prose<'_> {}
impl HtmlSafe for When<'_> {}
impl HtmlSafe for Pips {}
impl HtmlSafe for RefusalBox<'_> {}
impl HtmlSafe for Progress {}
