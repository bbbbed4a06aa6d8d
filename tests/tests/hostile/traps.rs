//! Traps, and components that cannot be loaded, are cheap for the host.

use std::time::{Duration, Instant};

use keynet_tests::hostile::bombs::{self, call_at, name_bomb, rust_name_bomb};
use keynet_tests::hostile::{AT_REST, Bomb, Failures};
use keynet_tests::process::{peak_of, reset_peak};
use keynet_tests::runtime::{Runtime, activation, base64, base64_of, initialization};
use keynet_tests::{Answer, Ended, Sandbox, end_within, guest, http};
use serde_json::json;

/// Memory limit of the process in MiB: the 64 MiB of `describe` and, here, of `run`, in addition to
/// its memory at rest.
const PEAK: u64 = 64 + AT_REST;

/// Longest message about a component, in bytes: a backtrace of 16 functions with 200 characters of
/// four bytes each, and some words.
const MESSAGE: usize = 16 << 10;

/// Time limit for rejecting a component of this suite, or for its trap, also in a debug build.
const TIME: Duration = Duration::from_secs(30);

/// Ways of loading a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Inspect,
    Run,
    Init,
    InitAndRun,
}

/// Result of loading a component.
struct Met {
    /// True if it was rejected, or trapped.
    stopped: bool,
    message: String,
    peak_mib: u64,
    took: Duration,
}

impl Met {
    fn figures(&self) -> String {
        let Self { message, peak_mib, took, .. } = self;
        format!(
            "{peak_mib} MiB of {PEAK}, {took:.1?}, a message of {} bytes: {:.200}",
            message.len(),
            message.trim()
        )
    }

    fn is_small(&self) -> bool {
        self.peak_mib <= PEAK && self.message.len() <= MESSAGE && self.took < TIME
    }
}

/// Loads a component in one way.
///
/// # Errors
/// The process ended, or the next request fails.
fn meet(way: Way, component: &[u8]) -> Result<Met, String> {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MEMORY", "64MiB");
    sandbox.set("KEYNET_TIME", "5s");
    sandbox.set("KEYNET_COMPILE_MEMORY", "512MiB"); // of the process that compiles
    let path = sandbox.path("bomb.wasm");
    std::fs::write(&path, component).unwrap();
    match way {
        Way::Inspect => by_command(&sandbox, &["inspect", path.to_str().unwrap()]),
        Way::Run => by_command(&sandbox, &["run", path.to_str().unwrap()]),
        Way::Init => by_runtime(&sandbox, component, false),
        Way::InitAndRun => by_runtime(&sandbox, component, true),
    }
}

fn by_command(sandbox: &Sandbox, arguments: &[&str]) -> Result<Met, String> {
    let asked = Instant::now();
    let command = sandbox.command(arguments);
    let ended =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| end_within(command, TIME * 2)));
    let Ended { code, stdout, stderr, peak_mib, .. } =
        ended.map_err(|_| format!("it did not end within {:?}", TIME * 2))?;
    match code {
        Some(0..=20) if !stderr.contains("panicked at") => {
            Ok(Met { stopped: code != Some(0), message: stderr, peak_mib, took: asked.elapsed() })
        }
        code => Err(format!("it ended with {code:?}, {peak_mib} MiB: {stdout:.300}{stderr:.1000}")),
    }
}

