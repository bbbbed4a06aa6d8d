//! Everything that a guest makes the host hold is charged before it is expanded.

use std::fs::File;
use std::sync::LazyLock;

use keynet_tests::hostile::{AT_REST, Case, Expected, HttpServer, PER_REQUEST, VictimSetup, run};
use serde_json::{Value, json};

/// `KEYNET_MEMORY` of most attacks, in MiB.
const MEMORY: u64 = 256;

/// `KEYNET_PROCESS_MEMORY` in MiB, and the number of callers, of attacks by several.
const PROCESS: u64 = 512;
const CALLERS: usize = 5;

/// Error kinds of a call whose arguments are too large. A name that is too long is an invalid name
/// or too large: both are right.
const REFUSED: &[&str] = &["invalid", "too-large"];

fn alone(name: &'static str, attack: Value, expected: Expected) -> Case {
    Case { name, callers: 1, attack, expected, peak_mib: MEMORY + AT_REST }
}

#[test]
fn parameters_names_and_numbers_of_a_request_are_charged_before_they_are_unfolded() {
    let large = |attack: &str| json!({ "do": attack, "mib": 60 });
    let control = |attack: &str| json!({ "do": attack, "mib": 60, "text": "\u{1}" });
    let many = |attack: &str, count: u32| json!({ "do": attack, "count": count });
    let cases = [
        alone(
            "60 MiB of small parameters",
            large("flat-parameters"),
            Expected::Refused(REFUSED, "parameters"),
        ),
        alone(
            "60 MiB of a parameter's list",
            large("nested-parameters"),
            Expected::Refused(REFUSED, "parameter"),
        ),
        alone(
            "a parameter of 60 MiB",
            large("long-parameter"),
            Expected::Refused(REFUSED, "parameters"),
        ),
        alone(
            "a parameter's name of 60 MiB",
            large("long-parameter-name"),
            Expected::Refused(REFUSED, "parameter"),
        ),
        alone(
            "48 MiB of parameters in 256 requests",
            json!({ "do": "predict-many", "mib": 48 }),
            Expected::Refused(REFUSED, "parameters"),
        ),
        alone(
            "a model's name of 60 MiB",
            control("long-model"),
            Expected::Refused(REFUSED, "model"),
        ),
        alone(
            "a model's name of 60 MiB, to be described",
            control("long-model-metadata"),
            Expected::Refused(REFUSED, "model"),
        ),
        alone("an input's name of 60 MiB", control("long-input"), Expected::Refused(REFUSED, "")),
        alone("an output's name of 60 MiB", control("long-output"), Expected::Refused(REFUSED, "")),
        alone(
            "3,000,000 inputs",
            many("many-inputs", 3_000_000),
            Expected::Limit(&["KEYNET_HANDLES", "KEYNET_CALL_BYTES", "inputs"]),
        ),
        alone(
            "2,000 inputs",
            many("many-inputs", 2000),
            Expected::Limit(&["inputs", "the same input", "input"]),
        ),
        alone(
            "6,000,000 outputs",
            many("many-outputs", 6_000_000),
            Expected::Limit(&["KEYNET_CALL_BYTES", "outputs"]),
        ),
        alone("400,000 outputs", many("many-outputs", 400_000), Expected::Limit(&[""])),
        alone(
            "4,000,000 dimensions",
            many("many-dimensions", 4_000_000),
            Expected::Refused(REFUSED, "dimensions"),
        ),
        alone(
            "15,000,000 empty strings",
            large("empty-strings"),
            Expected::Contained(&["KEYNET_MEMORY", "KEYNET_CALL_BYTES"]),
        ),
    ];
    run(&VictimSetup::new([("KEYNET_MEMORY", "256MiB")]).start(), &cases);
}

