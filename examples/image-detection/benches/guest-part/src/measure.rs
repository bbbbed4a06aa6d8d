//! Stages of the guest's work, timed separately.

use crate::detection::{LABELS, from_rows};
use crate::picture::{decode, draw, planes};
use keynet_inference_sdk::{Result, ensure};
use serde::Serialize;
use std::hint::black_box;
use std::time::Instant;

/// Measurements in milliseconds; `first` ran with cold memory, as every activation does.
#[derive(Debug, Serialize)]
pub struct Measured {
    width: u32,
    height: u32,
    repeat: usize,
    first: Stages,
    median: Stages,
}

/// Milliseconds of each stage.
#[derive(Debug, Default, Serialize)]
struct Stages {
    decode: f64,
    planes: f64,
    draw: f64,
    encode: f64,
    total: f64,
}

/// Processes the picture in `file` `repeat` times.
///
/// # Errors
/// The file is not a picture, or `repeat` is 0.
pub fn measure(file: &[u8], repeat: usize) -> Result<Measured> {
    ensure!(repeat > 0, invalid, "`repeat` must not be 0");
    let size = decode(file)?;
    let rows: Vec<f32> = (0..8_u8).flat_map(row).collect();
    let runs = (0..repeat).map(|_| once(file, &rows)).collect::<Result<Vec<_>>>()?;
    Ok(Measured {
        width: size.width(),
        height: size.height(),
        repeat,
        first: stages(|stage| runs[0][stage]),
        median: stages(|stage| median(&runs, stage)),
    })
}

/// Returns a row of the model's output: an object of the class, on the diagonal.
fn row(class: u8) -> [f32; 6] {
    let place = f32::from(class) * 55.0;
    [
        place,
        place,
        place + 200.0,
        place + 240.0,
        0.95 - place / 2000.0,
        f32::from(class) % LABELS.len() as f32,
    ]
}

/// Returns the times after each stage, in milliseconds since the start of the first.
fn once(file: &[u8], rows: &[f32]) -> Result<[f64; 5]> {
    let mut moments = vec![Instant::now()];
    let mut picture = decode(file)?;
    moments.push(Instant::now());
    black_box(planes(&picture)?);
    moments.push(Instant::now());
    let detections = from_rows(black_box(rows), 0.5, picture.width(), picture.height())?;
    draw(&mut picture, &detections)?;
    moments.push(Instant::now());
    black_box(picture.encode_png()?);
    moments.push(Instant::now());
    let spent = |from: usize, to: usize| (moments[to] - moments[from]).as_secs_f64() * 1e3;
    Ok([spent(0, 1), spent(1, 2), spent(2, 3), spent(3, 4), spent(0, 4)])
}

fn median(runs: &[[f64; 5]], stage: usize) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(|run| run[stage]).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn stages(value: impl Fn(usize) -> f64) -> Stages {
    let [decode, planes, draw, encode, total] =
        std::array::from_fn(|stage| (value(stage) * 1e3).round() / 1e3);
    Stages { decode, planes, draw, encode, total }
}
