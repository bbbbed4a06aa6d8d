//! Production servers together: models of a Triton that reads its repository from S3, objects in
//! S3, names of MLflow.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::thread;
use std::time::{Duration, Instant};

use keynet_test_servers::{Fault, FaultyProxy, RealServer};
use keynet_tests::outsiders::{mlflow, upload};
use keynet_tests::process::descriptors;
use keynet_tests::runtime::{Runtime, activation};
use keynet_tests::{
    Answer, Sandbox, answer, compiled_guest, fetch, golden, guest, root, send, shared_memory,
};
use serde_json::{Value, json};

/// Creates a sandbox with the objects of a store at `endpoint`, and the models of `triton`.
fn on(s3: &RealServer, endpoint: &str, triton: &RealServer) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("TRITON_URL", format!("http://{}", triton.get("TRITON_GRPC")));
    sandbox.set("MLFLOW_S3_ENDPOINT_URL", endpoint);
    sandbox.set("AWS_BUCKET_NAME", "test");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        sandbox.set(name, s3.get(name));
    }
    sandbox
}

/// Runs an activation with a deadline in `time`, and returns its result and its duration.
fn run_within(runtime: &Runtime, value: &Value, time: Duration) -> (Value, Duration) {
    let began = Instant::now();
    let ended = runtime.post("/run", activation(value, time).to_string().as_bytes());
    assert_eq!(ended.status, 200, "{ended:?}");
    (ended.json(), began.elapsed())
}

// Triton, S3 and MLflow

struct Production {
    s3: RealServer,
    triton: RealServer,
    mlflow: RealServer,
}

impl Production {
    fn start() -> Self {
        thread::scope(|scope| {
            let mlflow = scope.spawn(|| {
                let mlflow = RealServer::mlflow("none");
                mlflow.seed();
                mlflow
            });
            let s3 = RealServer::s3(&[]);
            let triton = Self::triton_on(&s3);
            Self { s3, triton, mlflow: mlflow.join().unwrap() }
        })
    }

    /// Starts a Triton with a repository in S3. The detector's only version is the one with
    /// MLflow's alias `champion`.
    fn triton_on(s3: &RealServer) -> RealServer {
        for (name, key) in [
            ("config.pbtxt", "config.pbtxt"),
            ("labels.txt", "labels.txt"),
            ("1/model.onnx", "2/model.onnx"),
        ] {
            upload(
                s3,
                &golden::file("models/detector").join(name),
                &format!("models/detector/{key}"),
            );
        }
        for name in ["config.pbtxt", "1/model.py", "2/model.py"] {
            let file = root().join("tests/servers/triton/models/add_sub").join(name);
            upload(s3, &file, &format!("models/add_sub/{name}"));
        }
        RealServer::triton(&[
            ("TRITON_MODELS", &format!("s3://{}/test/models", s3.get("S3_ENDPOINT"))),
            ("AWS_ACCESS_KEY_ID", s3.get("AWS_ACCESS_KEY_ID")),
            ("AWS_SECRET_ACCESS_KEY", s3.get("AWS_SECRET_ACCESS_KEY")),
            ("AWS_DEFAULT_REGION", s3.get("AWS_REGION")),
        ])
    }

    fn sandbox(&self) -> Sandbox {
        let mut sandbox = on(&self.s3, self.s3.get("S3_ENDPOINT"), &self.triton);
        sandbox.set("MLFLOW_TRACKING_URI", self.mlflow.get("MLFLOW_TRACKING_URI"));
        sandbox
    }

    /// Sends a request of an operator to MLflow.
    fn tell_mlflow(&self, what: &str, body: &Value) {
        mlflow(&self.mlflow, what, body);
    }

    fn alias(&self, model: &str, version: &str) {
        self.tell_mlflow(
            "registered-models/alias",
            &json!({ "name": model, "alias": "champion", "version": version }),
        );
    }
}

