//! Benchmark of the work that image-detection does inside the sandbox: decode, resize, normalise,
//! draw, encode; without storage and model.

#[path = "../../../src/detection.rs"]
mod detection;
mod measure;
#[path = "../../../src/picture.rs"]
mod picture;

pub use crate::measure::{Measured, measure};
use keynet_inference_sdk::prelude::*;

#[derive(Deserialize, JsonSchema)]
struct Args {
    /// The picture, PNG or JPEG.
    image_url: String,
    /// Number of repetitions.
    #[serde(default = "often")]
    repeat: usize,
}

fn often() -> usize {
    50
}

#[keynet_function(
    name = "image-detection-guest-part",
    description = "Measures what \
    image-detection does inside the sandbox."
)]
fn main(args: Args) -> Result<Measured> {
    measure(&Storage::new()?.get(&args.image_url)?, args.repeat)
}
