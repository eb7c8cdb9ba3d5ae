//! The question before something is deleted that was completed.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::{CliError, apart, runtime};
use crate::base::{signals::Signals, text::for_terminal};

/// Whether there is somebody to ask.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The refusal where nobody can be asked.
pub(super) fn nobody_to_ask(what: &str) -> CliError {
    CliError::Usage {
        message: format!("cannot ask whether to delete {what}: there is no terminal"),
        hint: Some("--yes deletes without a question".to_owned()),
    }
}

/// Asks at the terminal. Only `y` and `yes` are one.
///
/// # Errors
/// [`CliError::Declined`] for any other answer, [`CliError::Usage`] without a terminal, [`CliError::Interrupted`] after a
/// signal.
pub(super) fn confirm(question: &str, what: &str, signals: &Signals) -> Result<(), CliError> {
    if !can_ask() {
        return Err(nobody_to_ask(what));
    }
    // Nothing is left to ask where stderr itself is gone; the answer tells.
    let _ = write!(io::stderr().lock(), "{} [y/N] ", for_terminal(question));
    let answer = runtime()?.block_on(apart(signals, |_| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(CliError::Stdin)?;
        Ok(line)
    }))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CliError::Declined),
    }
}
