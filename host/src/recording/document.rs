//! `recording.json`: the activation, its calls with one line for each, and its outcome.

use std::fmt::Write as _;

use keynet_base::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::calls::Call;
use super::machine::Clocks;
use super::{CALLS, VERSION, folder};
use crate::capabilities::user_input::Parameters;
use crate::policy::Policy;
use keynet_base::quote::bounded;

/// Characters of the reason why a document is none.
const REASON: usize = 400;

/// A recording without its large data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Document {
    /// Version of the format.
    pub(super) keynet_recording: u32,
    /// Version of the host that recorded it.
    pub(super) host: String,
    pub(super) component: ComponentFacts,
    /// Parameters without their secrets.
    pub(super) parameters: Box<RawValue>,
    /// Names of the guest's environment variables.
    pub(super) environment: Vec<String>,
    /// Grants and limits.
    pub(super) policy: Policy,
    /// Model of requests that name none.
    #[serde(default)]
    pub(super) default_model: Option<String>,
    /// Bucket of locations that name none.
    pub(super) default_bucket: String,
    /// Seed of the random numbers: 64 hexadecimal digits.
    pub(super) random: String,
    pub(super) clocks: Clocks,
    pub(super) calls: Vec<Call>,
    pub(super) outcome: RecordedOutcome,
}

/// Component that was recorded.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ComponentFacts {
    /// Name that it gives itself.
    pub(super) name: String,
    /// Digest, as OCI writes it.
    pub(super) digest: String,
}

/// End of an activation, as a recording has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum RecordedOutcome {
    /// Result, which is JSON.
    Result(Box<RawValue>),
    /// Reason why it has none.
    Error {
        /// Name of the kind of failure, for programs.
        kind: String,
        /// Text for a person.
        message: String,
    },
}

impl RecordedOutcome {
    /// Returns the outcome with the result `json`; text that is not JSON becomes an error.
    pub fn result(json: &str) -> Self {
        match serde_json::from_str::<&RawValue>(json) {
            Ok(value) => Self::Result(value.to_owned()),
            Err(error) => Self::Error { kind: "result".to_owned(), message: error.to_string() },
        }
    }
}

impl Document {
    /// Parses a document and checks what can be checked without the payloads.
    ///
    /// # Errors
    /// The defect, in a short text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Head {
            keynet_recording: Option<u64>,
        }
        let wrong = |error: serde_json::Error| {
            bounded(format_args!("recording.json cannot be read: {error}"), REASON)
        };
        let head: Head = serde_json::from_str(text).map_err(wrong)?;
        match head.keynet_recording {
            None => return Err("recording.json has no `keynet-recording`".to_owned()),
            Some(version) if version != u64::from(VERSION) => {
                return Err(format!(
                    "it has the version {version}, and this program reads version {VERSION}: \
                        record it again, or replay it with the program that wrote it"
                ));
            }
            Some(_) => {}
        }
        let document: Self = serde_json::from_str(text).map_err(wrong)?;
        if document.calls.len() > CALLS {
            return Err(format!("it has more than {CALLS} calls"));
        }
        document.seed()?;
        document.parameters()?;
        document
            .component
            .digest
            .parse::<Digest>()
            .map_err(|error| bounded(format_args!("the component: {error}"), REASON))?;
        for payload in document
            .calls
            .iter()
            .flat_map(|call| call.call.payloads().into_iter().chain(call.answer.payloads()))
        {
            payload.file().map_or(Ok(()), |file| file.digest().map(|_| ()))?;
        }
        Ok(document)
    }

    /// Returns the text of the file.
    pub(super) fn text(&self) -> String {
        let mut text = folder::heading();
        let fields = [
            ("host", json(&self.host)),
            ("component", json(&self.component)),
            ("parameters", json(&self.parameters)),
            ("environment", json(&self.environment)),
            ("policy", json(&self.policy)),
            ("default-model", json(&self.default_model)),
            ("default-bucket", json(&self.default_bucket)),
            ("random", json(&self.random)),
            ("clocks", json(&self.clocks)),
        ];
        for (name, value) in fields {
            let _ = writeln!(text, "\"{name}\": {value},");
        }
        text.push_str("\"calls\": [\n");
        for (at, call) in self.calls.iter().enumerate() {
            let comma = if at + 1 < self.calls.len() { "," } else { "" };
            let _ = writeln!(text, "{}{comma}", json(call));
        }
        let _ = write!(text, "],\n\"outcome\": {}\n}}\n", json(&self.outcome));
        text
    }

    /// Returns the seed of the random numbers.
    ///
    /// # Errors
    /// It is not 64 hexadecimal digits.
    pub(super) fn seed(&self) -> Result<[u8; 32], String> {
        let mut seed = [0; 32];
        hex::decode_to_slice(&self.random, &mut seed)
            .map_err(|_| "`random` is not 64 hexadecimal digits".to_owned())?;
        Ok(seed)
    }

    /// Returns the parameters.
    ///
    /// # Errors
    /// They are no object and no array.
    pub(super) fn parameters(&self) -> Result<Parameters, String> {
        Parameters::parse(self.parameters.get()).map_err(|error| error.message)
    }
}

