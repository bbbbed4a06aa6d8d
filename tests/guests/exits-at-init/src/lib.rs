//! Exits before any call: a constructor in the sense of C runs when an instance is created.

use keynet_inference_sdk::prelude::*;

#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = leave;

extern "C" fn leave() {
    eprintln!("leaving before it has begun");
    std::process::exit(3)
}

#[keynet_function(name = "exits-at-init", description = "Is never asked.")]
fn main(_: Value) -> Result<Value> {
    Ok(json!({}))
}
