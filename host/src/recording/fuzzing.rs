//! Fuzzing of `recording.json`; see [`keynet_base::fuzzing`].

use super::document::Document;
use keynet_base::fuzzing::{checked, text};

/// Reads a document, and writes it again.
pub fn recording(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Some(document) = checked(Document::parse(text)) {
        let written = document.text();
        let again = Document::parse(&written).map(|document| document.text());
        assert_eq!(again.as_ref(), Ok(&written));
    }
}
