//! Output of a command: a line for people and scripts, or with `--json` one object, also for a
//! failure.
//!
//! A command that runs an action prints the action's result, which is JSON in either case.

use std::borrow::Cow;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::errors::ExpectedError;
use crate::ui::console::{Console, printable};
use crate::ui::json_text;

/// A result of a command.
pub trait CommandOutput: Serialize {
    /// Returns the text for a person, and for scripts that split lines into words; an empty text
    /// prints no line.
    fn line(&self) -> String;

    /// Returns the exit code; a result that a script must notice has another than success.
    fn code(&self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

/// Writes `result` to standard output, as JSON if `as_json`; a failure is then printed there and
/// not returned.
///
/// # Errors
/// The command failed, or standard output cannot be written.
pub fn tell<A: CommandOutput>(
    result: Result<A, ExpectedError>,
    as_json: bool,
    console: Console,
) -> Result<ExitCode, ExpectedError> {
    if !as_json {
        let answer = result?;
        let line = answer.line();
        let line = if line.is_empty() { line } else { format!("{line}\n") };
        console.print(&if console.reader {
            printable(&line)
        } else {
            Cow::Borrowed(line.as_str())
        })?;
        return Ok(answer.code());
    }
    let (text, code) = match &result {
        // Text and numbers always serialise to JSON.
        Ok(answer) => (serde_json::to_string(answer).unwrap_or_default(), answer.code()),
        Err(error) => (object(Err(error), ()), error.exit().into()),
    };
    let layout = if console.reader { json_text::pretty } else { json_text::compact };
    console.print_json(&format!("{}\n", layout(&text)))?;
    Ok(code)
}

/// Writes an action's result to standard output, or with `--json` one object with the result or the
/// error, and with the members of `more`; a failure is then printed there and not returned.
///
/// # Errors
/// The action failed, or standard output cannot be written.
pub fn tell_result(
    result: Result<String, ExpectedError>,
    more: impl Serialize,
    as_json: bool,
    console: Console,
) -> Result<ExitCode, ExpectedError> {
    if as_json {
        console.print_json(&format!("{}\n", object(result.as_deref(), more)))?;
        return Ok(result.err().map_or(ExitCode::SUCCESS, |error| error.exit().into()));
    }
    let layout = if console.reader { json_text::pretty } else { json_text::compact };
    console.print_json(&format!("{}\n", layout(&result?)))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns one object with a result, which is JSON, or an error.
fn object(result: Result<&str, &ExpectedError>, more: impl Serialize) -> String {
    #[derive(Serialize)]
    struct Object<'a, M> {
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<&'static str>,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        trace: &'a [String],
        #[serde(flatten)]
        more: M,
    }
    let error = result.err();
    let object = Object {
        result: result.ok().and_then(|text| RawValue::from_string(json_text::compact(text)).ok()),
        error: error.map(ExpectedError::one_line),
        kind: error.map(ExpectedError::kind),
        trace: error.map_or(&[], |error| error.diagnostic().trace()),
        more,
    };
    // Text and numbers always serialise to JSON.
    serde_json::to_string(&object).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use keynet_host::Failure;

    use super::*;

    #[derive(Serialize)]
    struct More {
        receipt: u32,
    }

    #[test]
    fn json_has_a_result_or_an_error() {
        let json = object(Ok("{ \"b\": 1.50,\n \"a\": 1 }"), More { receipt: 7 });
        assert_eq!(json, "{\"result\":{\"b\":1.50,\"a\":1},\"receipt\":7}");
        let trap = ExpectedError::from(Failure::Trap {
            reason: "it divided by zero".to_owned(),
            trace: vec!["f".to_owned()],
        });
        let json = object(Err(&trap), More { receipt: 7 });
        assert_eq!(
            json,
            "{\"error\":\"the action trapped: it divided by \
                zero\",\"kind\":\"trap\",\"trace\":[\"f\"],\"receipt\":7}"
        );
        let error = ExpectedError::io("read", std::path::Path::new("a.wasm"))(
            std::io::Error::from(std::io::ErrorKind::NotFound),
        );
        assert_eq!(
            object(Err(&error), ()),
            "{\"error\":\"cannot read a.wasm: entity not found\",\"kind\":\"io\"}"
        );
    }
}
