//! The streams of the process: what goes where, in which format, in colour or not.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use quorate_model::{Refusal, codes};
use serde::Serialize;

use super::{Failure, Paint};

/// How data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For files.
    Yaml,
}

/// Where output goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    /// The format of data on stdout.
    pub(crate) format: Format,
    /// Colours on stdout.
    pub(crate) paint: Paint,
    /// Colours on stderr.
    pub(crate) paint_errors: Paint,
    /// No notes, no progress: only data and errors.
    pub(crate) quiet: bool,
    /// A person is there to answer a question.
    pub(crate) interactive: bool,
    /// Progress may be redrawn in place.
    pub(crate) live: bool,
}

impl Ui {
    /// Looks at the streams and the environment.
    pub(crate) fn new(format: Format, no_color: bool, quiet: bool) -> Self {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = !no_color && !set("NO_COLOR") && !dumb;
        let errors = io::stderr().is_terminal();
        Self {
            format,
            paint: Paint { enabled: colour && io::stdout().is_terminal() },
            paint_errors: Paint { enabled: colour && errors },
            quiet,
            interactive: errors && io::stdin().is_terminal(),
            live: errors && !dumb,
        }
    }

    /// Shows data on stdout: as a table made by `table`, or as the value itself.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub(crate) fn show<T: Serialize>(
        &self,
        value: &T,
        table: impl FnOnce(Paint) -> String,
    ) -> Result<(), Failure> {
        let text = match self.format {
            Format::Table => table(self.paint),
            Format::Json | Format::Yaml => encoded(self.format, value)?,
        };
        self.write(&text)
    }

    /// Writes text to stdout as it is.
    ///
    /// # Errors
    /// When stdout cannot be written to. A reader that went away, such as `head`, is no error.
    #[expect(clippy::unused_self, reason = "output goes through the one that owns the streams")]
    pub(crate) fn write(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let refusal = Refusal::new(codes::FILE_ACCESS, "cannot write to stdout");
                Err(refusal.cause(error.to_string()).into())
            }
            _ => Ok(()),
        }
    }

    /// Tells something on stderr that is not data; silent with `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.stderr(&format!("{text}\n"));
        }
    }

    /// Tells why the command failed, in the format of data.
    pub(crate) fn failure(&self, failure: &Failure) {
        let text = match self.format {
            Format::Table => failure.render(self.paint_errors),
            Format::Json | Format::Yaml => encoded(self.format, &failure.body)
                .unwrap_or_else(|_| failure.render(self.paint_errors)),
        };
        self.stderr(&text);
    }

    /// Writes to stderr. When that is closed there is nobody left to tell.
    #[expect(clippy::unused_self, reason = "output goes through the one that owns the streams")]
    pub(crate) fn stderr(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

fn encoded<T: Serialize>(format: Format, value: &T) -> Result<String, Failure> {
    let text = match format {
        Format::Yaml => serde_saphyr::to_string(value).map_err(|error| error.to_string()),
        _ => serde_json::to_string_pretty(value).map_err(|error| error.to_string()),
    };
    let mut text = text.map_err(|reason| {
        Failure::from(Refusal::new(codes::INTERNAL, "cannot encode the answer").cause(reason))
    })?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