fn json(value: &impl Serialize) -> String {
    // Text, numbers and maps with text as keys always serialise to JSON.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::calls::{Answer, Question};
    use super::*;

    fn document() -> Document {
        Document {
            keynet_recording: VERSION,
            host: "0.1.0".to_owned(),
            component: ComponentFacts {
                name: "hello".to_owned(),
                digest: Digest::of(b"").to_string(),
            },
            parameters: RawValue::from_string("{\"n\": 1.50}".to_owned()).unwrap(),
            environment: Vec::new(),
            policy: Policy::local(),
            default_model: None,
            default_bucket: "default".to_owned(),
            random: "0".repeat(64),
            clocks: Clocks::default(),
            calls: vec![
                Call {
                    call: Question::Get { location: "a".to_owned(), if_none_match: None },
                    answer: Answer::Done,
                },
                Call { call: Question::NewKey {}, answer: Answer::None },
            ],
            outcome: RecordedOutcome::result("{\"a\": 1.50}"),
        }
    }

    #[test]
    fn a_document_has_one_line_for_each_call_and_is_read_as_it_was_written() {
        let text = document().text();
        assert!(
            text.contains("\n{\"call\":{\"operation\":\"storage.get\",\"location\":\"a\"},\"answer\":\"done\"},\n"),
            "{text}"
        );
        let read = Document::parse(&text).unwrap();
        assert_eq!(read.text(), text);
        assert_eq!(read.policy, Policy::local());
        assert!(text.contains("{\"n\": 1.50}") && text.contains("{\"a\": 1.50}"), "{text}");
    }

    #[test]
    fn what_was_changed_is_refused_with_the_reason() {
        let text = document().text();
        for (from, to, why) in [
            ("\"keynet-recording\": 1", "\"keynet-recording\": 2", "version 2"),
            ("\"keynet-recording\": 1", "\"other\": 1", "keynet-recording"),
            ("storage.get", "storage.git", "storage.git"),
            ("\"host\"", "\"hast\"", "hast"),
            ("sha256:", "sha512:", "digest"),
            ("{\"n\": 1.50}", "3", "parameters"),
            ("\"0000", "\"xyz0", "random"),
            ("\"done\"", "{\"data\":{\"file\":{\"sha256\":\"../../x\",\"bytes\":1}}}", "../../x"),
        ] {
            assert!(text.contains(from), "{from}");
            let error = Document::parse(&text.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(why) && error.len() < 600, "{why}: {error}");
        }
        for cut in (0..text.len() - 2).step_by(7) {
            assert!(Document::parse(&text[..cut]).is_err());
        }
    }
}
