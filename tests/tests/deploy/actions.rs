//! The life of an action in OpenWhisk.

use super::*;

#[test]
fn a_component_is_deployed_invoked_changed_and_removed() {
    let (sandbox, openwhisk) = running(Setup::default());
    let hello = path("hello");

    let deployed = done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--json"]).json();
    assert_eq!(
        (&deployed["name"], &deployed["created"], &deployed["version"]),
        (&json!("/guest/hello"), &json!(true), &json!("0.0.1"))
    );
    assert_eq!(
        (&deployed["kind"], &deployed["image"], &deployed["url"]),
        (&json!("blackbox"), &json!(IMAGE), &Value::Null)
    );
    let stored = openwhisk.stored("", "hello");
    let encoded = Command::new("base64").arg("-w0").arg(&hello).output().unwrap();
    assert_eq!(stored["exec"]["code"].as_str().unwrap().as_bytes(), encoded.stdout);
    assert_eq!(stored["exec"]["binary"], true);
    assert_eq!(annotation(&stored, "provide-api-key"), &json!(false));
    assert_eq!(annotation(&stored, "description"), "Greets a person by name.");
    let parameters = json!([{ "name": "name", "required": true, "type": "string", "description": "Who is greeted." }]);
    assert_eq!(annotation(&stored, "parameters"), &parameters);
    assert_eq!(annotation(&stored, "keynet-digest"), &deployed["digest"]);

    let invoked = done(&sandbox, &["invoke", "hello", "--param", "name=Ada"]);
    assert_eq!(invoked.stdout, "{\"greeting\":\"Hello, Ada!\"}\n");
    let logged = done(&sandbox, &["logs", "hello", "--strip"]);
    assert!(logged.stdout.lines().any(|line| line == "greeting Ada"), "{logged:?}");
    assert!(!logged.stdout.contains("XXX_THE_END"), "{logged:?}");

    // An error of the action, as text and as JSON.
    fails(
        &sandbox,
        &["invoke", "/_/hello"],
        1,
        "error: the action answered with an error: the parameter `name` is missing",
    );
    let told = sandbox.run(["invoke", "hello", "--json", "--logs"]);
    assert_eq!(
        (told.code, &told.json()["kind"], &told.json()["status"]),
        (Some(1), &json!("application-error"), &json!("application error"))
    );
    let id = told.json()["activation"].as_str().unwrap().to_owned();
    let logs = done(&sandbox, &["logs", &id, "--json"]).json();
    assert_eq!((&logs["activation"], &logs["status"]), (&json!(id), &json!("application error")));

    // Settings that are not given are unchanged: foreign annotations, parameters, limits.
    let web = [
        "deploy",
        &hello,
        "--image",
        IMAGE,
        "--web",
        "true",
        "--param",
        "word=Hi",
        "--annotation",
        "team=vision",
        "--timeout",
        "30s",
    ];
    let updated = done(&sandbox, &web);
    let url = format!("{}/api/v1/web/guest/default/hello", openwhisk.host());
    assert!(
        updated.stdout.starts_with("updated /guest/hello\n")
            && updated.stdout.contains(&format!("url      {url}\n")),
        "{updated:?}"
    );
    let again = done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--json"]).json();
    assert_eq!(
        (&again["version"], &again["limits"]["timeout"], &again["created"]),
        (&json!("0.0.3"), &json!(30_000), &json!(false))
    );
    let stored = openwhisk.stored("", "hello");
    assert_eq!(
        (annotation(&stored, "team"), &stored["parameters"]),
        (&json!("vision"), &json!([{ "key": "word", "value": "Hi" }]))
    );
    assert_eq!(
        [
            annotation(&stored, "web-export"),
            annotation(&stored, "final"),
            annotation(&stored, "raw-http")
        ],
        [true, true, false]
    );
    assert_eq!(done(&sandbox, &["invoke", "hello", "--url"]).stdout, format!("{url}\n"));
    let answer = fetch(&format!("{url}.json?name=Bea"));
    assert_eq!((answer.status, answer.json()), (200, json!({ "greeting": "Hi, Bea!" })));
    assert_eq!(
        fetch(&format!("{url}.json?name=Bea&word=Ho")).status,
        400,
        "final parameters are final"
    );

    let listed = done(&sandbox, &["list"]).stdout;
    assert!(
        listed.contains("/guest/hello  blackbox  256 MB, 30 s") && listed.contains(&url),
        "{listed}"
    );
    assert_eq!(
        done(&sandbox, &["list", "guest", "--json"]).json()[0]["digest"],
        deployed["digest"]
    );

    assert_eq!(done(&sandbox, &["undeploy", "hello"]).stdout, "removed hello\n");
    fails(&sandbox, &["undeploy", "hello"], 8, "error: OpenWhisk has no action hello\n");
    assert!(done(&sandbox, &["list"]).stderr.contains("there are no actions"));
}

