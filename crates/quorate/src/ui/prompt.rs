//! Questions to the person at the terminal. They are asked on stderr, so that stdout stays data.

use std::io::{self, BufRead};

use quorate_model::{Refusal, codes};

use super::{Failure, Ui};

/// Asks for a yes; anything else is a no.
///
/// # Errors
/// When nobody is there to ask, or the answer cannot be read.
pub(crate) fn confirm(ui: &Ui, question: &str) -> Result<bool, Failure> {
    let answer = ask(ui, &format!("{question} [y/N] "), "add --yes to go on without being asked")?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a line of text; `instead` says what to do where nobody can be asked.
///
/// # Errors
/// When nobody is there to ask, or the answer cannot be read.
pub(crate) fn ask(ui: &Ui, question: &str, instead: &str) -> Result<String, Failure> {
    if !ui.interactive {
        return Err(Failure::usage(
            format!("there is no terminal to ask: {}", question.trim()),
            instead,
        ));
    }
    ui.stderr(question);
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| unreadable(&error))?;
    Ok(line.trim().to_owned())
}

/// Asks for a secret, which is not shown while it is typed.
///
/// # Errors
/// When nobody is there to ask, or the answer cannot be read.
pub(crate) fn ask_secret(ui: &Ui, question: &str, instead: &str) -> Result<String, Failure> {
    if !ui.interactive {
        return Err(Failure::usage(
            format!("there is no terminal to ask: {}", question.trim()),
            instead,
        ));
    }
    rpassword::prompt_password(question).map_err(|error| unreadable(&error))
}

fn unreadable(error: &io::Error) -> Failure {
    Refusal::new(codes::FILE_ACCESS, "cannot read the answer").cause(error.to_string()).into()
}