/// The host holds the parameters in addition to the guest's own copies: here 24 MiB, and 48 MiB in
/// the guest.
#[test]
fn parameters_count_as_long_as_the_activation_runs() {
    let attack = json!({ "do": "hello", "pad": "x".repeat(24 << 20) });
    let expected = Expected::Limit(&["KEYNET_MEMORY"]);
    let case = Case {
        name: "a parameter of 24 MiB",
        callers: 1,
        attack,
        expected,
        peak_mib: 64 + AT_REST + 2 * 24,
    };
    run(&VictimSetup::new([("KEYNET_MEMORY", "64MiB")]).start(), &[case]);
}

#[test]
fn locations_and_headers_of_any_length_are_refused_and_not_repeated() {
    let large = |attack: &str| json!({ "do": attack, "mib": 60 });
    let refused = Expected::Refused(REFUSED, "");
    let cases = [
        alone("a location of 60 MiB", large("long-location"), refused),
        alone(
            "a location of 60 MiB without a printable character",
            json!({ "do": "long-location", "mib": 60, "text": "\u{1}" }),
            refused,
        ),
        alone(
            "a URL of 60 MiB",
            json!({ "do": "long-url", "mib": 60, "location": "http://127.0.0.1:9/x" }),
            refused,
        ),
        alone("a content type of 60 MiB", large("long-content-type"), refused),
        alone(
            "an etag of 60 MiB",
            json!({ "do": "long-etag", "mib": 60, "location": "x" }),
            refused,
        ),
        alone("an etag of 60 MiB to write over", large("long-if-match"), refused),
        alone("a prefix of 60 MiB", large("long-prefix"), refused),
        alone("a cursor of 60 MiB", large("long-cursor"), refused),
    ];
    run(&VictimSetup::new([("KEYNET_MEMORY", "256MiB")]).start(), &cases);
}

#[test]
fn results_errors_and_panics_are_charged() {
    let large = |attack: &str, mib: u32| json!({ "do": attack, "mib": mib });
    let stopped = Expected::Contained(&["KEYNET_CALL_BYTES", "KEYNET_MEMORY", "result"]);
    let cases = [
        alone("a result of 60 MiB", large("result", 60), stopped),
        alone("a result of 20,000,000 numbers", large("wide-result", 40), stopped),
        alone(
            "a result 1,000,000 arrays deep",
            json!({ "do": "deep-result", "count": 1_000_000 }),
            Expected::Contained(&["", "array"]),
        ),
        alone("an error of 60 MiB", large("error", 60), Expected::Failed("x")),
        alone("a panic of 40 MiB", large("panic", 40), Expected::Failed("")),
    ];
    run(&VictimSetup::new([("KEYNET_MEMORY", "256MiB")]).start(), &cases);
}

/// The host holds the result in addition to the guest's own memory: for a result of 20 MiB, the
/// guest itself uses 81 MiB.
#[test]
fn a_result_counts_beside_the_guest_s_memory() {
    let case = |name, mib, expected| Case {
        name,
        callers: 1,
        attack: json!({ "do": "result", "mib": mib }),
        expected,
        peak_mib: 92 + AT_REST,
    };
    let cases = [
        case("a result of 20 MiB", 20, Expected::Limit(&["the result of"])),
        case("a result of 16 MiB, for which there is room", 16, Expected::Allowed),
    ];
    run(&VictimSetup::new([("KEYNET_MEMORY", "92MiB")]).start(), &cases);
}

/// Data that the host reads for a guest is held twice while it is copied: both copies are charged
/// to the guest.
#[test]
fn what_is_read_is_charged_until_the_guest_has_it() {
    let victim =
        VictimSetup::new([("KEYNET_MEMORY", "400MiB"), ("KEYNET_CALL_BYTES", "300MiB")]).start();
    let storage = victim.sandbox().path("storage");
    std::fs::create_dir_all(&storage).unwrap();
    File::create(storage.join("big")).unwrap().set_len(240 << 20).unwrap();
    let case = |name, attack: &str| Case {
        name,
        callers: 1,
        attack: json!({ "do": attack, "location": "big" }),
        expected: Expected::Contained(&["KEYNET_MEMORY"]),
        peak_mib: 400 + AT_REST,
    };
    run(
        &victim,
        &[
            case("an object of 240 MiB, whole", "get"),
            case("an object of 240 MiB, opened", "read"),
            case("a tensor of 240 MiB", "tensor-data"),
        ],
    );
}

