//! Native run of the benchmark: `cargo run --release --example native -- picture.png 50` prints the
//! component's output, measured without a sandbox.

use action::measure;
use keynet_inference_sdk::{Context, Result};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("usage: native PICTURE [REPEAT]")?;
    let repeat = arguments.next().map_or(Ok(50), |text| text.parse())?;
    let file = std::fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    println!("{}", serde_json::to_string_pretty(&measure(&file, repeat)?)?);
    Ok(())
}