#[test]
fn a_secured_web_action_wants_its_secret() {
    let (sandbox, openwhisk) = running(Setup::default());
    let hello = path("hello");
    fails(
        &sandbox,
        &["deploy", &hello, "--image", IMAGE, "--web-secure", "true"],
        2,
        "--web-secure is for web actions",
    );
    let ended = done(
        &sandbox,
        &[
            "deploy",
            &hello,
            "--image",
            IMAGE,
            "--web",
            "yes",
            "--web-secure",
            "hunter2-hunter2",
            "-vv",
        ],
    );
    assert!(!ended.stdout.contains("hunter2") && !ended.stderr.contains("hunter2"), "{ended:?}");
    let call = |secret: Option<&str>| {
        let headers: Vec<_> =
            secret.map(|secret| ("X-Require-Whisk-Auth", secret)).into_iter().collect();
        http(
            openwhisk.address(),
            "GET",
            "/api/v1/web/guest/default/hello.json?name=Ada",
            &headers,
            &[],
        )
        .status
    };
    assert_eq!([call(None), call(Some("wrong")), call(Some("hunter2-hunter2"))], [401, 401, 200]);
    done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--web-secure", "true"]);
    let number = annotation(&openwhisk.stored("", "hello"), "require-whisk-auth").clone();
    assert!(number.is_u64(), "{number}");
    done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--web-secure", "true"]);
    assert_eq!(annotation(&openwhisk.stored("", "hello"), "require-whisk-auth"), &number);
    done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--web-secure", "false"]);
    assert_eq!(
        (annotation(&openwhisk.stored("", "hello"), "require-whisk-auth"), call(None)),
        (&Value::Null, 200)
    );
    done(&sandbox, &["deploy", &hello, "--image", IMAGE, "--web", "no"]);
    assert_eq!(call(None), 404);
}

#[test]
fn a_published_component_is_deployed_by_its_digest() {
    let registry = RealServer::registry("basic");
    let host = registry.get("REGISTRY");
    let mut sandbox = sandbox();
    for (name, value) in [("HOSTS", host), ("USERNAME", "alice"), ("PASSWORD", "s3cret")] {
        sandbox.set(&format!("KEYNET_REGISTRY_{name}"), value);
    }
    sandbox.set("KEYNET_REGISTRY", host);
    let openwhisk = OpenWhisk::running(&sandbox, Setup { kind: true, ..Setup::default() });
    openwhisk.configure(&mut sandbox);
    let login =
        sandbox.command(["login", "--registry", host, "--username", "alice", "--password-stdin"]);
    let login = end_with_input(login, "s3cret");
    assert_eq!(login.code, Some(0), "{login:?}");

    let reference = format!("{host}/team/hello:1");
    let pushed = done(&sandbox, &["push", &path("hello"), &reference, "--json"]).json();
    let digest = pushed["digest"].as_str().unwrap();
    let deployed = done(&sandbox, &["deploy", &reference, "--name", "greet", "--json"]).json();
    assert_eq!((&deployed["kind"], &deployed["image"]), (&json!("wasm:component"), &Value::Null));
    assert_eq!(deployed["reference"], format!("{reference}@{digest}"));
    let stored = openwhisk.stored("", "greet");
    assert_eq!(stored["exec"]["code"], format!("oci://{host}/team/hello@{digest}"));
    assert_eq!(stored["exec"]["binary"], false);
    assert_eq!(
        done(&sandbox, &["invoke", "greet", "--param", "name=Ada"]).stdout,
        "{\"greeting\":\"Hello, Ada!\"}\n"
    );
    let short = format!("{reference}@sha256:{}", &digest[7..19]);
    assert!(done(&sandbox, &["list"]).stdout.contains(&short));

    // The tag moves; the deployed action does not change until it is deployed again.
    done(&sandbox, &["push", &path("contract"), &reference]);
    assert_eq!(
        done(&sandbox, &["invoke", "greet", "--param", "name=Ada"]).stdout,
        "{\"greeting\":\"Hello, Ada!\"}\n"
    );
    done(&sandbox, &["deploy", &reference, "--name", "greet"]);
    assert_eq!(
        done(&sandbox, &["invoke", "greet", "--param", "name=Ada"]).stdout,
        "{\"name\":\"Ada\"}\n"
    );

    fails(&sandbox, &["deploy", &format!("{host}/team/nothing:1")], 11, "has no");
}