/// Loads a component in a runtime, which must survive, and accept another component or answer
/// again.
fn by_runtime(sandbox: &Sandbox, component: &[u8], run: bool) -> Result<Met, String> {
    let mut runtime = Runtime::start(sandbox);
    let (address, id) = (runtime.address().to_owned(), runtime.id());
    let init = initialization(&base64(component), "main", &json!({})).to_string();
    let activation = activation(&json!({}), TIME).to_string();
    reset_peak(id);
    let asked = Instant::now();
    let mut answer = exchange(&address, "/init", init.as_bytes())?;
    if run {
        if answer.status != 200 {
            return Err(format!("/init: {} {:.1000}", answer.status, answer.text()));
        }
        answer = exchange(&address, "/run", activation.as_bytes())?;
    }
    let (peak_mib, took) = (peak_of(id), asked.elapsed());
    if let Some(status) = runtime.ended() {
        return Err(format!("the process is gone ({status})"));
    }
    let message = answer.json()["error"].as_str().unwrap_or_default().to_owned();
    let stopped = !message.is_empty();
    let well = if !run && stopped {
        runtime.init(&base64_of(&guest("contract"))).status == 200
            && runtime.run(&json!({ "do": "identity" })).json()["do"] == "identity"
    } else {
        exchange(&address, "/run", activation.as_bytes())?.json()["error"].is_string()
            == (run && stopped)
    };
    if well {
        Ok(Met { stopped, message, peak_mib, took })
    } else {
        Err(format!("the next request fails; {message:.300}"))
    }
}

fn exchange(address: &str, target: &str, body: &[u8]) -> Result<Answer, String> {
    std::panic::catch_unwind(|| http(address, "POST", target, &[], body))
        .map_err(|_| format!("no answer to {target}: the process is gone"))
}

/// Loads a component in several ways: in each it is stopped within the limits of memory and time,
/// with a short message.
fn check(name: &str, ways: &[Way], component: &[u8], any: &[&str], failures: &mut Failures) {
    for way in ways {
        let result = meet(*way, component).and_then(|met| {
            let named = any.iter().any(|text| met.message.contains(text));
            match met.stopped && named && met.is_small() {
                true => Ok(met.figures()),
                false => Err(format!("expected one of {any:?}, got {}", met.figures())),
            }
        });
        failures.note(&format!("{name} by {way:?}"), result);
    }
}

/// Returns names that expand to gigabytes when they are demangled, and names that are long
/// themselves.
fn names() -> Vec<(&'static str, String)> {
    vec![
        ("a C++ name that unfolds to 100 MB", name_bomb(60, 4)),
        ("a C++ name that unfolds to 6 GB", name_bomb(60, 5)),
        ("a C++ name that never ends", name_bomb(60, 20)),
        ("a Rust name that never ends", rust_name_bomb(60, 20)),
        ("a Rust name of 700 modules", format!("_R{}", "NvC1a".repeat(700))),
        (
            "an old Rust name of 15,000 modules",
            format!("_ZN{}17h0123456789abcdefE", "4core".repeat(15_000)),
        ),
        ("a name of 4 MiB", "x".repeat(4 << 20)),
        ("a name of 4 MiB in two directions", "\u{202e}x".repeat(1 << 20)),
    ]
}

#[test]
fn a_function_s_name_costs_nothing_in_a_trap_of_describe() {
    let mut failures = Failures::default();
    for (name, mangled) in names() {
        check(
            name,
            &[Way::Inspect, Way::Run, Way::Init],
            &call_at("describe", &mangled, 1),
            &["describe"],
            &mut failures,
        );
    }
    failures.none();
}

#[test]
fn a_function_s_name_costs_nothing_in_a_trap_of_run() {
    let mut failures = Failures::default();
    for (name, mangled) in names() {
        check(
            name,
            &[Way::Run, Way::InitAndRun],
            &call_at("run", &mangled, 1),
            &["trapped"],
            &mut failures,
        );
    }
    // All functions of the backtrace have such a name.
    for (name, mangled) in [
        ("16 Rust names that never end", rust_name_bomb(60, 20)),
        ("16 C++ names that never end", name_bomb(60, 20)),
    ] {
        check(
            name,
            &[Way::Run, Way::InitAndRun],
            &call_at("run", &mangled, 16),
            &["trapped"],
            &mut failures,
        );
    }
    failures.none();
}

