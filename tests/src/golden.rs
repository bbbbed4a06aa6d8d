//! Golden example: the detections in its picture, to be the same with every backend and language.

use std::ffi::OsStr;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{Ended, Sandbox, compiled_guest, end, root};

/// Detection threshold, low so that weak detections are compared too.
const THRESHOLD: f64 = 0.05;

/// Result of the example: the detections, and the picture with their boxes.
#[derive(Debug)]
pub struct Found {
    /// Detections, best first.
    pub detections: Value,
    /// Picture as PNG.
    pub picture: Vec<u8>,
}

/// Returns the path of a file of the example.
pub fn file(name: &str) -> PathBuf {
    root().join("examples/image-detection").join(name)
}

/// Returns the parameters for the picture at `image_url`.
pub fn parameters(image_url: &str) -> Value {
    json!({ "image_url": image_url, "threshold": THRESHOLD })
}

/// The guests that have it, in each language; the first is what the others are compared with.
pub const GUESTS: [&str; 5] = [
    "image-detection",
    "image-detection-python",
    "image-detection-typescript",
    "image-detection-go",
    "image-detection-cpp",
];

/// Runs `keynet-inference run` of the example, with further arguments.
pub fn run<S: AsRef<OsStr>>(sandbox: &Sandbox, arguments: impl IntoIterator<Item = S>) -> Ended {
    run_guest(GUESTS[0], sandbox, arguments)
}

/// Same as [`run`], for one of [`GUESTS`].
pub fn run_guest<S: AsRef<OsStr>>(
    name: &str,
    sandbox: &Sandbox,
    arguments: impl IntoIterator<Item = S>,
) -> Ended {
    let mut command = sandbox.command(["run"]);
    command
        .arg(compiled_guest(name))
        .arg("--param")
        .arg(format!("threshold={THRESHOLD}"))
        .args(arguments);
    let ended = end(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

/// Runs the example with the embedded defaults: without servers.
pub fn in_process() -> Found {
    in_process_by(GUESTS[0])
}

/// Same as [`in_process`], for one of [`GUESTS`].
pub fn in_process_by(name: &str) -> Found {
    let (sandbox, models, picture) =
        (Sandbox::new(), file("models"), format!("image_url={}", file("picture.png").display()));
    let ended = run_guest(
        name,
        &sandbox,
        ["--models".as_ref(), models.as_os_str(), "--input".as_ref(), picture.as_ref()],
    );
    let detections = ended.json()["detections"].clone();
    assert!(detections.as_array().is_some_and(|detections| detections.len() >= 5), "{detections}");
    let written = ended.stderr.lines().find_map(|line| line.strip_prefix("note: wrote "));
    let picture =
        std::fs::read(written.unwrap_or_else(|| panic!("nothing was written: {ended:?}")))
            .expect("the picture");
    Found { detections, picture }
}

/// Asserts that `found` are the `expected` detections, with numbers within 1e-3.
pub fn assert_same(found: &Value, expected: &Value) {
    assert_near(found, expected, 1e-3);
}

/// Asserts that an implementation in another language found and drew the `expected`: scores within
/// 1e-3, and sides of boxes within 1e-3 of the picture's size (its resizing rounds some pixels to
/// the next value). Letters are drawn by another library, so that pixels along them differ.
pub fn assert_alike(found: &Found, expected: &Found) {
    let (width, height, drawn) = pixels(&expected.picture);
    assert_near(&found.detections, &expected.detections, 1e-3 * f64::from(width.max(height)));
    for (some, other) in found
        .detections
        .as_array()
        .into_iter()
        .flatten()
        .zip(expected.detections.as_array().into_iter().flatten())
    {
        let (some, other) =
            (some["score"].as_f64().expect("a score"), other["score"].as_f64().expect("a score"));
        assert!((some - other).abs() <= 1e-3 + f64::EPSILON, "{some} is not {other}");
    }
    let (found_width, found_height, found_drawn) = pixels(&found.picture);
    assert_eq!((found_width, found_height, found_drawn.len()), (width, height, drawn.len()));
    let differences: Vec<u8> =
        found_drawn.iter().zip(&drawn).map(|(some, other)| some.abs_diff(*other)).collect();
    let clearly = differences.iter().filter(|difference| **difference > 32).count() as f64
        / differences.len() as f64;
    let mean = differences.iter().map(|difference| f64::from(*difference)).sum::<f64>()
        / differences.len() as f64;
    assert!(
        clearly <= 0.02 && mean <= 2.0,
        "{clearly} of the values differ clearly, by {mean} on average"
    );
}

/// Returns the width, the height and the RGB values of a PNG.
fn pixels(file: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
    let mut values = vec![0; reader.output_buffer_size().expect("a size")];
    let frame = reader.next_frame(&mut values).expect("a PNG");
    assert_eq!((frame.color_type, frame.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
    values.truncate(frame.buffer_size());
    (frame.width, frame.height, values)
}

fn assert_near(found: &Value, expected: &Value, tolerance: f64) {
    let (some, others) =
        (found.as_array().expect("detections"), expected.as_array().expect("detections"));
    assert_eq!(some.len(), others.len(), "{found}\n{expected}");
    for (some, other) in some.iter().zip(others) {
        assert_eq!(some["label"], other["label"], "{found}\n{expected}");
        for (number, other) in numbers(some).into_iter().zip(numbers(other)) {
            assert!(
                (number - other).abs() <= tolerance + f64::EPSILON,
                "{number} is not {other}: {found}\n{expected}"
            );
        }
    }
}

fn numbers(detection: &Value) -> Vec<f64> {
    let sides = detection["box"].as_array().expect("a box").iter();
    std::iter::once(&detection["score"])
        .chain(sides)
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

/// Returns the width and height in the header of a PNG.
pub fn size_of_png(bytes: &[u8]) -> (u32, u32) {
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "no PNG");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}
