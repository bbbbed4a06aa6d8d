//! OpenWhisk's activation record in JSON, made when it is read.

use std::borrow::Cow;

use keynet_host::Receipt;
use keynet_openwhisk_api::Status;
use serde::Serialize;

use super::facts::{Facts, UnreadableRecord};
use crate::entities::{Limits, Version};
use crate::records::{Content, Record};

/// Size of most records without response and logs, in bytes.
const DOCUMENT_BYTES: usize = 1 << 11;

/// Parts of a stored record as JSON. Results and logs are not copied before they are needed.
pub struct RecordJson<'a> {
    /// Record without its response and logs: a JSON object.
    document: Cow<'a, str>,
    /// The response up to its result, the result, and the rest.
    response: [Cow<'a, str>; 3],
    /// A JSON array of strings.
    logs: &'a str,
}

impl<'a> RecordJson<'a> {
    /// Makes the JSON of a record.
    ///
    /// # Errors
    /// A later version wrote the record; it is damaged.
    pub fn of(record: &'a Record) -> Result<Self, UnreadableRecord> {
        let Record { id, content, result, logs, .. } = record;
        let (document, response) = match content {
            Content::Document(document) => {
                (Cow::Borrowed(&**document), [&**result, "", ""].map(Cow::Borrowed))
            }
            Content::Facts(facts) => {
                let damaged = || UnreadableRecord::Damaged { id: id.clone() };
                let status = Status::of_code(record.status).ok_or_else(damaged)?;
                let document = document(record, &Facts::read(id, facts)?);
                (Cow::Owned(document), response_parts(status, result))
            }
        };
        Ok(Self { document, response, logs })
    }

    /// Returns the size of the whole record in bytes, without its outermost punctuation.
    pub fn size(&self) -> usize {
        let response: usize = self.response.iter().map(|part| part.len()).sum();
        self.document.len() + response + self.logs.len()
    }

    /// Returns the whole record: a JSON object.
    pub fn whole(&self) -> String {
        let open = self.document.strip_suffix('}').unwrap_or(&self.document);
        let [before, result, after] = &self.response;
        [open, ",\"response\":", before, result, after, ",\"logs\":", self.logs, "}"].concat()
    }

    /// Returns its `response`: a JSON object.
    pub fn response(&self) -> String {
        self.response.concat()
    }

    /// Returns the record without its response and logs: a JSON object.
    pub fn into_document(self) -> String {
        self.document.into_owned()
    }
}

/// Returns the response of an activation: a JSON object.
pub(super) fn response(status: Status, result: &str) -> String {
    response_parts(status, result).concat()
}

fn response_parts(status: Status, result: &str) -> [Cow<'_, str>; 3] {
    let (text, code, success) = (status.text(), status.code(), status == Status::Success);
    let before =
        format!(r#"{{"status":"{text}","statusCode":{code},"success":{success},"result":"#);
    [Cow::Owned(before), Cow::Borrowed(result.trim_ascii()), Cow::Borrowed("}")]
}

/// Record without response and logs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    activation_id: &'a str,
    namespace: &'a str,
    name: &'a str,
    version: Version,
    subject: &'a str,
    publish: bool,
    start: u64,
    end: u64,
    duration: u64,
    status_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    annotations: Vec<Annotation<'a>>,
}

