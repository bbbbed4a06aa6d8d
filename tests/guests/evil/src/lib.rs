//! Uses more than its share, in one way for each value of `do`.
//!
//! It exports the contract without the SDK's function macro, so that arguments, results and errors
//! reach the host as a hostile guest would pass them. A call that the host rejects is not an error
//! of the activation: the guest returns the rejection as `{"refused": {"kind", "message",
//! "bytes"}}`, where `bytes` is the length of the message and `message` its beginning. A call that
//! is allowed returns `{"allowed": ...}`.

mod machine;
mod objects;
mod output;
mod requests;

use keynet_inference_sdk::__private::bindings;
use keynet_inference_sdk::__private::{FunctionInfo, Guest, HostError};
use keynet_inference_sdk::prelude::*;

use bindings::keynet::inference::types::ErrorKind as Kind;

/// Characters of a rejection that are returned.
const SHOWN: usize = 400;

/// Parameters of one attack.
#[derive(Deserialize)]
struct Attack {
    /// Name of the attack.
    r#do: String,
    /// Size, in MiB.
    #[serde(default)]
    mib: usize,
    /// Count, such as the number of objects or handles.
    #[serde(default)]
    count: usize,
    /// Duration in milliseconds.
    #[serde(default)]
    ms: u64,
    /// Location, or a prefix of locations.
    #[serde(default)]
    location: String,
    /// Text that is written, or repeated.
    #[serde(default)]
    text: String,
}

impl Attack {
    fn bytes(&self) -> usize {
        self.mib << 20
    }

    /// Returns `text`, or `x`, repeated to the size of the attack.
    fn long(&self) -> String {
        let unit = if self.text.is_empty() { "x" } else { &self.text };
        unit.repeat(self.bytes() / unit.len())
    }
}

/// Result of a call of the host.
type Attempt = std::result::Result<Value, HostError>;

struct Evil;

impl Guest for Evil {
    fn describe() -> FunctionInfo {
        FunctionInfo {
            name: "evil".to_owned(),
            description: "Takes more than its share.".to_owned(),
            input_schema: None,
        }
    }

    fn run(args: String) -> std::result::Result<String, HostError> {
        let attack: Value = args.parse().map_err(invalid)?;
        let attack = Attack::deserialize(attack).map_err(invalid)?;
        drop(args);
        if let Some(ended) = output::ends(&attack) {
            return ended;
        }
        let attempt = machine::attempt(&attack)
            .or_else(|| objects::attempt(&attack))
            .or_else(|| requests::attempt(&attack));
        let attempt =
            attempt.ok_or_else(|| invalid(format!("there is no attack {:?}", attack.r#do)))?;
        Ok(report(attempt).to_string())
    }
}

fn invalid(error: impl ToString) -> HostError {
    HostError { kind: Kind::Invalid, message: error.to_string() }
}

fn report(attempt: Attempt) -> Value {
    match attempt {
        Ok(value) => json!({ "allowed": value }),
        Err(HostError { kind, message }) => {
            let shown: String = message.chars().take(SHOWN).collect();
            json!({ "refused": { "kind": name(kind), "message": shown, "bytes": message.len() } })
        }
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "invalid",
        Kind::NotFound => "not-found",
        Kind::Denied => "denied",
        Kind::PreconditionFailed => "precondition-failed",
        Kind::TooLarge => "too-large",
        Kind::Timeout => "timeout",
        Kind::Unavailable => "unavailable",
        Kind::Internal => "internal",
    }
}

bindings::export_action!(Evil with_types_in bindings);
