//! What a command answers: a line for people and scripts, or with `--json` one object, also when it fails.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::console::Console;
use crate::errors::ExpectedError;
use crate::json_text;

/// A result of a command.
pub trait Answer: Serialize {
    /// For a person, and for scripts that cut words out of lines; nothing is no line.
    fn line(&self) -> String;
}

/// Writes `result` to standard output, as JSON if that is wanted; then a failure is told there and is no error here.
///
/// # Errors
/// The command's, and standard output's.
pub fn tell<A: Answer>(result: Result<A, ExpectedError>, as_json: bool, console: Console) -> Result<ExitCode, ExpectedError> {
    if !as_json {
        let line = result?.line();
        console.print(&if line.is_empty() { line } else { format!("{line}\n") })?;
        return Ok(ExitCode::SUCCESS);
    }
    let (text, code) = match &result {
        // Text, numbers and what is made of them cannot fail to be JSON.
        Ok(answer) => (serde_json::to_string(answer).unwrap_or_default(), ExitCode::SUCCESS),
        Err(error) => (json!({ "error": error.one_line(), "kind": error.kind() }).to_string(), error.exit().into()),
    };
    let layout = if console.reader { json_text::pretty } else { json_text::compact };
    console.print(&format!("{}\n", layout(&text)))?;
    Ok(code)
}
