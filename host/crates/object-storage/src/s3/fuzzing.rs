//! Fuzzing of the responses of an S3 store; see [`keynet_base::fuzzing`].

use http::StatusCode;

use super::answer::{in_words, judge};
use super::listing::read;
use crate::ObjectKey;
use keynet_base::budget::MemoryBudget;
use keynet_base::fuzzing::{check_message, text};

/// Parses a listing or an error. Every listed object has a valid key; every message is short.
pub fn s3_answer(data: &[u8]) {
    let Some(body) = text(data) else { return };
    let reserved = MemoryBudget::process(1 << 30).reserve(body.len() as u64, "a listing");
    let page = reserved.ok().and_then(|reserved| read(body, reserved).ok());
    for object in page.iter().flat_map(|page| &page.objects) {
        assert!(ObjectKey::parse(object.location.as_ref()).is_ok(), "{}", object.location);
    }
    for status in
        [StatusCode::BAD_REQUEST, StatusCode::MOVED_PERMANENTLY, StatusCode::SERVICE_UNAVAILABLE]
    {
        check_message(&judge(status, body, "us-east-1", Some("eu-west-1")).text);
    }
    if let Some(words) = in_words(body) {
        check_message(&words);
    }
}