#[test]
fn a_container_that_may_not_contact_the_registry_is_a_developer_error() {
    let registry = RealServer::registry("none");
    let reference = format!("{}/team/hello:1", registry.get("REGISTRY"));
    let (sandbox, _openwhisk) = running(Setup::default());
    done(&sandbox, &["push", &path("hello"), &reference]);
    done(&sandbox, &["deploy", &reference, "--image", IMAGE]);
    let ended = fails(
        &sandbox,
        &["invoke", "hello", "--param", "name=Ada"],
        1,
        "error: the action failed: ",
    );
    assert!(ended.stderr.contains("may not be contacted"), "{ended:?}");
    let told = sandbox.run(["invoke", "hello", "--json"]);
    assert_eq!((told.code, &told.json()["kind"]), (Some(1), &json!("developer-error")));
    let logs = done(&sandbox, &["logs", "hello"]).stdout;
    assert!(logs.contains("Log data might be missing"), "{logs}");

    // A missing image is reported by OpenWhisk.
    done(&sandbox, &["deploy", &path("hello"), "--image", "nobody/nothing:1", "--name", "lost"]);
    fails(
        &sandbox,
        &["invoke", "lost"],
        1,
        "OpenWhisk could not run the action (whisk internal error): Failed to pull container image \
            'nobody/nothing:1'.",
    );
}

#[test]
fn an_activation_that_takes_longer_is_waited_for() {
    let (sandbox, _openwhisk) =
        running(Setup { max_wait: Duration::from_millis(300), ..Setup::default() });
    done(&sandbox, &["deploy", &path("contract"), "--image", IMAGE]);
    let sleeps = ["invoke", "contract", "--param", "do=sleep", "--param", "ms=1200"];
    let ended = done(&sandbox, &sleeps);
    assert_eq!(ended.stdout, "{\"slept\":1200}\n");
    assert!(ended.stderr.contains("goes on; its record is waited for"), "{ended:?}");
    let record = done(&sandbox, &[&sleeps[..], &["--blocking"]].concat()).json();
    assert_eq!(record["response"]["result"], json!({ "slept": 1200 }));
    assert!(record["logs"].is_array(), "{record}");
    fails(
        &sandbox,
        &[&sleeps[..], &["--wait", "100ms"]].concat(),
        1,
        "has not ended after 100.00 ms",
    );

    let id = done(&sandbox, &[&sleeps[..], &["--no-wait"]].concat()).stdout;
    assert_eq!(id.trim().len(), 32);
    fails(&sandbox, &["logs", id.trim()], 8, "OpenWhisk has no activation");
    std::thread::sleep(Duration::from_secs(3));
    assert!(
        done(&sandbox, &["logs", id.trim(), "--strip"]).stdout.lines().any(|line| line == "asleep")
    );

    // An array is returned without a record.
    assert_eq!(
        done(&sandbox, &["invoke", "contract", "--param", "do=array"]).stdout,
        "[1,{\"two\":2}]\n"
    );
}

