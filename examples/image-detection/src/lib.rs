//! Object detection: finds things in a picture and draws a box around each.

mod detection;
mod picture;

use crate::detection::{Detection, INPUT_SIDE};
use crate::picture::{decode, draw, planes};
use keynet_inference_sdk::prelude::*;

/// Default model, in `models/`; the caller may name another version of it. Its classes are
/// `detection::LABELS`.
const MODEL: &str = "detector";

#[derive(Deserialize, JsonSchema)]
struct Args {
    /// The picture, PNG or JPEG: a URL, `s3://bucket/key`, or a key of the default bucket.
    image_url: String,
    /// Detections with a lower score are left out.
    #[serde(default = "one_half")]
    #[schemars(range(min = 0.0, max = 1.0))]
    threshold: f64,
    /// The model: `detector`, or one version of it as `detector:3`, `models:/detector/3` or
    /// `models:/detector@champion`.
    #[serde(default = "detector")]
    model: String,
}

fn one_half() -> f64 {
    0.5
}

fn detector() -> String {
    MODEL.to_owned()
}

#[derive(Serialize)]
struct Output {
    /// URL of the picture with boxes and labels, a PNG file.
    url: String,
    /// Detections, best first.
    detections: Vec<Detection>,
}

#[keynet_function(
    name = "image-detection",
    description = "Finds things in a picture and draws a box around each."
)]
fn main(args: Args) -> Result<Output> {
    let Args { image_url, threshold, model } = args;
    ensure!(
        (0.0..=1.0).contains(&threshold),
        invalid,
        "`threshold` is {threshold}, but it must be from 0 to 1"
    );
    let storage = Storage::new()?;
    let triton = Triton::with_model(model)?;

    let mut picture = decode(&storage.get(&image_url)?)?;
    let side = INPUT_SIDE as usize;
    let input = Tensor::from_vec(&[1, 3, side, side], planes(&picture)?)?;

    let outputs = triton.predict([("input_0", &input)])?;
    let rows = outputs.get("output_0")?.to_vec()?;
    let detections = detection::from_rows(&rows, threshold, picture.width(), picture.height())?;

    draw(&mut picture, &detections)?;
    let stored = storage.put(picture.encode_png()?, "image/png")?;
    Ok(Output { url: stored.url, detections })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_imaging::Picture;
    use keynet_inference_sdk::testing::Environment;

    /// Red grows to the right, green downwards.
    fn gradient(width: u32, height: u32) -> Picture {
        let pixels = (0..height).flat_map(|y| {
            (0..width).map(move |x| [(x * 255 / width) as u8, (y * 255 / height) as u8, 128])
        });
        Picture::from_rgb(width, height, pixels.flatten().collect()).unwrap()
    }

    /// A detector that finds a mug in the left half of any picture, and less surely a fish in the
    /// whole.
    fn environment() -> Environment {
        Environment::new().object("cups.png", gradient(320, 200).encode_png().unwrap()).model(
            "detector",
            |inputs| {
                let input = &inputs["input_0"];
                assert_eq!(
                    (input.shape(), input.data_type()),
                    ([1, 3, 640, 640].as_slice(), DataType::Fp32)
                );
                let mut rows = vec![
                    [0.0, 0.0, 640.0, 640.0, 0.3, 3.0_f32],
                    [0.0, 64.0, 320.0, 640.0, 0.8765, 5.0],
                ];
                rows.resize(100, [0.0; 6]);
                Ok([("output_0", Tensor::from_slice(&[1, 100, 6], rows.as_flattened())?)])
            },
        )
    }

    #[test]
    fn finds_draws_and_stores() -> Result<()> {
        let environment = environment().param("image_url", "cups.png");
        let answer = environment.call(main)?;
        assert_eq!(
            answer["detections"],
            json!([{ "label": "mug", "score": 0.877, "box": [0.0, 20.0, 160.0, 200.0] }])
        );

        let written = environment.written();
        let stored = written
            .iter()
            .find(|object| object.location != "cups.png")
            .expect("a picture was stored");
        assert_eq!(stored.content_type.as_deref(), Some("image/png"));
        assert!(
            answer["url"]
                .as_str()
                .is_some_and(|url| url.contains(stored.location.rsplit('/').next().unwrap()))
        );
        let drawn = decode(&stored.data)?;
        assert_eq!((drawn.width(), drawn.height()), (320, 200));
        assert_ne!(drawn, gradient(320, 200));
        Ok(())
    }

    #[test]
    fn the_threshold_decides() -> Result<()> {
        for (threshold, labels) in [
            (0.0, vec!["mug", "fish"]),
            (0.3, vec!["mug", "fish"]),
            (0.31, vec!["mug"]),
            (1.0, vec![]),
        ] {
            let output = environment().run(|| {
                main(Args { image_url: "cups.png".into(), threshold, model: detector() })
            })?;
            let found: Vec<_> = output.detections.iter().map(|detection| detection.label).collect();
            assert_eq!(found, labels, "{threshold}");
        }
        Ok(())
    }

    #[test]
    fn wrong_parameters_are_the_callers_mistake() {
        let cases = [
            (json!({}), "`image_url` is missing"),
            (
                json!({ "image_url": "cups.png", "threshold": 1.5 }),
                "`threshold` is 1.5, but it must be from 0 to 1",
            ),
            (json!({ "image_url": "cups.png", "threshold": "high" }), "threshold"),
            (json!({ "image_url": "notes.txt" }), "neither a PNG nor a JPEG"),
        ];
        for (params, text) in cases {
            let error = environment()
                .object("notes.txt", "hello")
                .params(params)
                .call(main)
                .map(|_| ())
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.message().contains(text), "{error}");
        }
        for missing in [
            json!({ "image_url": "gone.png" }),
            json!({ "image_url": "cups.png", "model": "nobody" }),
        ] {
            let error = environment().params(missing).call(main).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
    }
}
