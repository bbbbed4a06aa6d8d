//! Parameters, inputs and the URLs of objects.

use super::*;

#[test]
fn parameters_are_json_where_they_can_be_and_the_last_one_counts() {
    let sandbox = Sandbox::new();
    std::fs::write(
        sandbox.path("file.json"),
        r#"{"do": "sleep", "a": 1, "b": [1, 2], "kept": {"c": null}}"#,
    )
    .unwrap();
    let arguments = [
        "--params-file",
        "file.json",
        "--param",
        "do=behave",
        "-p",
        "a=2",
        "--param",
        "a=3",
        "--param",
        "b=x=y",
        "--param",
        "quoted=\"0.3\"",
        "--param",
        "number=0.30",
        "--param",
        "yes=true",
        "--param",
        "half={",
        "--param",
        "empty=",
    ];
    let ended = run(&sandbox, "hostile", &arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let expected = json!({ "do": "behave", "a": 3, "b": "x=y", "kept": { "c": null }, "quoted": "0.3", "number": 0.3, "yes": true, "half": "{", "empty": "" });
    assert_eq!(ended.json()["parameters"], expected);
}

#[test]
fn parameters_come_from_standard_input() {
    let sandbox = Sandbox::new();
    let hello = |input: &str, more: &[&str]| {
        end_with_input(command(&sandbox, "hello", &[&["--params-file", "-"], more].concat()), input)
    };
    assert_eq!(hello("{\"name\": \"Ada\"}\n", &[]).json(), json!({ "greeting": "Hello, Ada!" }));
    assert_eq!(
        hello("\u{feff}{\"name\": \"Ada\", \"word\": \"Good\"}", &["--param", "name=Bo"]).json(),
        json!({ "greeting": "Good, Bo!" })
    );
    says(&hello("", &[]), 2, &["standard input", "it is empty"]);
    says(&hello("\"Ada\"", &[]), 2, &["neither a JSON object nor an array"]);
    says(&hello("[1]", &["--param", "name=Ada"]), 2, &["array"]);
    says(&hello("{\n\"name\": Ada}", &[]), 2, &["line 2"]);
}

#[test]
fn configuration_among_the_parameters_is_told_and_left_out() {
    let ended = run(
        &Sandbox::new(),
        "hostile",
        &["--param", "do=behave", "--param", "TRITON_URL=http://h", "--param", "KEYNET_MEMORY=1"],
    );
    says(
        &ended,
        0,
        &["the parameter TRITON_URL is left out", "the parameter KEYNET_MEMORY is left out"],
    );
    assert_eq!(ended.json()["parameters"], json!({ "do": "behave" }));
}

#[test]
fn an_input_is_a_url_that_the_action_reads() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("note.txt"), "written by hand").unwrap();
    let ended = run(&sandbox, "capable", &["--param", "do=get", "--input", "location=note.txt"]);
    assert_eq!(ended.json(), json!({ "content": "written by hand" }), "{ended:?}");
    assert!(
        !ended.stderr.contains("wrote"),
        "the input is not what the action wrote: {}",
        ended.stderr
    );
    let stored = keynet_files(&sandbox.path("storage/inputs"));
    assert!(matches!(stored.as_slice(), [one] if one.ends_with("/note.txt")), "{stored:?}");
    run(&sandbox, "capable", &["--param", "do=get", "--input", "location=note.txt"]);
    assert_eq!(
        keynet_files(&sandbox.path("storage/inputs")),
        stored,
        "the same file takes no more room"
    );
    says(
        &run(&sandbox, "capable", &["--param", "do=get", "--input", "location=missing.txt"]),
        6,
        &["missing.txt"],
    );
}

#[test]
fn what_an_action_stored_is_told_and_can_be_opened() {
    let mut sandbox = Sandbox::new();
    let server = sandbox.serve_objects();
    let ended =
        run(&sandbox, "capable", &["--param", "do=put", "--param", "content=for all to see"]);
    let result = ended.json();
    let (location, url) = (result["location"].as_str().unwrap(), result["url"].as_str().unwrap());
    let file = sandbox.path("storage").join(location);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "for all to see");
    says(&ended, 0, &[&format!("note: wrote {}\n", file.display())]);

    let answer = fetch(url);
    assert_eq!((answer.status, answer.text()), (200, "for all to see"));
    assert!(
        answer.head.to_ascii_lowercase().contains("content-type: text/plain"),
        "{}",
        answer.head
    );
    let (address, target) = split_url(url);
    assert_eq!(address, server.address());
    let part = http(address, "GET", &target, &[("Range", "bytes=4-6")], &[]);
    assert_eq!((part.status, part.text()), (206, "all"));
    let head = http(address, "HEAD", &target, &[], &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    // The URL permits only reading, and only this object.
    assert_eq!(http(address, "PUT", &target, &[("Content-Type", "text/plain")], b"x").status, 403);
    assert_eq!(http(address, "DELETE", &target, &[], &[]).status, 405);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "for all to see");
}

