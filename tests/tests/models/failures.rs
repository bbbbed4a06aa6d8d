//! Deployments that fail or are stopped.

use super::*;

/// Returns a folder of a Triton repository whose model takes `seconds` to load.
fn slow(seconds: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("1")).unwrap();
    let model = format!(
        "import time\nclass TritonPythonModel:\n    def initialize(self, \
        args):\n        time.sleep({seconds})\n"
    );
    fs::write(folder.path().join("1/model.py"), model).unwrap();
    let config = "backend: \"python\"\noutput { name: \"y\" data_type: TYPE_FP32 dims: [ 1 ] }";
    fs::write(folder.path().join("config.pbtxt"), config).unwrap();
    folder
}

#[test]
fn a_deployment_that_is_stopped_or_too_late_leaves_nothing() {
    let production = Production::start(Place::Folder(tempfile::tempdir().unwrap()), None, "");
    let before = production.place.files();
    let slow = slow(4);
    let source = slow.path().to_str().unwrap();

    let mut command = production.sandbox.command(["model", "deploy", source, "--name", "slow"]);
    let mut deploying = command.stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(deploying.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    for line in lines.map_while(Result::ok) {
        if line == "loading" {
            assert!(production.place.files().contains_key("slow/1/model.py"));
            signal(deploying.id(), "INT");
        }
        said.push(line);
    }
    assert_eq!(deploying.wait().unwrap().code(), Some(130), "{said:?}");
    assert!(
        said.last().unwrap().contains("stopped before it was done; nothing of it was left"),
        "{said:?}"
    );
    assert_eq!(production.place.files(), before);

    production.refuses(
        &["deploy", source, "--name", "slow", "--timeout", "1s"],
        10,
        &["not done in the time it was given; nothing of it was left"],
    );
    assert_eq!(production.place.files(), before);
    assert_eq!(production.loaded(), Vec::<String>::new());
    production.does(
        &["deploy", source, "--name", "slow", "--version", "7"],
        &format!("deployed slow:7 from file://{source}\n"),
    );
    assert!(production.place.files().contains_key("slow/7/model.py"));
}

#[test]
fn a_deployment_waits_for_a_server_that_is_starting() {
    let mut production = Production::start(Place::Folder(tempfile::tempdir().unwrap()), None, "");
    let file = root().join("host/crates/models/tests/models/versions/2/model.onnx");
    let source = file.to_str().unwrap();
    production.triton.stop();
    production.refuses(
        &["deploy", source, "--name", "adder"],
        10,
        &["Triton cannot be reached", "TRITON_URL"],
    );
    let deploying =
        production.sandbox.command(["model", "deploy", source, "--name", "adder", "--wait"]);
    let ended = thread::scope(|scope| {
        let ended = scope.spawn(|| end(deploying));
        thread::sleep(Duration::from_secs(1));
        production.triton.resume();
        ended.join().unwrap()
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("waiting for the server"), "{ended:?}");
    assert_eq!(production.of_five("adder", 1), Some(7.0));
}

#[test]
fn a_server_that_takes_no_orders_says_how_to_start_it() {
    let production = Production::start(
        Place::Folder(tempfile::tempdir().unwrap()),
        None,
        "--model-control-mode=none",
    );
    let before = production.place.files();
    let file = root().join("host/crates/models/tests/models/versions/2/model.onnx");
    let arguments = ["deploy", file.to_str().unwrap(), "--name", "adder"];
    production.refuses(&arguments, 8, &["--model-control-mode=explicit", "nothing of it was left"]);
    assert_eq!(production.place.files(), before);
}

#[test]
fn a_store_that_fails_in_the_middle_gets_back_what_it_had() {
    let mut production = Production::start(Place::S3(RealServer::s3(&[])), None, "");
    let Place::S3(server) = &production.place else { panic!("S3") };
    let file = root().join("host/crates/models/tests/models/versions/2/model.onnx");
    let deploy = ["deploy", file.to_str().unwrap(), "--name", "adder"];
    production.does(
        &deploy,
        &format!("deployed adder:1 from file://{}\n", file.canonicalize().unwrap().display()),
    );
    let mut before = production.place.files();
    let proxy = FaultyProxy::before(server.get("S3_ENDPOINT"));
    production.sandbox.set("TRITON_MODEL_REPO", format!("s3://{}/test/deep/models", proxy.url()));
    let mut failed = 0;
    // The connection breaks after this many bytes of responses, and the retry on another connection
    // is refused.
    for through in [600, 1200, 2400, 3600, 4800] {
        proxy.plan([
            Fault::Cut(through),
            Fault::Answer(403, "<Error><Code>AccessDenied</Code></Error>"),
        ]);
        let ended = production.model(&["update", deploy[1], "--name", "adder"]);
        proxy.plan([]);
        if ended.code == Some(0) {
            production.does(&["delete", "adder"], "deleted adder\n");
            production.does(
                &deploy,
                &format!(
                    "deployed adder:1 from file://{}\n",
                    file.canonicalize().unwrap().display()
                ),
            );
            before = production.place.files();
            continue;
        }
        assert_eq!(production.place.files(), before, "after {through}: {ended:?}");
        assert_eq!(production.of_five("adder", 1), Some(7.0), "after {through}: {ended:?}");
        failed += 1;
    }
    assert!(failed > 0);
    // Leftovers of a deployment that was killed: its record, and some of its files.
    production.does(&["delete", "adder"], "deleted adder\n");
    for left in ["adder/mlflow-meta.json", "adder/1/model.onnx"] {
        production.place.put(left, &before[left]);
    }
    production.refuses(&deploy, 8, &["there is a model adder in the repository"]);
    production.does(&["delete", "adder"], "deleted adder\n");
    assert_eq!(names(&production.place.files()), ["byhand/1/model.onnx", "byhand/config.pbtxt"]);
}

#[test]
fn two_that_deploy_the_same_name_at_once_do_not_harm_each_other() {
    let production = Production::start(Place::Folder(tempfile::tempdir().unwrap()), None, "");
    let slow = slow(2);
    let source = slow.path().to_str().unwrap();
    let deploy = || end(production.sandbox.command(["model", "deploy", source, "--name", "twice"]));
    let mut ended = thread::scope(|scope| {
        let both = [scope.spawn(deploy), scope.spawn(deploy)];
        both.map(|one| one.join().unwrap())
    });
    ended.sort_by_key(|ended| ended.code);
    assert_eq!((ended[0].code, ended[1].code), (Some(0), Some(8)), "{ended:?}");
    assert!(ended[1].stderr.contains("there is a model twice"), "{ended:?}");
    assert_eq!(production.loaded(), ["twice:1"]);
    assert!(production.place.files().contains_key("twice/1/model.py"));
}

#[test]
fn an_update_that_is_stopped_while_it_loads_leaves_the_version_before() {
    let production = Production::start(Place::Folder(tempfile::tempdir().unwrap()), None, "");
    let (quick, slow) = (slow(0), slow(4));
    let [quick, slow] = [&quick, &slow].map(|folder| folder.path().to_str().unwrap());
    production.does(
        &["deploy", quick, "--name", "model"],
        &format!("deployed model:1 from file://{quick}\n"),
    );
    let before = production.place.files();
    production.refuses(
        &["update", slow, "--name", "model", "--timeout", "1s"],
        10,
        &["what was there before is served as it was", "--timeout"],
    );
    assert_eq!(production.place.files(), before);
    assert_eq!(production.loaded(), ["model:1"]);
    // A server that cannot parse its files reports little; the command adds the details.
    fs::write(Path::new(slow).join("config.pbtxt"), "backend: \"python\"\nnobody_knows: 1")
        .unwrap();
    production.refuses(
        &["update", slow, "--name", "model"],
        8,
        &["could not read the model's config.pbtxt"],
    );
    assert_eq!(
        (production.place.files(), production.loaded()),
        (before, vec!["model:1".to_owned()])
    );
}