#[test]
fn actions_work_with_triton_s3_and_mlflow_together() {
    let mut production = Production::start();
    the_golden_example_finds_what_it_finds_in_process(&production);
    actions_ask_for_what_mlflow_names(&production);
    actions_go_on_while_mlflow_is_down(&mut production);
}

fn the_golden_example_finds_what_it_finds_in_process(production: &Production) {
    let expected = golden::in_process();
    let s3 = production.s3.get("S3_ENDPOINT");
    upload(&production.s3, &golden::file("picture.png"), "street/picture.png");
    let is_the_same = |result: &Value| {
        golden::assert_same(&result["detections"], &expected.detections);
        let url = result["url"].as_str().unwrap_or_else(|| panic!("no picture: {result}"));
        assert!(
            url.starts_with(&format!("{s3}/test/")) && url.contains("X-Amz-Signature="),
            "{url}"
        );
        let drawn = fetch(url);
        assert!(
            drawn.status == 200
                && drawn.head.to_ascii_lowercase().contains("content-type: image/png"),
            "{}",
            drawn.head
        );
        assert_eq!(golden::size_of_png(&drawn.body), golden::size_of_png(&expected.picture));
        if result["detections"] == expected.detections {
            assert!(
                drawn.body == expected.picture,
                "the same was found, and another picture drawn"
            );
        }
    };
    let sandbox = production.sandbox();
    let presigned = sandbox.run([
        "run",
        guest("capable").to_str().unwrap(),
        "--param",
        "do=presign",
        "--param",
        "location=street/picture.png",
    ]);
    let presigned = presigned.json()["url"].as_str().unwrap().to_owned();
    let pictures = ["street/picture.png", "s3://test/street/picture.png", &presigned];

    let champion = ["--param", "model=models:/detector@champion"];
    for picture in pictures {
        let ended = golden::run(
            &sandbox,
            ["--param", &format!("image_url={picture}"), champion[0], champion[1]],
        );
        is_the_same(&ended.json());
        assert!(ended.stderr.contains("note: wrote s3://test/"), "{}", ended.stderr);
    }

    let runtime = Runtime::of(&sandbox, &guest("image-detection"));
    let by_name = |picture: &str, model: &str| {
        let mut parameters = golden::parameters(picture);
        parameters["model"] = json!(model);
        runtime.run(&parameters).json()
    };
    for picture in pictures {
        is_the_same(&by_name(picture, "models:/detector@champion"));
    }
    the_golden_example_in_python_finds_it_too(production, &pictures, &expected);
    // Triton receives MLflow's version number: it has no version but 2, and another model is not
    // among those that the action requests.
    is_the_same(&by_name(pictures[0], "models:/detector/2"));
    let first = by_name(pictures[0], "models:/detector/1");
    assert!(
        first["error"].as_str().is_some_and(|error| error.contains("model detector:1: ")),
        "{first}"
    );
    let other = by_name(pictures[0], "models:/add_sub@champion");
    assert!(other["error"].as_str().is_some_and(|error| error.contains("keynet.toml")), "{other}");
}

fn the_golden_example_in_python_finds_it_too(
    production: &Production,
    pictures: &[&str],
    expected: &golden::Found,
) {
    let (s3, mut sandbox) = (production.s3.get("S3_ENDPOINT"), production.sandbox());
    let is_alike = |result: &Value| {
        let url = result["url"].as_str().unwrap_or_else(|| panic!("no picture: {result}"));
        assert!(
            url.starts_with(&format!("{s3}/test/")) && url.contains("X-Amz-Signature="),
            "{url}"
        );
        let found =
            golden::Found { detections: result["detections"].clone(), picture: fetch(url).body };
        golden::assert_alike(&found, expected);
    };
    let name = "image-detection-python";
    let runtime = Runtime::of_image(&mut sandbox, &compiled_guest(name));
    for picture in pictures {
        let arguments = [
            "--param",
            &format!("image_url={picture}"),
            "--param",
            "model=models:/detector@champion",
        ];
        is_alike(&golden::run_guest(name, &sandbox, arguments).json());
        let mut parameters = golden::parameters(picture);
        parameters["model"] = json!("models:/detector@champion");
        is_alike(&runtime.run(&parameters).json());
    }
}

