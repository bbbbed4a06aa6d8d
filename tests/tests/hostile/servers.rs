//! Responses of servers are read as a stream with a limit: a server cannot make the host hold more
//! than that.

use std::io::Write as _;
use std::time::{Duration, Instant};

use keynet_tests::hostile::{
    AT_REST, Case, Ended, Expected, Failures, HttpServer, TritonAnswers, TritonServer, VictimSetup,
    endless, field, run_each,
};
use keynet_tests::{Ended as Command, Sandbox};
use serde_json::{Value, json};

/// `KEYNET_MEMORY` in MiB, and the most that a server can send before the host disconnects: data in
/// transit is added.
const MEMORY: u64 = 64;
const SENT: u64 = 2 * MEMORY + 64;

/// Length of an endless response, in MiB.
const ENDLESS: u64 = 1024;

/// Expected end of an endless response: an error that names the server, of any kind.
const STOPPED: Expected = Expected::Limit(&[""]);

/// Same as [`STOPPED`], or success within the limits.
const CONTAINED: Expected = Expected::Contained(&[""]);

const S3_HEADERS: &[(&str, &str)] = &[
    ("Content-Type", "application/xml"),
    ("Content-Range", "bytes 0-4/5"),
    ("Content-Length", "5"),
    ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
    ("ETag", "\"e\""),
];

const ENTRY: &str = "<Contents><Key>a</Key><LastModified>2015-10-21T07:28:00.000Z</LastModified><ETag>\"e\"</ETag><Size>1</Size></Contents>";