#[test]
fn logs_are_followed_from_activation_to_activation() {
    let (sandbox, _openwhisk) = running(Setup::default());
    done(&sandbox, &["deploy", &path("hello"), "--image", IMAGE]);
    fails(&sandbox, &["logs", "--last"], 8, "OpenWhisk has no activation");
    let mut follow = Process::start(
        sandbox.command(["logs", "hello", "--follow", "--strip"]).stdout(Stdio::piped()),
    );
    let mut lines = BufReader::new(follow.pipes().stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter(|line| line.starts_with("greeting"));
    std::thread::sleep(Duration::from_millis(500));
    for name in ["Ada", "Bea"] {
        done(&sandbox, &["invoke", "hello", "--param", &format!("name={name}")]);
        assert_eq!(lines.next(), Some(format!("greeting {name}")));
    }
    follow.signal("TERM");
    assert!(follow.ends_within(Duration::from_secs(20)).success());
    assert!(done(&sandbox, &["logs", "--last"]).stdout.contains(" stdout: greeting Bea\n"));
}

#[test]
fn variables_of_the_container_are_no_parameters() {
    let (sandbox, openwhisk) = running(Setup::default());
    std::fs::write(sandbox.path("env.json"), "{\"PASSWORD\": \"hunter2\"}").unwrap();
    let contract = path("contract");
    let deploy = [
        "deploy",
        &contract,
        "--image",
        IMAGE,
        "--param",
        "a=1.50",
        "--env",
        "GREETING=hello",
        "--env-file",
        "env.json",
        "-vv",
    ];
    let ended = done(&sandbox, &deploy);
    assert!(!ended.stderr.contains("hunter2") && !ended.stdout.contains("hunter2"), "{ended:?}");
    assert_eq!(
        openwhisk.stored("", "contract")["parameters"],
        json!([{ "key": "GREETING", "value": "hello", "init": true }, { "key": "PASSWORD", "value": "hunter2", "init": true }, { "key": "a", "value": 1.5 }])
    );
    let environment = done(&sandbox, &["invoke", "contract", "--param", "do=environment"]).json();
    assert_eq!(
        (&environment["GREETING"], &environment["PASSWORD"], &environment["__OW_API_KEY"]),
        (&json!("hello"), &json!("hunter2"), &Value::Null)
    );
    assert_eq!(done(&sandbox, &["invoke", "contract"]).json(), json!({ "a": 1.5 }));
    let note =
        done(&sandbox, &["deploy", &contract, "--image", IMAGE, "--param", "MODEL_NAME=x"]).stderr;
    assert!(note.contains("--env MODEL_NAME=…"), "{note}");
    fails(
        &sandbox,
        &["deploy", &contract, "--image", IMAGE, "-p", "X=1", "-e", "X=2"],
        2,
        "both a parameter and a variable",
    );
}

#[test]
fn what_compiling_needs_decides_the_memory() {
    let (sandbox, openwhisk) = running(Setup { min_memory: 64, ..Setup::default() });
    let component = path("image-detection");
    let deploy = ["deploy", &component, "--image", IMAGE];
    let with = |more: &[&'static str]| [&deploy[..], more].concat();
    let memory = || openwhisk.stored("", "image-detection")["limits"]["memory"].clone();
    let ended = fails(
        &sandbox,
        &with(&["--memory", "64MiB"]),
        3,
        "--memory 64MiB is too little to compile the component in: give it 128MiB,",
    );
    assert!(
        ended.stderr.contains("image build")
            && openwhisk.seen().iter().all(|seen| !seen.line.starts_with("PUT")),
        "{ended:?}"
    );
    done(&sandbox, &with(&["--memory", "64MiB", "--skip-memory-check"]));
    assert_eq!(memory(), 64);
    // Without an explicit limit it is raised, and the user is informed.
    let ended = done(&sandbox, &deploy);
    assert!(
        ended.stderr.contains("the action gets 128 MB of memory instead of 64, in which"),
        "{ended:?}"
    );
    assert_eq!(memory(), 128);
    assert!(!done(&sandbox, &deploy).stderr.contains("the action gets"));
}