#[derive(Serialize)]
struct Annotation<'a> {
    key: &'static str,
    value: AnnotationValue<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AnnotationValue<'a> {
    Text(&'a str),
    Owned(String),
    Number(u64),
    Flag(bool),
    Limits(Limits),
    Receipt(&'a Receipt),
}

fn document(record: &Record, facts: &Facts<'_>) -> String {
    let Record { id, namespace, path, start, end, status, .. } = record;
    let document = Document {
        activation_id: id,
        namespace,
        name: path.rsplit_once('/').map_or(path, |(_, name)| name),
        version: facts.version,
        subject: namespace,
        publish: false,
        start: *start,
        end: *end,
        duration: end.saturating_sub(*start),
        status_code: *status,
        cause: facts.cause,
        annotations: annotations(namespace, path, facts),
    };
    let mut text = Vec::with_capacity(DOCUMENT_BYTES);
    // Serialising a struct of texts and numbers to memory cannot fail.
    let _ = serde_json::to_writer(&mut text, &document);
    String::from_utf8(text).unwrap_or_default()
}

fn annotations<'a>(namespace: &str, path: &str, facts: &'a Facts<'_>) -> Vec<Annotation<'a>> {
    let path = format!("{}/{path}", facts.owner.unwrap_or(namespace));
    let mut annotations = vec![
        Annotation { key: "path", value: AnnotationValue::Owned(path) },
        Annotation { key: "kind", value: AnnotationValue::Text(facts.kind) },
        Annotation { key: "limits", value: AnnotationValue::Limits(facts.limits) },
    ];
    let mut add = |key, value| annotations.push(Annotation { key, value });
    if let Some(digest) = facts.digest {
        add("keynet-digest", AnnotationValue::Text(digest));
    }
    if facts.is_sequence {
        add("topmost", AnnotationValue::Flag(facts.cause.is_none()));
    } else {
        add("waitTime", AnnotationValue::Number(facts.waited));
    }
    if let Some(init) = facts.load {
        add("initTime", AnnotationValue::Number(init));
    }
    if let Some(receipt) = &facts.receipt {
        add("keynet-receipt", AnnotationValue::Receipt(receipt));
    }
    if let Some(trace) = facts.trace {
        add("keynet-trace", AnnotationValue::Owned(hex::encode(trace)));
    }
    if facts.cause.is_some() {
        add("causedBy", AnnotationValue::Text("sequence"));
    }
    annotations
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::{ID, all, few};
    use super::*;

    fn record(path: &str, status: Status, facts: &Facts<'_>) -> Record {
        Record {
            id: ID.to_owned(),
            namespace: "ada".into(),
            path: path.to_owned(),
            start: 1_700_000_000_000,
            end: 1_700_000_000_012,
            status: status.code(),
            content: Content::Facts(facts.to_bytes()),
            result: r#" {"greeting":"Hello, Ada!"} "#.to_owned(),
            logs: r#"["2026-01-01T00:00:00Z stdout: hello"]"#.to_owned(),
        }
    }

    #[test]
    fn a_record_is_shown_with_all_that_openwhisk_and_the_node_say_of_it() {
        let record = record("greetings/hello", Status::Success, &all());
        let json = RecordJson::of(&record).unwrap();
        let document = concat!(
            r#"{"activationId":"0123456789abcdef0123456789abcdef","namespace":"ada","#,
            r#""name":"hello","version":"0.0.2","subject":"ada","publish":false,"#,
            r#""start":1700000000000,"end":1700000000012,"duration":12,"statusCode":0,"#,
            r#""cause":"fedcba9876543210fedcba9876543210","annotations":["#,
            r#"{"key":"path","value":"tools/greetings/hello"},"#,
            r#"{"key":"kind","value":"wasm:component"},"#,
            r#"{"key":"limits","value":{"timeout":60000,"memory":256,"logs":10,"concurrency":1}},"#,
            r#"{"key":"keynet-digest","value":"sha256:1b"},"#,
            r#"{"key":"waitTime","value":300},{"key":"initTime","value":40},"#,
            r#"{"key":"keynet-receipt","value":{"component":"#,
            r#""sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","#,
            r#""total_ns":1000001,"queued_ns":2,"instantiate_ns":3,"spare":true,"guest_ns":4,"#,
            r#""answer_ns":5,"computing_ns":6,"inference_ns":7,"inference_calls":8,"#,
            r#""inference_engine":"triton","#,
            r#""models":[{"name":"detector","version":"3","calls":8}],"#,
            r#""inference_sent":9,"inference_received":10,"storage_ns":11,"storage_calls":12,"#,
            r#""storage_written":13,"storage_read":14,"memory_peak":65536,"memory_wasm":16,"#,
            r#""log_bytes":17,"logs_cut":true}},"#,
            r#"{"key":"keynet-trace","value":"abababababababababababababababab"},"#,
            r#"{"key":"causedBy","value":"sequence"}]"#,
        );
        let response = concat!(
            r#"{"status":"success","statusCode":0,"success":true,"#,
            r#""result":{"greeting":"Hello, Ada!"}}"#,
        );
        assert_eq!(json.response(), response);
        let logs = r#"["2026-01-01T00:00:00Z stdout: hello"]"#;
        let whole = format!("{document},\"response\":{response},\"logs\":{logs}}}");
        assert_eq!(json.whole(), whole);
        assert_eq!(json.size(), whole.len() - r#","response":,"logs":"#.len());
        assert_eq!(json.into_document(), format!("{document}}}"));
    }

    #[test]
    fn what_a_record_lacks_is_not_shown() {
        let record = record("hello", Status::DeveloperError, &few());
        let json = RecordJson::of(&record).unwrap();
        assert_eq!(
            json.response(),
            r#"{"status":"action developer error","statusCode":2,"success":false,"result":{"greeting":"Hello, Ada!"}}"#
        );
        let document = concat!(
            r#"{"activationId":"0123456789abcdef0123456789abcdef","namespace":"ada","#,
            r#""name":"hello","version":"0.0.1","subject":"ada","publish":false,"#,
            r#""start":1700000000000,"end":1700000000012,"duration":12,"statusCode":2,"#,
            r#""annotations":[{"key":"path","value":"ada/hello"},"#,
            r#"{"key":"kind","value":"sequence"},"#,
            r#"{"key":"limits","value":{"timeout":60000,"memory":256,"logs":10,"concurrency":1}},"#,
            r#"{"key":"topmost","value":true}]}"#,
        );
        assert_eq!(json.into_document(), document);
    }

    #[test]
    fn a_record_that_an_earlier_version_stored_as_json_is_shown_as_it_is() {
        let record = Record {
            content: Content::Document(r#"{"activationId":"7","name":"hello"}"#.to_owned()),
            result: r#"{"success":true,"result":{}}"#.to_owned(),
            ..record("hello", Status::Success, &few())
        };
        let json = RecordJson::of(&record).unwrap();
        assert_eq!(
            json.whole(),
            r#"{"activationId":"7","name":"hello","response":{"success":true,"result":{}},"logs":["2026-01-01T00:00:00Z stdout: hello"]}"#
        );
        assert_eq!(json.response(), r#"{"success":true,"result":{}}"#);
        assert_eq!(json.into_document(), r#"{"activationId":"7","name":"hello"}"#);
    }

    #[test]
    fn a_damaged_record_is_an_error_and_never_another_record() {
        let whole = record("hello", Status::Success, &all());
        let cut = Content::Facts(all().to_bytes()[..20].to_vec());
        let damaged = UnreadableRecord::Damaged { id: ID.to_owned() };
        for record in [Record { content: cut, ..whole.clone() }, Record { status: 4, ..whole }] {
            assert_eq!(RecordJson::of(&record).err(), Some(damaged.clone()));
        }
    }
}