fn on_s3(server: &HttpServer) -> VictimSetup {
    VictimSetup::new([
        ("KEYNET_MEMORY", "64MiB"),
        ("AWS_BUCKET_NAME", "b"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
    ])
    .with("MLFLOW_S3_ENDPOINT_URL", &server.url())
}

fn attack(name: &'static str, attack: Value, expected: Expected) -> Case {
    Case { name, callers: 1, attack, expected, peak_mib: MEMORY + AT_REST }
}

/// Runs `cases` on a container with this configuration, and checks how much `server` could send for
/// each.
fn meet(setup: &VictimSetup, server: &HttpServer, cases: &[Case], failures: &mut Failures) {
    let victim = setup.start();
    for case in cases {
        server.sent_mib();
        run_each(&victim, std::slice::from_ref(case), failures);
        let sent = server.sent_mib();
        let told = format!("{sent} MiB were sent");
        failures.note(
            &format!("{}: hung up on", case.name),
            if sent <= SENT { Ok(told) } else { Err(told) },
        );
    }
}

#[test]
fn a_store_sends_no_more_than_was_asked_for() {
    let mut failures = Failures::default();
    let server = endless(206, S3_HEADERS, "x", "x", ENDLESS);
    let object = |name, what: &str| attack(name, json!({ "do": what, "location": "x" }), CONTAINED);
    meet(
        &on_s3(&server),
        &server,
        &[
            object("an object of 5 bytes that never ends", "get"),
            object("a part of one", "read"),
            object("a tensor of one", "tensor-data"),
        ],
        &mut failures,
    );
    let refusal =
        endless(403, &[("Content-Type", "application/xml")], "<Error><Message>", "x", ENDLESS);
    let call = |name, what: &str| {
        attack(name, json!({ "do": what, "location": "x", "text": "x" }), STOPPED)
    };
    meet(
        &on_s3(&refusal),
        &refusal,
        &[
            call("a refusal to read that never ends", "get"),
            call("a refusal to write", "put"),
            call("a refusal to list", "list"),
        ],
        &mut failures,
    );
    failures.none();
}

#[test]
fn a_listing_has_an_end() {
    let mut failures = Failures::default();
    for (name, start, piece) in [
        ("a listing that never ends", "<?xml version=\"1.0\"?><ListBucketResult>", ENTRY),
        ("a key that never ends", "<?xml version=\"1.0\"?><ListBucketResult><Contents><Key>", "a"),
        ("a listing of nothing but elements", "<?xml version=\"1.0\"?><ListBucketResult>", "<a>"),
        ("no listing at all", "", " "),
    ] {
        let server = endless(200, &[("Content-Type", "application/xml")], start, piece, ENDLESS);
        meet(
            &on_s3(&server),
            &server,
            &[attack(name, json!({ "do": "list", "location": "x" }), STOPPED)],
            &mut failures,
        );
    }
    failures.none();
}

#[test]
fn a_store_s_headers_are_bounded() {
    let mut failures = Failures::default();
    for (name, header) in
        [("an etag of 200 KiB", "ETag"), ("a content type of 200 KiB", "Content-Type")]
    {
        let server = HttpServer::start(move |_, out| {
            let long = "e".repeat(200 << 10);
            out.head(
                200,
                &[
                    ("Content-Length", "5"),
                    ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
                    (header, &long),
                ],
            )?;
            out.write_all(b"hello")
        });
        let open = json!({ "do": "open", "count": 1000, "location": "x" });
        run_each(&on_s3(&server).start(), &[attack(name, open, CONTAINED)], &mut failures);
    }
    failures.none();
}

#[test]
fn a_store_that_sends_byte_by_byte_takes_only_the_time_that_there_is() {
    let server = HttpServer::start(|_, out| {
        out.head(
            200,
            &[
                ("Content-Type", "application/xml"),
                ("Content-Length", "100000"),
                ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
            ],
        )?;
        out.drip(b"x", 600, Duration::from_millis(100))
    });
    let victim = on_s3(&server).start();
    let mut failures = Failures::default();
    for what in ["get", "list"] {
        let asked = Instant::now();
        let ended =
            victim.ask_within(&json!({ "do": what, "location": "x" }), Duration::from_secs(2));
        let time = asked.elapsed();
        let told = format!("{time:?}: {ended:?}");
        let in_time =
            time < Duration::from_secs(4) && !matches!(ended, Ended::Allowed(_) | Ended::Nothing);
        failures.note(what, if in_time { victim.is_well().map(|()| told) } else { Err(told) });
    }
    failures.none();
}

#[test]
fn a_url_leads_to_no_more_than_may_be_read() {
    let endless_body = endless(200, &[("Content-Type", "text/plain")], "x", "x", ENDLESS);
    let endless_error = endless(403, &[("Content-Type", "text/plain")], "x", "x", ENDLESS);
    let lying = endless(206, S3_HEADERS, "x", "x", ENDLESS);
    let mut failures = Failures::default();
    let setup = VictimSetup::new([("KEYNET_MEMORY", "64MiB")]);
    for (name, server) in [
        ("a URL", &endless_body),
        ("an error at a URL", &endless_error),
        ("a part of a URL", &lying),
    ] {
        let cases = ["get", "read", "head"].map(|what| {
            attack(
                name,
                json!({ "do": what, "location": format!("{}/x", server.url()) }),
                CONTAINED,
            )
        });
        meet(&setup, server, &cases, &mut failures);
    }
    failures.none();
}

fn on_triton(server: &TritonServer) -> VictimSetup {
    VictimSetup::new([("KEYNET_MEMORY", "64MiB"), ("KEYNET_TRITON_RETRY", "1s")])
        .with("TRITON_URL", &server.url())
}

#[test]
fn triton_answers_with_what_was_asked_for() {
    const MIB: usize = 1 << 20;
    /// Largest metadata response in MiB, below the host's own limit of 16 MiB.
    const METADATA: usize = 15;
    let infer =
        |bytes: Vec<u8>| TritonAnswers::new([field(1, b"m"), field(2, b"1"), bytes].concat());
    let metadata = |bytes: Vec<u8>| {
        let mut answers = infer(Vec::new());
        answers.metadata = [answers.metadata.to_vec(), bytes].concat().into();
        answers
    };
    let config = |bytes: Vec<u8>| TritonAnswers { config: bytes.into(), ..infer(Vec::new()) };
    // An empty message takes two bytes; its decoded form is a hundred times as large.
    let empty = |number: u8, mib: usize| field(number, b"").repeat(mib * MIB / 2);
    let mut failures = Failures::default();
    for (name, answers, asked, expected) in [
        ("10,000,000 empty outputs", infer(empty(5, 20)), "predict", STOPPED),
        ("10,000,000 empty contents", infer(empty(6, 20)), "predict", CONTAINED),
        ("10,000,000 empty parameters", infer(empty(4, 20)), "predict", CONTAINED),
        (
            "an output with 10,000,000 empty parameters",
            infer(field(5, &empty(4, 20))),
            "predict",
            CONTAINED,
        ),
        (
            "an output with 20,000,000 dimensions",
            infer(field(
                5,
                &[field(1, b"o"), field(2, b"FP32"), field(3, &vec![1; 20 * MIB])].concat(),
            )),
            "predict",
            CONTAINED,
        ),
        (
            "a model's name of 40 MiB in an answer",
            infer(field(1, &vec![b'm'; 40 * MIB])),
            "predict",
            CONTAINED,
        ),
        ("7,000,000 empty inputs of a model", metadata(empty(4, METADATA)), "metadata", CONTAINED),
        (
            "7,000,000 empty versions of a model",
            metadata(empty(2, METADATA)),
            "metadata",
            CONTAINED,
        ),
        (
            "a platform's name of 15 MiB",
            metadata(field(3, &vec![b'p'; METADATA * MIB])),
            "metadata",
            CONTAINED,
        ),
        (
            "7,000,000 empty inputs of a configuration",
            config(field(1, &empty(5, METADATA))),
            "metadata",
            CONTAINED,
        ),
        ("an answer of 200 MiB", infer(field(6, &vec![0; 200 * MIB])), "predict", CONTAINED),
    ] {
        let server = TritonServer::start(answers);
        let victim = on_triton(&server).start();
        run_each(
            &victim,
            &[attack(name, json!({ "do": asked, "text": "m" }), expected)],
            &mut failures,
        );
    }
    failures.none();
}

#[test]
fn a_model_registry_s_answer_has_an_end() {
    let mut failures = Failures::default();
    for (name, status, start, piece) in [
        ("a name that never ends", 200, "{\"model_version\":{\"name\":\"", "x"),
        ("a list that never ends", 200, "{\"model_version\":{\"tags\":[", "1,"),
        ("spaces that never end", 200, "{", " "),
        (
            "an error that never ends",
            400,
            "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"",
            "x",
        ),
    ] {
        let server =
            endless(status, &[("Content-Type", "application/json")], start, piece, ENDLESS);
        let setup = VictimSetup::new([("KEYNET_MEMORY", "64MiB")])
            .with("MLFLOW_TRACKING_URI", &server.url());
        meet(
            &setup,
            &server,
            &[attack(name, json!({ "do": "predict", "text": "models:/m@champion" }), STOPPED)],
            &mut failures,
        );
    }
    failures.none();
}

fn pull(server: &HttpServer) -> Command {
    let sandbox = Sandbox::new();
    sandbox.run(["pull", &format!("{}/tests/evil:1", server.address()), "-o", "pulled.wasm"])
}

/// Memory limit in MiB of a command that only pulls: it has no engine.
const PULLING: u64 = AT_REST;

#[test]
fn a_registry_s_answers_have_an_end() {
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    let mut failures = Failures::default();
    let mut pulled = |name: &str, server: &HttpServer| {
        let ended = pull(server);
        let sent = server.sent_mib();
        let told = format!(
            "exit {:?}, {} MiB of {PULLING}, {sent} MiB sent: {:.300}",
            ended.code,
            ended.peak_mib,
            ended.stderr.trim()
        );
        let refused = matches!(ended.code, Some(1..=20))
            && ended.stderr.len() < 4096
            && !ended.stderr.contains("panicked at");
        failures.note(
            name,
            if refused && ended.peak_mib <= PULLING && sent <= SENT { Ok(told) } else { Err(told) },
        );
    };
    pulled(
        "a manifest that never ends",
        &endless(
            200,
            &[("Content-Type", MANIFEST)],
            "{\"schemaVersion\":2,\"layers\":[",
            "{},",
            ENDLESS,
        ),
    );
    pulled("a manifest of spaces", &endless(200, &[("Content-Type", MANIFEST)], "{", " ", ENDLESS));
    pulled(
        "an error that never ends",
        &endless(
            404,
            &[("Content-Type", "application/json")],
            "{\"errors\":[{\"message\":\"",
            "x",
            ENDLESS,
        ),
    );
    let tokens = |start: &'static str, piece: &'static [u8]| {
        HttpServer::start(move |head, out| {
            if head.word(1).starts_with("/token") {
                out.head(
                    200,
                    &[("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")],
                )?;
                write!(out, "{:x}\r\n{start}\r\n", start.len())?;
                return out.chunks(piece, ENDLESS << 20);
            }
            let realm = format!(
                "Bearer realm=\"http://{}/token\",service=\"s\",scope=\"r\"",
                head.get("host").unwrap_or_default()
            );
            out.head(401, &[("WWW-Authenticate", &realm), ("Content-Length", "0")])
        })
    };
    pulled("a token that never ends", &tokens("{\"token\":\"", b"x"));
    pulled("a token service's answer of spaces", &tokens("{", b" "));
    let challenge = HttpServer::start(|_, out| {
        let challenge = format!("Bearer {}", "a=\"b\",".repeat(50_000));
        out.head(401, &[("WWW-Authenticate", &challenge), ("Content-Length", "0")])
    });
    pulled("a challenge of 300 kB", &challenge);
    failures.none();
}