#[test]
fn a_url_that_is_forged_or_has_expired_is_refused() {
    let mut sandbox = Sandbox::new();
    let _server = sandbox.serve_objects();
    for location in ["shown", "secret"] {
        assert!(capable(&sandbox, json!({ "do": "put", "location": location, "content": location }))["result"].is_object());
    }
    let url = |ttl: u64| {
        capable(&sandbox, json!({ "do": "presign", "location": "shown", "ttl": ttl }))["result"]["url"].as_str().unwrap().to_owned()
    };
    let good = url(1000);
    assert_eq!(fetch(&good).text(), "shown");
    let forged = [
        good.replace("/shown?", "/secret?"),
        good.replace("expires=", "expires=9"),
        good.split_once("&signature=").unwrap().0.to_owned(),
        good.split_once('?').unwrap().0.to_owned(),
        format!("{good}&expires=99999999999"),
        match good.strip_suffix('0') {
            Some(start) => format!("{start}1"),
            None => format!("{}0", &good[..good.len() - 1]),
        },
    ];
    for forged in forged {
        let answer = fetch(&forged);
        assert_eq!(answer.status, 403, "{forged}: {answer:?}");
        assert!(!answer.text().contains("secret") || !forged.contains("signature"), "{answer:?}");
        // The action cannot read it either.
        let report = capable(&sandbox, json!({ "do": "get", "location": forged }));
        assert_eq!(report["kind"], "denied", "{forged}: {report}");
    }
    let short = url(1);
    thread::sleep(Duration::from_millis(2100));
    let answer = fetch(&short);
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.text().contains("expired"), "{answer:?}");
    assert_eq!(capable(&sandbox, json!({ "do": "get", "location": short }))["kind"], "denied");
    // A machine with another key cannot sign: URLs of one machine are not valid on another.
    let mut other = Sandbox::without_cache();
    other.set("KEYNET_STORAGE", sandbox.path("storage").display());
    let _other_server = other.serve_objects();
    let theirs = capable(&other, json!({ "do": "presign", "location": "shown" }))["result"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(fetch(&theirs).status, 200);
    assert_eq!(
        fetch(&format!("http://{}{}", split_url(&good).0, split_url(&theirs).1)).status,
        403
    );
}

#[test]
fn a_url_to_write_takes_what_it_was_made_for() {
    let mut sandbox = Sandbox::new();
    let _server = sandbox.serve_objects();
    let grant = capable(
        &sandbox,
        json!({ "do": "presign-put", "location": "sent/by hand.txt", "ttl": 1000 }),
    )["result"]
        .clone();
    assert_eq!(grant["location"], "sent/by hand.txt");
    let (address, target) = split_url(grant["url"].as_str().unwrap());
    assert_eq!(http(address, "PUT", &target, &[("Content-Type", "text/html")], b"no").status, 403);
    assert_eq!(http(address, "PUT", &target, &[], b"no").status, 403);
    assert_eq!(http(address, "GET", &target, &[], &[]).status, 403);
    assert!(!sandbox.path("storage/sent").exists());
    assert_eq!(
        http(address, "PUT", &target, &[("Content-Type", "text/plain")], b"first").status,
        200
    );
    assert_eq!(
        http(address, "PUT", &target, &[("Content-Type", "text/plain")], b"second").status,
        200
    );
    assert_eq!(
        capable(&sandbox, json!({ "do": "get", "location": "sent/by hand.txt" }))["result"]["content"],
        "second"
    );
}

#[test]
fn a_port_that_is_taken_is_told() {
    let mut sandbox = Sandbox::new();
    let server = sandbox.serve_objects();
    says(
        &sandbox.run(["storage", "serve", "--listen", server.address()]),
        6,
        &[&format!("cannot listen on {}", server.address()), "choose another address"],
    );
}

#[test]
fn storage_serve_says_where_urls_point_if_that_is_elsewhere() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "https://objects.example.com/");
    let address = free_address();
    let server = keynet_tests::Server::start(
        sandbox.command(["storage", "serve", "--listen", &address]),
        address.clone(),
    );
    server.says(&format!("listening on http://{address}, objects in "));
    server.says("presigned URLs point to https://objects.example.com/");
}
