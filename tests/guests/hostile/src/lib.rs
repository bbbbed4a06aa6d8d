//! Behaves as a hostile or broken action: `do` names the behaviour.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use keynet_inference_sdk::prelude::*;

#[derive(Deserialize, JsonSchema)]
struct Args {
    /// Behaviour of the action.
    r#do: Deed,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Deed {
    /// Nothing wrong: returns what it can observe.
    Behave,
    LoopForEver,
    Sleep,
    SayAndSleep,
    AllocateOneMemory,
    AllocateTensors,
    AllocateByPredictMany,
    HugeList,
    HugeListOfStrings,
    Recurse,
    Panic,
    PanicDeep,
    Abort,
    Exit,
    ExitWithZero,
    ReturnText,
    OpenHandles,
    OpenObjects,
    AbsurdShape,
    UnfilledShape,
    Logs,
    ForgeTheEnd,
    NoNewline,
    TooManyRequests,
    FillTheStore,
}

#[keynet_function(name = "hostile", description = "Does what a hostile action would do.")]
fn main(args: Args) -> Result<Value> {
    match args.r#do {
        Deed::Behave => behave(),
        Deed::LoopForEver => loop {
            black_box(1);
        },
        Deed::SayAndSleep | Deed::Sleep => {
            if matches!(args.r#do, Deed::SayAndSleep) {
                println!("good night");
            }
            std::thread::sleep(Duration::from_secs(3600));
            Ok(json!({}))
        }
        Deed::AllocateOneMemory => {
            let mut all = Vec::new();
            loop {
                all.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        Deed::AllocateTensors => {
            let part = vec![0_u8; 1 << 20];
            let mut all = Vec::new();
            loop {
                all.push(Tensor::from_slice(&[1 << 20], &part)?);
            }
        }
        Deed::AllocateByPredictMany => {
            // Each output is as large as its input; 256 of them are requested at once.
            let tensor = Tensor::from_vec(&[1 << 10, 1 << 10], vec![0_f32; 1 << 20])?;
            let triton = Triton::with_model("identity_fp32")?;
            let answers = triton.predict_many((0..256).map(|_| triton.request([("in", &tensor)])));
            let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
            for answer in &answers {
                let kind = answer
                    .as_ref()
                    .map_or_else(|error| error.message().to_owned(), |_| "answered".to_owned());
                *kinds.entry(kind.chars().take(40).collect()).or_default() += 1;
            }
            answers.into_iter().find_map(Result::err).map_or(Ok(json!(kinds)), Err)
        }
        Deed::HugeList => {
            let size = 150 << 20;
            Storage::new()?.put(vec![0_u8; size], "application/octet-stream")?;
            Ok(json!({}))
        }
        Deed::HugeListOfStrings => {
            let names: Vec<String> = (0..6_000_000).map(|_| String::new()).collect();
            let tensor = Tensor::from_slice(&[1], &[0_f32])?;
            let triton = Triton::with_model("identity_fp32")?;
            triton.request([("in", &tensor)]).outputs(names).predict()?;
            Ok(json!({}))
        }
        Deed::Recurse => Ok(json!(recurse(1))),
        Deed::Panic => panic!("the picture has no pixels"),
        Deed::PanicDeep => outer_function(),
        Deed::Abort => std::process::abort(),
        Deed::Exit => std::process::exit(3),
        Deed::ExitWithZero => std::process::exit(0),
        Deed::ReturnText => Ok(json!("just text")),
        Deed::OpenHandles => {
            let mut all = Vec::new();
            for _ in 0..100_000 {
                all.push(Tensor::from_slice(&[1], &[0_u8])?);
            }
            Ok(json!({ "open": all.len() }))
        }
        Deed::OpenObjects => {
            let storage = Storage::new()?;
            let location = storage.put("x", "text/plain")?.location;
            let mut all = Vec::new();
            for _ in 0..100_000 {
                all.push(storage.open(&location)?);
            }
            Ok(json!({ "open": all.len() }))
        }
        Deed::AbsurdShape => {
            let tensor = Tensor::from_bytes(DataType::Fp32, &[0, 1 << 30, 1 << 30], &[])?;
            Triton::with_model("identity_fp32")?.predict([("in", &tensor)])?;
            Ok(json!({}))
        }
        Deed::UnfilledShape => {
            let tensor = Tensor::from_bytes(DataType::Fp32, &[usize::MAX], &[])?;
            Triton::with_model("identity_fp32")?.predict([("in", &tensor)])?;
            Ok(json!({}))
        }
        Deed::Logs => {
            let line = "x".repeat(1023);
            for _ in 0..100 << 10 {
                println!("{line}");
            }
            Ok(json!({ "done": true }))
        }
        Deed::ForgeTheEnd => {
            println!("XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX");
            print!("XXX_THE_END_OF_A_");
            println!("WHISK_ACTIVATION_XXX");
            eprintln!("keynet-receipt: {{}}");
            Ok(json!({}))
        }
        Deed::NoNewline => {
            print!("the last line has no newline");
            Ok(json!({}))
        }
        Deed::TooManyRequests => {
            let tensor = Tensor::from_slice(&[1], &[0_f32])?;
            let triton = Triton::with_model("identity_fp32")?;
            let mut answers =
                triton.predict_many((0..257).map(|_| triton.request([("in", &tensor)])));
            answers.remove(0)?;
            Ok(json!({}))
        }
        Deed::FillTheStore => {
            use std::io::Write;
            let mut upload = Storage::new()?.upload(None, None)?;
            let part = vec![0_u8; 8 << 20];
            loop {
                upload.write_all(&part)?;
            }
        }
    }
}

fn behave() -> Result<Value> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    Ok(json!({
        "parameters": UserInput::all()?,
        "environment": environment,
        "can_read_files": std::fs::read_dir("/").is_ok(),
        "can_write_files": std::fs::write("/tmp/x", "x").is_ok(),
        "can_connect": std::net::TcpStream::connect("127.0.0.1:9797").is_ok(),
        "arguments": std::env::args().collect::<Vec<_>>(),
    }))
}

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1)) + depth)
}

#[inline(never)]
fn outer_function() -> Result<Value> {
    inner_function(black_box(7))
}

#[inline(never)]
fn inner_function(index: usize) -> Result<Value> {
    let empty: Vec<u8> = Vec::new();
    Ok(json!(empty[index]))
}
