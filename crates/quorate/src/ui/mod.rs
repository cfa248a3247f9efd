//! What people see: data on stdout, everything else on stderr.

pub(crate) mod duration;
mod failure;
mod paint;
mod progress;
mod prompt;
mod table;
mod terminal;
pub(crate) mod views;

pub(crate) use failure::{Failure, Outcome};
pub(crate) use paint::{Paint, Tone, one_line};
pub(crate) use progress::Progress;
pub(crate) use prompt::{ask, ask_secret, confirm};
pub(crate) use table::{Cell, Grid};
pub(crate) use terminal::{Format, Ui};
