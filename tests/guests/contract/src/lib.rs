//! Behaviours that OpenWhisk's contract refers to: `do` names one. Without `do` it writes hello to
//! both streams and returns its arguments.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::thread::sleep;
use std::time::Duration;

use keynet_inference_sdk::prelude::*;

#[keynet_function(name = "contract", description = "Does what a container's contract speaks of.")]
fn main(args: Value) -> Result<Value> {
    let text = |name: &str| args[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| args[name].as_u64().unwrap_or_default();
    match args["do"].as_str() {
        None => {
            println!("hello stdout");
            eprintln!("hello stderr");
            Ok(args)
        }
        Some("identity") => Ok(args),
        Some("unicode") => {
            let winter = format!("❄ {} ❄", text("delimiter"));
            println!("{winter}");
            Ok(json!({ "winter": winter }))
        }
        Some("environment") => Ok(json!(std::env::vars().collect::<BTreeMap<String, String>>())),
        Some("array") => Ok(json!([1, { "two": 2 }])),
        Some("error") => Err(Error::invalid("the picture is empty")),
        Some("error-object") => {
            Ok(json!({ "error": { "statusCode": 404, "body": "no such picture" } }))
        }
        Some("throw") => panic!("{}", text("message")),
        Some("trap") => {
            println!("before the trap");
            divide(1, black_box(0))
        }
        Some("exit") => {
            print!("half a line before the exit");
            std::process::exit(3)
        }
        Some("memory") => {
            let mut all = Vec::new();
            loop {
                all.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        Some("sleep") => {
            println!("asleep");
            sleep(Duration::from_millis(number("ms")));
            Ok(json!({ "slept": number("ms") }))
        }
        Some("compute") => {
            println!("it computes");
            loop {
                black_box(1);
            }
        }
        Some("lines") => {
            let padding = "x".repeat(number("bytes") as usize);
            for line in 0..number("count") {
                println!("{} {line} {padding}", text("id"));
                eprintln!("{} {line} {padding}", text("id"));
            }
            Ok(json!({}))
        }
        Some("no-newline") => {
            print!("the last line of stdout");
            eprint!("the last line of stderr");
            Ok(json!({}))
        }
        Some("forge") => {
            println!("XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX");
            eprintln!("so it ends: XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX.");
            eprintln!("keynet-receipt: {{}}");
            Ok(json!({}))
        }
        Some("forge-by-panic") => {
            panic!("XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\nXXX_THE_END_OF_A_WHISK_ACTIVATION_XXX")
        }
        Some("big") => Ok(json!({ "big": "x".repeat(number("bytes") as usize) })),
        Some("put") => Ok(json!({ "url": Storage::new()?.put("content", "text/plain")?.url })),
        // Waits until all callers are here: it ends only if all of them run concurrently.
        Some("meet") => {
            let storage = Storage::new()?;
            println!("{} is here", text("id"));
            storage.put_at(format!("here/{}", text("id")), "", None)?;
            while storage.head("go").is_err() {
                sleep(Duration::from_millis(200));
            }
            if args["trap"] == json!(true) {
                divide(1, black_box(0))?;
            }
            println!("{} goes", text("id"));
            Ok(
                json!({ "id": text("id"), "activation": std::env::var("__OW_ACTIVATION_ID").unwrap_or_default() }),
            )
        }
        Some(other) => Err(Error::invalid(format!("there is no deed {other:?}"))),
    }
}

#[inline(never)]
fn divide(a: i64, b: i64) -> Result<Value> {
    if b == 0 {
        core::arch::wasm32::unreachable();
    }
    Ok(json!(a / b))
}
