//! The guest's backtrace at a trap.
//!
//! Its names come from the component's name section. A mangled name of a few kilobytes can stand
//! for a text of gigabytes, so a name is cut before it is demangled, and demangling ends after as
//! many characters as are shown.

use wasmtime::{FrameInfo, WasmBacktrace};

use keynet_base::quote::{MAX_SHOWN, bounded, shown};

/// Maximum number of frames in a backtrace.
const MAX_FRAMES: usize = 16;

/// Maximum length in bytes of a mangled name that is demangled. Longer ones are shown mangled, and
/// cut.
const MAX_MANGLED: usize = 4 << 10;

/// Returns the guest's functions at the trap, the innermost first, without the functions that
/// implement panicking.
pub(super) fn trace(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let name = |frame: &FrameInfo| {
        frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), function)
    };
    backtrace
        .frames()
        .iter()
        .map(name)
        .skip_while(|name| is_runtime(name))
        .take(MAX_FRAMES)
        .collect()
}

/// Returns a function's demangled name.
fn function(name: &str) -> String {
    let demangled =
        if name.len() <= MAX_MANGLED { rustc_demangle::try_demangle(name).ok() } else { None };
    demangled.map_or_else(
        || shown(name).to_string(),
        |demangled| bounded(format_args!("{demangled:#}"), MAX_SHOWN),
    )
}

/// Reports whether a function implements panicking or aborting, which explains nothing.
fn is_runtime(function: &str) -> bool {
    const PATHS: &[&str] = &[
        "abort",
        "std::",
        "core::panicking",
        "core::option::expect_failed",
        "core::result::unwrap_failed",
        "alloc::alloc",
        "__rust",
        "rust_",
    ];
    PATHS.iter().any(|path| function.trim_start_matches('<').starts_with(path))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn rust_names_are_demangled_and_others_shown_as_they_are() {
        assert_eq!(
            function("_ZN4core9panicking5panic17h0123456789abcdefE"),
            "core::panicking::panic"
        );
        assert_eq!(function("_RNvC6my_app3run"), "my_app::run");
        assert_eq!(function("_ZN4demo3runEv"), "_ZN4demo3runEv");
        assert_eq!(function("boom"), "boom");
        assert!(is_runtime(&function("_ZN4core9panicking5panic17h0123456789abcdefE")));
    }

    /// Returns a v0 name whose tuple types each contain the previous one `fan` times, by back
    /// references.
    fn v0_bomb(levels: usize, fan: usize) -> String {
        let base62 = |mut value: usize| {
            const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
            if value == 0 {
                return "_".to_owned();
            }
            value -= 1;
            let mut digits = Vec::new();
            loop {
                digits.insert(0, DIGITS[value % 62]);
                value /= 62;
                if value == 0 {
                    return format!("{}_", String::from_utf8(digits).unwrap());
                }
            }
        };
        // `RI NvC1a1f (T (T …) …) E`: positions count from after `_R`.
        let mut name = "INvC1a1f".to_owned();
        let mut last = name.len();
        name.push_str("TuuE");
        for _ in 0..levels {
            let here = name.len();
            let reference = format!("B{}", base62(last));
            name.push_str(&format!("T{}E", reference.repeat(fan)));
            last = here;
        }
        format!("_R{name}E")
    }

    /// Returns an Itanium C++ name whose template arguments each contain the previous ones.
    fn cpp_bomb(levels: usize, fan: usize) -> String {
        let mut name = "_Z1f1AIiiE".to_owned();
        for level in 0..levels {
            name.push_str(&format!("1{}I{}E", char::from(b'B' + level as u8), "S1_".repeat(fan)));
        }
        name
    }

    #[test]
    fn a_name_that_unfolds_without_end_is_cut_at_once() {
        assert!(rustc_demangle::try_demangle(&v0_bomb(3, 4)).is_ok(), "the bomb is a name");
        let whole = format!("{:#}", rustc_demangle::demangle(&v0_bomb(6, 4)));
        assert!(whole.len() > 10_000, "it unfolds: {}", whole.len());
        let legacy = format!("_ZN{}17h0123456789abcdefE", "1a".repeat(1_000));
        let names = [
            v0_bomb(30, 10),
            v0_bomb(60, 4),
            v0_bomb(300, 2),
            v0_bomb(8, 200),
            legacy,
            cpp_bomb(5, 100),
            "x".repeat(10 << 20),
            format!("_RNvC{}3run", "6my_app".repeat(1 << 20)),
            format!("_ZN{}", "1a".repeat(1 << 20)),
            format!("_R{}", "NvC".repeat(1_000)),
        ];
        let started = Instant::now();
        for name in &names {
            let shown = function(name);
            assert!(
                shown.chars().count() <= MAX_SHOWN + 20,
                "{} characters",
                shown.chars().count()
            );
        }
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
}
