//! Questions to the user at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use keynet_base::config::Secret;

use crate::errors::{ExpectedError, UsageError};
use crate::ui::console::Console;
use crate::ui::secrecy;

/// Maximum size of a password in bytes.
const MAX_PASSWORD: u64 = 64 << 10;

/// Asks for a line; an empty one is `default`. Without a terminal, the error reports
/// that `what` is missing, with the `flag` that sets it.
///
/// # Errors
/// There is no terminal, or the user enters nothing.
pub fn line(
    question: &str,
    default: Option<&str>,
    what: &str,
    flag: &'static str,
    console: Console,
) -> Result<String, ExpectedError> {
    let missing = || UsageError::Missing { what: what.to_owned(), flag };
    if !io::stdin().is_terminal() {
        return Err(missing().into());
    }
    console.say(
        &default
            .map_or_else(|| format!("{question}: "), |default| format!("{question} [{default}]: ")),
    );
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    let answer = Some(answer.trim()).filter(|answer| !answer.is_empty()).or(default);
    Ok(answer.map(str::to_owned).ok_or_else(missing)?)
}

/// Reads the password: the first line of standard input if `from_stdin`, else a prompt without
/// echo. Registers it as a secret to hide.
///
/// # Errors
/// There is no terminal, or the password is empty.
pub fn password(from_stdin: bool) -> Result<Secret, ExpectedError> {
    let missing = || UsageError::Missing { what: "password".to_owned(), flag: "--password-stdin" };
    let password = if from_stdin {
        let mut text = String::new();
        io::stdin().lock().take(MAX_PASSWORD).read_to_string(&mut text).map_err(failed)?;
        // `echo` and text files end with a newline, which is not part of the password.
        text.strip_suffix('\n')
            .map(|text| text.strip_suffix('\r').unwrap_or(text))
            .unwrap_or(&text)
            .to_owned()
    } else if io::stdin().is_terminal() {
        rpassword::prompt_password("Password: ").map_err(failed)?
    } else {
        return Err(missing().into());
    };
    if password.is_empty() {
        let empty = if from_stdin { UsageError::EmptyPassword } else { missing() };
        return Err(empty.into());
    }
    secrecy::remember(&password, "PASSWORD");
    Ok(Secret::new(password))
}

fn failed(source: io::Error) -> ExpectedError {
    ExpectedError::io_on("read", "the answer")(source)
}