#[test]
fn tensors_are_charged_as_long_as_they_are_open() {
    let attack = json!({ "do": "tensors", "mib": 12, "count": 20 });
    let expected = Expected::Refused(&["too-large"], "KEYNET_MEMORY");
    let case =
        Case { name: "20 tensors of 12 MiB", callers: 1, attack, expected, peak_mib: 64 + AT_REST };
    run(&VictimSetup::new([("KEYNET_MEMORY", "64MiB")]).start(), &[case]);
}

/// An etag is a header of a foreign response, and an open object keeps it.
static LONG_ETAGS: LazyLock<HttpServer> = LazyLock::new(|| {
    HttpServer::start(|_, out| {
        let etag = format!("\"{}\"", "e".repeat(200 << 10));
        out.head(
            206,
            &[("Content-Range", "bytes 0-0/10"), ("Content-Length", "1"), ("ETag", &etag)],
        )?;
        std::io::Write::write_all(out, b"x")
    })
});

#[test]
fn open_objects_are_charged_with_all_they_keep() {
    let attack =
        json!({ "do": "open", "count": 2000, "location": format!("{}/x", LONG_ETAGS.url()) });
    let expected = Expected::Contained(&["KEYNET_MEMORY", "etag", "ETag", "header"]);
    let case = Case {
        name: "2,000 objects with etags of 200 KiB",
        callers: 1,
        attack,
        expected,
        peak_mib: 64 + AT_REST,
    };
    run(&VictimSetup::new([("KEYNET_MEMORY", "64MiB")]).start(), &[case]);
}

#[test]
fn all_callers_together_hold_no_more_than_the_process_may() {
    let victim =
        VictimSetup::new([("KEYNET_MEMORY", "256MiB"), ("KEYNET_PROCESS_MEMORY", "512MiB")])
            .start();
    let storage = victim.sandbox().path("storage");
    std::fs::create_dir_all(&storage).unwrap();
    File::create(storage.join("big")).unwrap().set_len(120 << 20).unwrap();
    let limit = PROCESS + AT_REST + PER_REQUEST * CALLERS as u64;
    let case =
        |name, attack, expected| Case { name, callers: CALLERS, attack, expected, peak_mib: limit };
    let memory = Expected::Contained(&["KEYNET_PROCESS_MEMORY", "KEYNET_MEMORY"]);
    let request =
        Expected::Limit(&["KEYNET_PROCESS_MEMORY", "KEYNET_MEMORY", "parameter", "model"]);
    run(
        &victim,
        &[
            case(
                "five guests with 220 MiB each",
                json!({ "do": "touch", "mib": 220, "ms": 500 }),
                memory,
            ),
            case(
                "five requests with 60 MiB of small parameters",
                json!({ "do": "flat-parameters", "mib": 60 }),
                request,
            ),
            case(
                "five requests with a list of 60 MiB",
                json!({ "do": "nested-parameters", "mib": 60 }),
                request,
            ),
            case(
                "five models' names of 60 MiB",
                json!({ "do": "long-model", "mib": 60, "text": "\u{1}" }),
                request,
            ),
            case(
                "five objects of 120 MiB, whole",
                json!({ "do": "get", "location": "big" }),
                memory,
            ),
            case(
                "five objects of 120 MiB, opened",
                json!({ "do": "read", "location": "big" }),
                memory,
            ),
            case(
                "five tensors of 120 MiB",
                json!({ "do": "tensor-data", "location": "big" }),
                memory,
            ),
            case("five results of 60 MiB", json!({ "do": "result", "mib": 60 }), memory),
        ],
    );
}