/// Container that uses `add_sub` by the names of MLflow; returns the version that answered, or the
/// error.
struct Asking(Runtime);

impl Asking {
    const TTL: Duration = Duration::from_secs(2);

    fn new(production: &Production) -> Self {
        let mut sandbox = production.sandbox();
        sandbox.set("KEYNET_MLFLOW_TTL", format!("{}s", Self::TTL.as_secs()));
        Self(Runtime::of(&sandbox, &guest("capable")))
    }

    fn ask(&self, model: &str, time: Duration) -> Result<u64, String> {
        let (answer, took) = run_within(&self.0, &json!({ "do": "version", "model": model }), time);
        assert!(took < time, "{model}: {took:?} of {time:?}");
        answer["version"].as_u64().ok_or_else(|| {
            answer["error"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
        })
    }

    fn version(&self, model: &str) -> Result<u64, String> {
        self.ask(model, Duration::from_secs(20))
    }
}

fn actions_ask_for_what_mlflow_names(production: &Production) {
    production.tell_mlflow("registered-models/create", &json!({ "name": "add_sub" }));
    for _ in 1..=2 {
        production.tell_mlflow(
            "model-versions/create",
            &json!({ "name": "add_sub", "source": "s3://test/models/add_sub" }),
        );
    }
    production.tell_mlflow(
        "model-versions/transition-stage",
        &json!({ "name": "add_sub", "version": "1", "stage": "Production" }),
    );
    production.alias("add_sub", "2");
    let action = Asking::new(production);
    for (name, version) in
        [("@champion", 2), ("/1", 1), ("/2", 2), ("/Production", 1), ("/latest", 2)]
    {
        assert_eq!(action.version(&format!("models:/add_sub{name}")), Ok(version), "{name}");
    }
    for (model, told) in [
        ("models:/add_sub@nope", "nope"),
        ("models:/nobody@champion", "nobody"),
        ("models:/add_sub/9", "9"),
        ("models:/add_sub/Staging", "no version of add_sub is in the stage Staging"),
        ("models:/add_sub/Sideways", "Sideways"),
    ] {
        let error = action.version(model).unwrap_err();
        assert!(error.contains(model) && error.contains(told), "{error}");
    }

    // A moved alias takes effect.
    production.alias("add_sub", "1");
    let moved = Instant::now();
    while action.version("models:/add_sub@champion") != Ok(1) {
        assert!(
            moved.elapsed() < Asking::TTL + Duration::from_secs(5),
            "the alias was not followed"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

fn actions_go_on_while_mlflow_is_down(production: &mut Production) {
    let warm = Asking::new(production);
    assert_eq!(warm.version("models:/add_sub@champion"), Ok(1));
    production.mlflow.stop();
    let cold = Asking::new(production);
    let short = Duration::from_secs(4);
    let stopped = Instant::now();
    while stopped.elapsed() < Asking::TTL + Duration::from_secs(1) {
        assert_eq!(warm.ask("models:/add_sub@champion", short), Ok(1));
        thread::sleep(Duration::from_millis(50));
    }
    // A version number needs no lookup; an alias cannot be resolved without MLflow.
    assert_eq!(warm.ask("models:/add_sub/2", short), Ok(2));
    for action in [&warm, &cold] {
        let error = action.ask("models:/add_sub@unheard-of", short).unwrap_err();
        let address = production.mlflow.get("MLFLOW_TRACKING_URI");
        assert!(
            error.contains(&format!("MLflow at {address}")) && error.contains("cannot be reached"),
            "{error}"
        );
    }
    let open = [descriptors(warm.0.id()), descriptors(cold.0.id())];
    assert!(cold.ask("models:/add_sub@champion", short).is_err());

    production.mlflow.resume();
    let back = Instant::now();
    while cold.version("models:/add_sub@champion") != Ok(1) {
        assert!(
            back.elapsed() < Asking::TTL + Duration::from_secs(5),
            "MLflow is back and was not asked"
        );
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(warm.version("models:/add_sub@champion"), Ok(1));
    for (action, open) in [&warm, &cold].into_iter().zip(open) {
        assert!(descriptors(action.0.id()) <= open + 4, "connections stay open");
    }
}

// Faults, seen from actions of one container

/// Container whose Triton can be stopped and whose S3 fails on demand.
struct Faulty {
    runtime: Runtime,
    s3: FaultyProxy,
    /// Sandbox that holds everything that the container writes.
    sandbox: Sandbox,
}

impl Faulty {
    const TIME: Duration = Duration::from_secs(8);

    fn new(s3: &RealServer, triton: &RealServer) -> Self {
        let proxy = FaultyProxy::before(s3.get("S3_ENDPOINT"));
        let mut sandbox = on(s3, &proxy.url(), triton);
        std::fs::create_dir(sandbox.path("tmp")).unwrap();
        sandbox.set("TMPDIR", sandbox.path("tmp").display());
        sandbox.set("KEYNET_TRITON_SHM", "auto");
        sandbox.set("KEYNET_TRITON_RETRY", "1s");
        Self { runtime: Runtime::of(&sandbox, &guest("capable")), s3: proxy, sandbox }
    }

    /// Returns the result of an activation, within its time.
    fn answer(&self, value: &Value) -> Value {
        self.answer_within(Self::TIME, value)
    }

    fn answer_within(&self, time: Duration, value: &Value) -> Value {
        let (answer, took) = run_within(&self.runtime, value, time);
        assert!(took < time, "{value}: {took:?}");
        answer
    }

    /// Returns the error of an activation, within its time.
    fn error_within(&self, time: Duration, value: &Value) -> String {
        let answer = self.answer_within(time, value);
        answer["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{value} did not fail: {answer}"))
            .to_owned()
    }

    fn is_well(&self) {
        assert_eq!(self.answer(&json!({ "do": "mirror" })), json!({ "right": true }));
        let stored = self.answer(&json!({ "do": "put", "location": "a", "content": "written" }));
        assert!(
            stored["url"].as_str().is_some_and(|url| url.starts_with(&self.s3.url())),
            "{stored}"
        );
        assert_eq!(
            self.answer(&json!({ "do": "get", "location": "a" })),
            json!({ "content": "written" })
        );
    }

    /// Sends a request that takes Triton long, and waits until Triton processes it.
    fn mirroring(&self, time: Duration) -> std::net::TcpStream {
        let body = activation(&json!({ "do": "mirror", "ms": 60_000 }), time).to_string();
        let sent = send(self.runtime.address(), "POST", "/run", &[], body.as_bytes());
        self.runtime.says("mirroring for 60000 ms");
        thread::sleep(Duration::from_millis(500));
        sent
    }

    /// Reads the pending log windows, so that later lines are new.
    fn forget_logs(&self, activations: usize) {
        (0..activations).for_each(|_| drop(self.runtime.window()));
    }

    /// Asserts that no more than `open` descriptors, and a few, remain open.
    fn assert_nothing_is_left(&self, open: usize) {
        let began = Instant::now();
        while descriptors(self.runtime.id()) > open + 4 {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "{} files are open, {open} were",
                descriptors(self.runtime.id())
            );
            thread::sleep(Duration::from_millis(50));
        }
        let left: Vec<_> = std::fs::read_dir(self.sandbox.path("tmp"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn error_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["error"]
        .as_str()
        .unwrap_or_else(|| panic!("it did not fail: {answer:?}"))
        .to_owned()
}

#[test]
fn faults_of_triton_and_s3_cost_the_activation_that_meets_them_and_no_other() {
    let (s3, mut triton) = (RealServer::s3(&[]), RealServer::triton(&[("TRITON_LOAD", "mirror")]));
    let mut it = Faulty::new(&s3, &triton);
    it.is_well();
    it.is_well();
    it.forget_logs(6);
    let open = descriptors(it.runtime.id());
    triton_dies_and_comes_back(&it, &mut triton);
    triton_hangs(&it, &triton);
    it.assert_nothing_is_left(open);
    s3_fails(&it);
    it.assert_nothing_is_left(open);
    // The regions of the three calls that Triton did not answer are kept for a minute.
    assert!(
        shared_memory::of(it.runtime.id()).len() <= 4,
        "{:?}",
        shared_memory::of(it.runtime.id())
    );

    it.runtime.signal("TERM");
    assert_eq!(it.runtime.ends_within(Duration::from_secs(5)).code(), Some(0));
    assert_eq!(
        (shared_memory::of(it.runtime.id()).len(), shared_memory::registered(&triton).len()),
        (0, 0)
    );
}

fn triton_dies_and_comes_back(it: &Faulty, triton: &mut RealServer) {
    for end in [RealServer::kill, RealServer::stop] {
        let sent = it.mirroring(Duration::from_secs(30));
        // Triton may take up to 15 s to end; then the script kills it.
        end(triton);
        let ended = Instant::now();
        let error = error_of(&answer(sent));
        assert!(
            error.contains("Triton") && ended.elapsed() < Duration::from_secs(10),
            "{:?}: {error}",
            ended.elapsed()
        );
        let error = it.error_within(Faulty::TIME, &json!({ "do": "mirror" }));
        assert!(
            error.contains("Triton cannot be reached") && error.contains("TRITON_URL"),
            "{error}"
        );
        // An action without models is not affected.
        assert_eq!(
            it.answer(&json!({ "do": "get", "location": "a" })),
            json!({ "content": "written" })
        );
        triton.resume();
        it.is_well();
        it.forget_logs(6);
    }
}

fn triton_hangs(it: &Faulty, triton: &RealServer) {
    triton.signal("STOP");
    let error = it.error_within(Duration::from_secs(2), &json!({ "do": "mirror" }));
    triton.signal("CONT");
    // The action may receive the error before its own time is over, or not.
    assert!(
        error.contains("model mirror did not answer")
            || error.contains("it waited for triton-predict.predict"),
        "{error}"
    );
    it.is_well();
}

fn s3_fails(it: &Faulty) {
    const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code><Message>Please reduce your request \
        rate.</Message></Error>";
    let (get, put) = (
        json!({ "do": "get", "location": "a" }),
        json!({ "do": "put", "location": "a", "content": "written" }),
    );
    let hurry = Duration::from_secs(2);
    for (fault, time, told) in [
        (Fault::Answer(500, ""), Faulty::TIME, "500"),
        (Fault::Answer(503, SLOW_DOWN), Faulty::TIME, "SlowDown"),
        (Fault::Close, Faulty::TIME, "the object store failed to"),
        (Fault::Silence, hurry, "it waited for storage."),
        (Fault::Late(hurry * 2), hurry, "it waited for storage."),
    ] {
        it.s3.always(fault.clone());
        for call in [&get, &put] {
            it.s3.hang_up();
            let error = it.error_within(time, call);
            assert!(error.contains(told), "{fault:?}, {call}: {error}");
        }
        it.s3.plan([]);
        it.s3.hang_up();
        it.is_well();
    }
    // Transient errors have no effect.
    it.s3.hang_up();
    it.s3.plan([
        Fault::Answer(500, ""),
        Fault::Answer(503, SLOW_DOWN),
        Fault::Cut(0),
        Fault::Late(Duration::from_millis(500)),
    ]);
    it.is_well();
}
