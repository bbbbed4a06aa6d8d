//! Calls the imaging library as every language but Rust does: by its interface, which `build`
//! composes in.

mod pictures {
    wit_bindgen::generate!({
        world: "keynet:imaging/imports",
        path: "../../../guest-sdk/imaging/wit",
    });
    pub use keynet::imaging::pictures::*;
}

use keynet_inference_sdk::prelude::*;
use pictures::{Bounds, Channels, Color, Filter, Layout, Normalization, Picture, class_color};

const BORDER: Color = Color { red: 114, green: 114, blue: 114 };
const IMAGENET: Normalization =
    Normalization { divisor: 255.0, mean: (0.485, 0.456, 0.406), std: (0.229, 0.224, 0.225) };

#[derive(Deserialize, JsonSchema)]
struct Args {
    /// `whole`, `errors`, `endless`: what to do.
    r#do: String,
    /// The picture.
    image_url: String,
}

#[keynet_function(name = "imaging", description = "Calls the imaging library by its interface.")]
fn main(args: Args) -> Result<Value> {
    let file = Storage::new()?.get(&args.image_url)?;
    match args.r#do.as_str() {
        "whole" => whole(&file).map_err(ours),
        "errors" => Ok(errors()),
        "endless" => endless(&file).map_err(ours),
        other => Err(Error::invalid(format_args!("there is no {other}"))),
    }
}

fn ours(error: pictures::Error) -> Error {
    Error::invalid(format_args!("{:?}: {}", error.kind, error.message))
}

fn stored(name: &str, data: Vec<u8>) {
    let put = Storage::new().and_then(|storage| storage.put_at(name, data, None));
    put.expect("it is stored");
}

/// Each call once; the results are objects.
fn whole(file: &[u8]) -> Result<Value, pictures::Error> {
    let picture = Picture::decode(file)?;
    let boxed = picture.letter_box(320, 320, Filter::Bilinear, BORDER)?;
    let (layout, channels) = (Layout::Chw, Channels::Bgr);
    stored("fp32", boxed.picture.to_fp32(layout, channels, IMAGENET)?);
    stored("fp16", boxed.picture.to_fp16(Layout::Hwc, Channels::Rgb, IMAGENET)?);
    stored("uint8", boxed.picture.to_uint8(layout, Channels::Gray));

    let drawn = picture.crop(10, 20, 300, 200)?.resize(450, 300, Filter::Lanczos)?;
    let bounds = Bounds { left: 20.4, top: 60.0, right: 200.0, bottom: 150.5 };
    drawn.draw_box(bounds, class_color(3), None)?;
    drawn.draw_label("mug 93%", bounds.left, bounds.top, class_color(3), None)?;
    drawn.draw_text("naïve café", 30.0, 200.0, BORDER, Some(31.5))?;
    stored("png", drawn.encode_png()?);
    stored("jpeg", drawn.encode_jpeg(85)?);

    let copy = Picture::from_rgb(2, 1, &[1, 2, 3, 4, 5, 6])?;
    Ok(json!({
        "size": [picture.width(), picture.height()],
        "boxed": [boxed.scale, f64::from(boxed.left), f64::from(boxed.top)],
        "copy": copy.to_uint8(Layout::Hwc, Channels::Rgb),
    }))
}

/// An error of each kind, as a program sees it.
fn errors() -> Value {
    let picture = Picture::from_rgb(4, 4, &[9; 48]).expect("a picture");
    let failures = [
        Picture::decode(b"GIF89a").map(drop),
        Picture::decode(b"\x89PNG\r\n\x1a\n").map(drop),
        picture.resize(65_536, 1, Filter::Area).map(drop),
        picture.draw_text("한국어", 0.0, 0.0, BORDER, None),
        picture.set_font(b"no font"),
    ];
    let told = failures.map(|failure| {
        let error = failure.expect_err("it must fail");
        format!("{:?}: {}", error.kind, error.message)
    });
    json!(told)
}

/// Keeps pictures until there is no memory left.
fn endless(file: &[u8]) -> Result<Value, pictures::Error> {
    let picture = Picture::decode(file)?;
    let mut kept = Vec::new();
    loop {
        kept.push(picture.resize(3000, 3000, Filter::Nearest)?);
    }
}
