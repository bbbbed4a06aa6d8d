//! The imaging library, composed into an action that calls it by its interface.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::fs;

use keynet_imaging::{Channels, Color, Filter, Font, Layout, Normalization, Picture};
use keynet_tests::{Ended, Sandbox, compiled_guest, golden, says};
use serde_json::json;

const BORDER: Color = Color::new(114, 114, 114);

/// Runs the part `what` of the guest with the golden example's picture.
fn run(sandbox: &Sandbox, what: &str) -> Ended {
    let (guest, picture) = (compiled_guest("imaging"), golden::file("picture.png"));
    let mut command = sandbox.command(["run"]);
    command.arg(guest).arg("--param").arg(format!("do={what}"));
    command.arg("--input").arg(format!("image_url={}", picture.display()));
    keynet_tests::end(command)
}

/// What the run stored, by its name.
fn stored(ended: &Ended) -> BTreeMap<String, Vec<u8>> {
    let files = ended.stderr.lines().filter_map(|line| line.strip_prefix("note: wrote "));
    let object = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        (name, fs::read(path).expect("what was stored"))
    };
    files.map(object).collect()
}

/// What the crate answers natively to the calls that the guest makes.
fn expected() -> keynet_imaging::Result<BTreeMap<&'static str, Vec<u8>>> {
    let file = fs::read(golden::file("picture.png")).expect("the picture");
    let picture = Picture::decode(&file)?;
    let boxed = picture.letter_box(320, 320, Filter::Bilinear, BORDER)?.picture;
    let (layout, channels, imagenet) = (Layout::Chw, Channels::Bgr, Normalization::IMAGENET);

    let mut drawn = picture.crop(10, 20, 300, 200)?.resize(450, 300, Filter::Lanczos)?;
    let (bounds, color, font) = ([20.4, 60.0, 200.0, 150.5], Color::of_class(3), Font::latin());
    drawn.draw_box(bounds, color, None)?;
    drawn.draw_label(&font, "mug 93%", [20.4, 60.0], color, None)?;
    drawn.draw_text(&font, "naïve café", [30.0, 200.0], BORDER, Some(31.5))?;
    Ok(BTreeMap::from([
        ("fp32", boxed.to_fp32_bytes(layout, channels, &imagenet)?),
        ("fp16", boxed.to_fp16_bytes(Layout::Hwc, Channels::Rgb, &imagenet)?),
        ("uint8", boxed.to_uint8(layout, Channels::Gray)),
        ("png", drawn.encode_png()?),
        ("jpeg", drawn.encode_jpeg(85)?),
    ]))
}

#[test]
fn an_action_gets_from_the_library_what_the_crate_answers() {
    let sandbox = Sandbox::new();
    let ended = run(&sandbox, "whole");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.json(),
        json!({
            "size": [960, 720],
            "boxed": [1.0 / 3.0, 0.0, 40.0],
            "copy": [1, 2, 3, 4, 5, 6],
        })
    );
    let (stored, expected) = (stored(&ended), expected().expect("pictures"));
    assert_eq!(stored.len(), expected.len());
    for (name, bytes) in expected {
        assert!(stored[name] == bytes, "{name} differs: {} bytes", stored[name].len());
    }
}

#[test]
fn the_librarys_errors_have_their_kinds() {
    let ended = run(&Sandbox::new(), "errors");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let answer = ended.json();
    let told: Vec<_> = answer.as_array().into_iter().flatten().collect();
    let beginnings = [
        "ErrorKind::Unsupported: the picture is neither a PNG nor a JPEG file",
        "ErrorKind::Invalid: cannot decode the picture: ",
        "ErrorKind::TooLarge: the picture has 65536x1 pixels, and a side may have 65535",
        "ErrorKind::Unsupported: the font has no '한' (U+D55C): draw with one that has it",
        "ErrorKind::Invalid: the font is neither a TrueType nor an OpenType font",
    ];
    assert_eq!(told.len(), beginnings.len(), "{answer}");
    for (text, beginning) in told.iter().zip(beginnings) {
        assert!(text.as_str().is_some_and(|text| text.starts_with(beginning)), "{text}");
    }
}

#[test]
fn pictures_of_the_library_count_towards_the_actions_memory() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MEMORY", "64MiB");
    says(&run(&sandbox, "endless"), 1, &["ran out of memory", "67108864 bytes"]);
}

#[test]
fn a_composed_action_imports_nothing_of_the_library() {
    let sandbox = Sandbox::new();
    let ended = sandbox.run(["inspect".as_ref(), compiled_guest("imaging").as_os_str()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("keynet:inference/storage@0.1.0"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("keynet:imaging"), "{}", ended.stdout);
}
