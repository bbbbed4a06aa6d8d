//! The golden example: what it finds in its picture, whatever it runs on.

use std::ffi::OsStr;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{Ended, Sandbox, end, guest, root};

/// Low, so that detections that are barely there are compared too.
const THRESHOLD: f64 = 0.05;

/// What was found, and the picture that was drawn.
#[derive(Debug)]
pub struct Found {
    /// The detections, best first.
    pub detections: Value,
    /// The PNG.
    pub picture: Vec<u8>,
}

/// A file of the example.
pub fn file(name: &str) -> PathBuf {
    root().join("examples/image-detection").join(name)
}

/// Its parameters for the picture at `image_url`.
pub fn parameters(image_url: &str) -> Value {
    json!({ "image_url": image_url, "threshold": THRESHOLD })
}

/// `keynet-inference run` of it, with more arguments.
pub fn run<S: AsRef<OsStr>>(sandbox: &Sandbox, arguments: impl IntoIterator<Item = S>) -> Ended {
    let mut command = sandbox.command(["run"]);
    command.arg(guest("image-detection")).arg("--param").arg(format!("threshold={THRESHOLD}")).args(arguments);
    let ended = end(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

/// What the embedded defaults find and draw: no servers.
pub fn in_process() -> Found {
    let (sandbox, models, picture) = (Sandbox::new(), file("models"), format!("image_url={}", file("picture.png").display()));
    let ended = run(&sandbox, ["--models".as_ref(), models.as_os_str(), "--input".as_ref(), picture.as_ref()]);
    let detections = ended.json()["detections"].clone();
    assert!(detections.as_array().is_some_and(|detections| detections.len() >= 5), "{detections}");
    let written = ended.stderr.lines().find_map(|line| line.strip_prefix("note: wrote "));
    let picture = std::fs::read(written.unwrap_or_else(|| panic!("nothing was written: {ended:?}"))).expect("the picture");
    Found { detections, picture }
}

/// Fails unless `found` are the detections that were `expected`, with numbers within 1e-3 of theirs.
pub fn assert_same(found: &Value, expected: &Value) {
    let (some, others) = (found.as_array().expect("detections"), expected.as_array().expect("detections"));
    assert_eq!(some.len(), others.len(), "{found}\n{expected}");
    for (some, other) in some.iter().zip(others) {
        assert_eq!(some["label"], other["label"], "{found}\n{expected}");
        for (number, other) in numbers(some).into_iter().zip(numbers(other)) {
            assert!((number - other).abs() <= 1e-3 + f64::EPSILON, "{number} is not {other}: {found}\n{expected}");
        }
    }
}

fn numbers(detection: &Value) -> Vec<f64> {
    let sides = detection["box"].as_array().expect("a box").iter();
    std::iter::once(&detection["score"]).chain(sides).map(|number| number.as_f64().expect("a number")).collect()
}

/// The width and height that a PNG says it has.
pub fn size_of_png(bytes: &[u8]) -> (u32, u32) {
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "no PNG");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}