#[test]
fn a_function_s_name_costs_nothing_wherever_it_traps() {
    let fields = |body: &str| format!(r#"(func $boom (@name "{}") {body})"#, name_bomb(60, 20));
    let (boom, trapping) = ("(call $boom)".to_owned(), fields("unreachable"));
    let recursing = Bomb { fields: fields("(call $boom)"), ..Bomb::default() };
    let trapping = Bomb { fields: trapping, ..Bomb::default() };
    let start = Bomb { fields: format!("{} (start $boom)", trapping.fields), ..Bomb::default() };
    let loading = [Way::Inspect, Way::Run, Way::Init];
    let running = [Way::Run, Way::InitAndRun];
    let mut failures = Failures::default();
    for (place, ways, bomb, any) in [
        ("the start of the module", &loading[..], start, "unreachable"),
        (
            "the end of describe",
            &loading,
            Bomb { after_describe: boom.clone(), ..trapping.clone() },
            "unreachable",
        ),
        (
            "the allocation of arguments",
            &running,
            Bomb { realloc: boom.clone(), ..trapping.clone() },
            "unreachable",
        ),
        ("the end of run", &running, Bomb { after_run: boom.clone(), ..trapping }, "unreachable"),
        (
            "a recursion of describe",
            &loading,
            Bomb { describe: boom.clone(), ..recursing.clone() },
            "recursed deeper",
        ),
        ("a recursion of run", &running, Bomb { run: boom, ..recursing }, "recursed deeper"),
    ] {
        check(place, ways, &bomb.component(), &[any], &mut failures);
    }
    failures.none();
}

/// `run` fails with a message of 50,000,000 characters, on the command line and in a container.
#[test]
fn an_action_s_own_error_of_many_megabytes_is_cut() {
    let run = "(memory.fill (i32.const 65536) (i32.const 120) (i32.const 50000000))
        (i32.store8 (i32.const 128) (i32.const 1))
        (i32.store (i32.const 136) (i32.const 65536)) (i32.store (i32.const 140) (i32.const 50000000))
        (return (i32.const 128))";
    let component = Bomb { run: run.to_owned(), pages: 800, ..Bomb::default() }.component();
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MEMORY", "128MiB");
    let path = sandbox.path("bomb.wasm");
    std::fs::write(&path, component).unwrap();
    let met = by_command(&sandbox, &["run", path.to_str().unwrap()]).unwrap();
    assert!(met.message.contains("xxx… (50000000 bytes)"), "{}", met.figures());
    assert!(met.message.len() < 200_000 && met.peak_mib <= 128 + AT_REST, "{}", met.figures());
}

#[test]
fn a_description_that_takes_too_much_is_stopped() {
    let describe =
        |instructions: &str| Bomb { describe: instructions.to_owned(), ..Bomb::default() };
    let grow_and_write = "(local $at i32) (drop (memory.grow (i32.const 900)))
        (loop $write
          (i32.store (i32.add (local.get $at) (i32.const 131072)) (i32.const 1))
          (local.set $at (i32.add (local.get $at) (i32.const 4096)))
          (br_if $write (i32.lt_u (local.get $at) (i32.const 100000000))))";
    let all = [Way::Inspect, Way::Run, Way::Init];
    let mut failures = Failures::default();
    let mut stopped = |name: &str, bomb: Bomb, any: &[&str]| {
        check(name, &all, &bomb.component(), any, &mut failures);
    };
    stopped("describe that computes", describe("(loop $l (br $l))"), &["did not finish"]);
    stopped(
        "describe that writes 100 MB",
        describe(grow_and_write),
        &["out of bounds", "memory", "KEYNET_MEMORY"],
    );
    stopped(
        "describe that recurses",
        Bomb { fields: "(func $r (call $r))".to_owned(), ..describe("(call $r)") },
        &["stack"],
    );
    stopped("a memory of 100 MB", Bomb { pages: 1600, ..Bomb::default() }, &["memory"]);
    stopped(
        "a description of 40 MiB",
        Bomb { pages: 700, description: 40 << 20, ..Bomb::default() },
        &["description", "too large", "bytes"],
    );
    stopped(
        "a module that traps when it starts",
        Bomb { fields: "(func $s unreachable) (start $s)".to_owned(), ..Bomb::default() },
        &["trapped", "unreachable"],
    );
    stopped(
        "a module that never ends to start",
        Bomb { fields: "(func $s (loop $l (br $l))) (start $s)".to_owned(), ..Bomb::default() },
        &["did not finish"],
    );
    // `describe` has no parameters, objects or models.
    for (import, function, call) in [
        ("user-input", r#""all" (func $f (param i32))"#, "(call $f (i32.const 512))"),
        (
            "storage",
            r#""head" (func $f (param i32 i32 i32))"#,
            "(call $f (i32.const 256) (i32.const 4) (i32.const 512))",
        ),
        (
            "triton-predict",
            r#""metadata" (func $f (param i32 i32 i32))"#,
            "(call $f (i32.const 256) (i32.const 4) (i32.const 512))",
        ),
    ] {
        let imports = format!(r#"(import "keynet:inference/{import}@0.1.0" {function})"#);
        stopped(
            &format!("describe that calls {import}"),
            Bomb { imports, ..describe(call) },
            &[import],
        );
    }
    failures.none();
}

#[test]
fn a_component_that_unfolds_to_much_is_refused_when_it_is_loaded() {
    let all = [Way::Inspect, Way::Init];
    let mut failures = Failures::default();
    let mut refused = |name: &str, component: &[u8], any: &[&str]| {
        check(name, &all, component, any, &mut failures);
    };
    refused("1,000 instances of 2.7 MB", &bombs::many_instances(1000, 170_000), &["instance"]);
    refused("1,000 small instances", &bombs::many_instances(1000, 1), &["instance"]);
    refused(
        "a table of 9,000,000 elements",
        &bombs::with_core("(table 9000000 funcref)"),
        &["table"],
    );
    refused("a memory of 4 GiB more", &bombs::with_core("(memory 65536)"), &["memory"]);
    refused(
        "five memories",
        &bombs::with_core("(memory 1) (memory 1) (memory 1) (memory 1) (memory 1)"),
        &["memor"],
    );
    refused(
        "an instance that starts and traps",
        &bombs::with_core("(func $s unreachable) (start $s)"),
        &["trapped", "unreachable"],
    );
    refused("components 20,000 deep", &bombs::nested(20_000), &["component", "nested", "depth"]);
    refused("50 imports with names of 90 kB", &bombs::long_imports(50, 90_000), &["import"]);
    refused("1,000 small imports", &bombs::long_imports(1000, 20), &["import"]);
    failures.none();
}

/// Text of `keynet.toml` inside a component: at most 1 MiB is read, within the memory limit.
#[test]
fn what_a_component_asks_for_is_read_within_limits() {
    let numbers =
        |count: usize| (0..count).map(|number| format!("\"{number}\",")).collect::<String>();
    let mut failures = Failures::default();
    for (name, ask) in [
        (
            "models in arrays 100,000 deep",
            format!("models = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        ),
        ("models in tables 100,000 deep", format!("{}x = 1", "a.".repeat(100_000))),
        ("100,000 models", format!("models = [{}]", numbers(100_000))),
        ("3 MiB of models", format!("models = [{}]", numbers(300_000))),
        ("an unknown name of 900 kB", format!("{} = 1", "a".repeat(900_000))),
        ("30,000 tables", (0..30_000).map(|number| format!("[a{number}]\n")).collect()),
        ("no text", "\u{0}".repeat(900_000)),
    ] {
        for way in [Way::Inspect, Way::Init] {
            // A request that can be granted may be accepted.
            let result = meet(way, &bombs::asking(&ask));
            let result = result.and_then(|met| {
                if met.is_small() { Ok(met.figures()) } else { Err(met.figures()) }
            });
            failures.note(&format!("{name} by {way:?}"), result);
        }
    }
    failures.none();
}

/// The two components that first showed the problem, unchanged.
#[test]
fn an_action_of_three_kilobytes_does_not_end_the_process() {
    for levels in [4, 5] {
        let component = call_at("run", &name_bomb(60, levels), 1);
        assert!(component.len() < 8 << 10, "{} bytes", component.len());
        let met = meet(Way::InitAndRun, &component).unwrap();
        assert!(
            met.stopped && met.message.contains("trapped") && met.is_small(),
            "{}",
            met.figures()
        );
    }
}
