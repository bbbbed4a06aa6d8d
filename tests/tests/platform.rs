//! Commands for the Keynet platform: `login`, `push` without a reference, `logout`, each of their
//! steps interrupted, and each way in which the platform can reject a request.
//!
//! The platform is a stand-in that accepts only valid requests; its registry is a real one, with
//! passwords.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use keynet_tests::oci::{files_in, padded, read_json, sha256};
use keynet_tests::platform::{APP, Act, EMAIL, Harbor, KEY, PASSWORD, Platform, Step, TOKEN};
use keynet_tests::process::Process;
use keynet_tests::proxy::{ALL, Fault, Proxy};
use keynet_tests::registry::{Desk, SECRETS, tells_no_secret};
use keynet_tests::terminal::Terminal;
use keynet_tests::{Ended, Sandbox, end, end_with_input, free_address, guest, made, says};
use serde_json::{Value, json};

/// User of the Keynet platform, whose registry is behind a proxy.
struct User {
    desk: Desk,
    proxy: Proxy,
    platform: Platform,
}

impl User {
    fn new() -> Self {
        let desk = Desk::at("basic");
        let proxy = Proxy::before(desk.host());
        let harbor = Harbor {
            host: proxy.address().to_owned(),
            inside: desk.host().to_owned(),
            username: "alice".to_owned(),
            password: "s3cret".to_owned(),
        };
        let platform = Platform::start(harbor);
        std::fs::copy(guest("hello"), desk.sandbox.path("action.wasm")).unwrap();
        Self { desk, proxy, platform }
    }

    fn signed_in() -> Self {
        let user = Self::new();
        let ended = user.login();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        user.platform.forget();
        user.proxy.forget();
        user
    }

    fn sandbox(&self) -> &Sandbox {
        &self.desk.sandbox
    }

    fn login(&self) -> Ended {
        self.login_with(&self.platform.url(), PASSWORD)
    }

    fn login_with(&self, url: &str, password: &str) -> Ended {
        login(self.sandbox(), url, password)
    }

    fn keynet(&self, arguments: &[&str]) -> Ended {
        let ended = end({
            let mut command = self.sandbox().command(arguments);
            command.arg("-vv");
            command
        });
        tells_nothing(&ended);
        ended
    }

    fn push(&self) -> Ended {
        self.keynet(&["push", "action.wasm"])
    }

    fn config(&self) -> PathBuf {
        config(self.sandbox())
    }

    /// Asserts that a push succeeds, after any earlier failure.
    fn push_succeeds(&self) {
        self.platform.forget();
        let (before, ended) = (self.platform.functions().len(), self.push());
        says(&ended, 0, &["[10/10]"]);
        assert_eq!(self.platform.seen(), [Step::Runtime, Step::Code, Step::Function]);
        let functions = self.platform.functions();
        assert_eq!(functions.len(), before + 1, "{ended:?}");
        assert_eq!(
            functions[before].code,
            std::fs::read(self.sandbox().path("action.wasm")).unwrap()
        );
    }
}

fn config(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("config/keynet/config.json")
}

fn tells_nothing(ended: &Ended) {
    tells_no_secret(ended, &SECRETS);
    tells_no_secret(ended, &[PASSWORD, TOKEN, KEY]);
}

fn login(sandbox: &Sandbox, url: &str, password: &str) -> Ended {
    let command = sandbox.command(["login", url, "--username", EMAIL, "--password-stdin", "-vv"]);
    let ended = end_with_input(command, &format!("{password}\n"));
    tells_nothing(&ended);
    tells_no_secret(&ended, &[password]);
    ended
}

fn changed(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = read_json(file);
    change(&mut value);
    std::fs::write(file, value.to_string()).unwrap();
}

// Success

#[test]
fn the_four_commands_of_the_old_package() {
    let user = User::new();
    let ended = user.login();
    says(&ended, 0, &[]);
    assert_eq!(user.platform.seen(), [Step::SignIn]);
    let who = user.keynet(&["whoami", "--json"]).json();
    assert_eq!((&who["username"], &who["expired"]), (&json!(EMAIL), &json!(false)), "{who}");
    assert_eq!(who["server"], format!("{}{APP}", user.platform.url()));

    let ended = user.push();
    says(&ended, 0, &[]);
    let steps: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with('[')).collect();
    let numbers: Vec<_> = steps.iter().filter_map(|line| line.split(['[', '/']).nth(1)).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"], "{steps:#?}");
    assert_eq!(user.platform.seen(), [Step::SignIn, Step::Runtime, Step::Code, Step::Function]);
    let functions = user.platform.functions();
    let [function] = functions.as_slice() else { panic!("{}", functions.len()) };
    assert_eq!(
        (function.name.as_str(), function.description.as_str()),
        ("hello", "Greets a person by name.")
    );
    assert_eq!(
        (function.file_name.as_str(), &function.code),
        ("action.wasm", &std::fs::read(guest("hello")).unwrap())
    );

    // The pushed artifact can be run by its reference, with the registry login that is part of
    // `login`.
    let ran = user.keynet(&["run", &function.image, "--param", "name=Ada"]);
    assert_eq!((ran.code, ran.json()), (Some(0), json!({ "greeting": "Hello, Ada!" })));
    let line = ended.stdout.strip_prefix("pushed ").unwrap_or_else(|| panic!("{ended:?}")).trim();
    assert!(
        line.starts_with(function.image.rsplit_once(':').unwrap().0) && line.contains("@sha256:"),
        "{line}"
    );

    assert_eq!(user.keynet(&["logout", "--json"]).json()["removed"], true);
    assert!(!user.config().exists());
    for _ in 0..2 {
        assert_eq!(user.keynet(&["logout"]).code, Some(0), "twice is no error");
    }
    assert!(user.keynet(&["whoami", "--json"]).json()["server"].is_null());
    let ended = user.keynet(&["pull", &function.image]);
    says(&ended, 7, &["login"]);
}

#[test]
fn json_of_a_push() {
    let user = User::signed_in();
    let ended = user.keynet(&["push", "action.wasm", "--json"]);
    let pushed = ended.json();
    assert_eq!((ended.code, pushed["name"].as_str()), (Some(0), Some("hello")), "{ended:?}");
    assert_eq!(
        pushed["platform"],
        json!({ "runtime": 196, "code": 216, "function": 123 }),
        "{pushed}"
    );
    assert_eq!(pushed["layer"], sha256(&std::fs::read(guest("hello")).unwrap()));
}

#[test]
fn a_second_push_makes_a_second_version_and_uploads_no_blob() {
    let user = User::signed_in();
    user.push_succeeds();
    user.proxy.forget();
    user.push_succeeds();
    assert_eq!(user.proxy.uploaded(), 0, "{:#?}", user.proxy.seen());
    let images: Vec<_> =
        user.platform.functions().into_iter().map(|function| function.image).collect();
    assert!(images.len() == 2 && images[0] != images[1], "{images:?}");
}

#[test]
fn the_applications_path_is_appended_once() {
    let user = User::new();
    for end in ["", "/", "//", "/app-training", "/app-training/"] {
        let ended = user.login_with(&format!("{}{end}", user.platform.url()), PASSWORD);
        assert_eq!(ended.code, Some(0), "{end:?}: {ended:?}");
        assert_eq!(
            read_json(&user.config())["server_url"],
            format!("{}{APP}", user.platform.url()),
            "{end:?}"
        );
    }
    assert_eq!(user.platform.seen(), [Step::SignIn; 5]);
}

#[test]
fn a_login_is_kept_as_the_old_package_keeps_it_for_its_owner_only() {
    let user = User::signed_in();
    let config = read_json(&user.config());
    assert_eq!(
        (&config["server_url"], &config["username"]),
        (&json!(format!("{}{APP}", user.platform.url())), &json!(EMAIL))
    );
    assert_eq!(
        (&config["api_token"], &config["api_token_expires_at"]),
        (&json!(format!("{TOKEN}0")), &json!("2099-12-31T23:59:59.999Z"))
    );
    assert_eq!(
        config["harbor"],
        json!({ "url": user.proxy.address(), "username": "alice", "password": "s3cret" })
    );
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&user.config()), mode(user.config().parent().unwrap())), (0o600, 0o700));
    assert_eq!(
        files_in(&user.sandbox().path("config")).len(),
        1,
        "nothing else is left of writing it"
    );
}

#[test]
fn a_login_that_the_old_package_made_is_good() {
    let user = User::signed_in();
    let token = read_json(&user.config())["api_token"].clone();
    // Configuration as its `config/manager.py` writes it, including `last_login` and a URL.
    let config = json!({
        "server_url": format!("{}{APP}", user.platform.url()),
        "username": EMAIL,
        "api_token": token,
        "api_token_expires_at": "2099-01-01T00:00:00+09:00",
        "harbor": { "url": format!("http://{}", user.proxy.address()), "username": "alice", "password": "s3cret" },
        "last_login": "2026-01-31T12:00:00.123456+00:00",
    });
    std::fs::write(user.config(), config.to_string()).unwrap();
    user.push_succeeds();
}

// Signing in

#[test]
fn what_the_platform_says_to_a_login_is_told() {
    let user = User::new();
    says(
        &user.login_with(&user.platform.url(), "wr0ng-password"),
        7,
        &["The e-mail address or the password is wrong."],
    );
    let harbor = r#""harbor":{"url":"h","username":"u","password":"p"}"#;
    for (status, body, code, text) in [
        (403, r#"{"message":"this account is closed"}"#, 7, "this account is closed"),
        (400, r#"{"message":"email must be an email"}"#, 8, "email must be an email"),
        (422, r#"{"message":"unprocessable"}"#, 8, "unprocessable"),
        (500, r#"{"message":"the database is away"}"#, 9, "the database is away"),
        (503, "<html>Bad gateway</html>", 9, "503"),
        (404, r#"{"message":"Cannot POST"}"#, 8, "404"),
        (200, "no JSON", 9, "cannot be understood"),
        (200, &format!(r#"{{{harbor}}}"#), 9, "accessToken"),
    ] {
        user.platform.next(Step::SignIn, Act::Answer(status, body.to_owned()));
        let ended = user.login();
        says(&ended, code, &[text]);
        assert!(!user.config().exists(), "{ended:?}");
    }
    user.platform.next(Step::SignIn, Act::HangUp);
    says(&user.login(), 10, &[]);
    let nobody = free_address();
    says(&user.login_with(&format!("http://{nobody}"), PASSWORD), 10, &[&nobody]);
    assert!(files_in(&user.sandbox().path("config")).is_empty());
}

#[test]
fn a_failed_login_keeps_the_one_before() {
    let user = User::signed_in();
    let before = std::fs::read(user.config()).unwrap();
    assert_eq!(user.login_with(&user.platform.url(), "wr0ng-password").code, Some(7));
    assert_eq!(std::fs::read(user.config()).unwrap(), before);
    user.push_succeeds();
}

#[test]
fn the_password_goes_to_the_server_that_was_named_and_nowhere_else() {
    let user = User::new();
    let stranger = Proxy::at("127.0.0.2", &free_address());
    stranger.on("POST", "", ALL, Fault::status(200));
    user.platform.next(
        Step::SignIn,
        Act::Redirect(format!("http://{}{APP}/v1/auth/sign-in/one-time", stranger.address())),
    );
    let ended = user.login();
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert!(stranger.seen().is_empty(), "{:#?}", stranger.seen());
    // Neither are credentials sent unencrypted to another machine.
    says(&user.login_with("http://api.example.com", PASSWORD), 2, &["https://"]);
}

#[test]
fn a_terminal_is_asked_for_what_is_missing_and_does_not_show_the_password() {
    let user = User::new();
    let mut terminal = Terminal::keynet(user.sandbox(), &["login", &user.platform.url(), "-vv"]);
    terminal.wait_for("mail");
    terminal.type_line(EMAIL);
    terminal.wait_for("assword");
    terminal.type_line(PASSWORD);
    let (code, shown) = terminal.end();
    assert!(code == Some(0) && !shown.contains(PASSWORD) && !shown.contains(TOKEN), "{shown}");
    // The last server is the default, and an empty line accepts it.
    let mut terminal = Terminal::keynet(user.sandbox(), &["login", "--username", EMAIL]);
    terminal.wait_for(&user.platform.url());
    terminal.type_line("");
    terminal.wait_for("assword");
    terminal.type_line("wr0ng-password");
    let (code, shown) = terminal.end();
    assert!(code == Some(7) && !shown.contains("wr0ng-password"), "{shown}");
    assert_eq!(user.platform.seen(), [Step::SignIn, Step::SignIn]);
    // Without a terminal there is no prompt: the error names what is missing.
    let command = user.sandbox().command(["login", "--username", EMAIL, "--password-stdin"]);
    says(&end_with_input(command, PASSWORD), 2, &["login"]);
    says(&user.keynet(&["login", &user.platform.url()]), 2, &["--username"]);
    assert_eq!(user.platform.seen().len(), 2);
}

#[test]
fn a_login_without_a_registry_cannot_push() {
    let user = User::new();
    user.platform.next(
        Step::SignIn,
        Act::Answer(
            200,
            r#"{"accessToken":"t0ken-of-ada-0","accessTokenExpiresAt":"2099-01-01T00:00:00Z"}"#
                .into(),
        ),
    );
    assert_eq!(user.login().code, Some(0));
    user.platform.next(
        Step::Runtime,
        Act::Answer(
            200,
            format!(r#"{{"id":1,"uploadKey":"k","command":{{"tag":"","push":"docker push {}/inference/hello:1"}}}}"#, user.proxy.address()),
        ),
    );
    says(&user.push(), 7, &[user.proxy.address(), "login"]);
    assert!(
        user.proxy.seen().iter().all(|seen| seen.authorization.is_none()),
        "{:#?}",
        user.proxy.seen()
    );
}

// Before anything is sent

#[test]
fn a_login_that_has_expired_is_noticed_before_anything_is_uploaded() {
    let user = User::signed_in();
    for time in ["2020-01-31T12:00:00Z", "2020-01-31T12:00:00.123Z", "2020-01-31T12:00:00+09:00"] {
        changed(&user.config(), |config| config["api_token_expires_at"] = json!(time));
        let ended = user.push();
        says(&ended, 7, &["expired", &format!("keynet-inference login {}", user.platform.url())]);
        assert!(ended.stdout.is_empty(), "{ended:?}");
        assert_eq!(user.keynet(&["whoami", "--json"]).json()["expired"], true, "{time}");
    }
    assert!(
        user.platform.seen().is_empty() && user.proxy.seen().is_empty(),
        "{:?}",
        user.platform.seen()
    );
    assert_eq!(user.login().code, Some(0));
    user.push_succeeds();
}

#[test]
fn a_function_without_name_or_description_is_not_published() {
    let user = User::signed_in();
    for (name, description, missing) in
        [("", "Greets.", "name"), ("greeter", "", "description"), ("greeter", "  ", "description")]
    {
        std::fs::write(user.sandbox().path("bare.wasm"), made::action(name, description, "{}"))
            .unwrap();
        let ended = user.keynet(&["push", "bare.wasm"]);
        says(&ended, 3, &[missing, "keynet_function"]);
        let ended =
            user.keynet(&["push", "bare.wasm", &format!("{}/tests/bare:1", user.proxy.address())]);
        says(&ended, 3, &[missing, "keynet_function"]);
    }
    std::fs::write(user.sandbox().path("text.wasm"), "text").unwrap();
    says(&user.keynet(&["push", "text.wasm"]), 3, &["text.wasm"]);
    says(&user.keynet(&["push", "missing.wasm"]), 6, &["missing.wasm"]);
    assert!(
        user.platform.seen().is_empty() && user.proxy.seen().is_empty(),
        "{:?}",
        user.platform.seen()
    );
}

#[test]
fn a_config_that_cannot_be_read_is_told_and_not_overwritten() {
    let user = User::signed_in();
    std::fs::write(user.config(), "{ half").unwrap();
    says(&user.push(), 6, &["config.json"]);
    assert_eq!(std::fs::read_to_string(user.config()).unwrap(), "{ half");
    assert!(user.platform.seen().is_empty());
}

// Each step, each kind of rejection

const STEPS: [(Step, &str); 3] =
    [(Step::Runtime, "[5/10]"), (Step::Code, "[9/10]"), (Step::Function, "[10/10]")];

#[test]
fn each_kind_of_no_is_told_apart_at_each_step() {
    let user = User::signed_in();
    for (step, number) in STEPS {
        for (status, body, code, text) in [
            (401, r#"{"message":"jwt expired"}"#, 7, "jwt expired"),
            (403, r#"{"message":"Forbidden resource"}"#, 7, "Forbidden resource"),
            (
                400,
                r#"{"message":["displayName must be shorter","description is empty"]}"#,
                8,
                "displayName must be shorter",
            ),
            (422, r#"{"message":"there is one of this name"}"#, 8, "there is one of this name"),
            (500, r#"{"message":"Internal server error"}"#, 9, "Internal server error"),
            (502, "<html>Bad gateway</html>", 9, "502"),
            (201, "no JSON", 9, "cannot be understood"),
            (201, "{}", 9, "cannot be understood"),
        ] {
            user.platform.next(step, Act::Answer(status, body.to_owned()));
            let ended = user.push();
            says(&ended, code, &[text]);
            assert!(ended.stdout.is_empty(), "{ended:?}");
            let last = ended.stderr.lines().rfind(|line| line.starts_with('[')).unwrap_or_default();
            assert!(
                last.starts_with(number) || ended.stderr.contains(number.trim_matches(['[', ']'])),
                "{number}: {ended:?}"
            );
            if code == 7 {
                says(&ended, 7, &["keynet-inference login"]);
            }
        }
        user.push_succeeds();
    }
}

#[test]
fn what_is_done_already_is_told_when_a_step_fails() {
    let user = User::signed_in();
    user.platform.next(Step::Function, Act::Answer(500, r#"{"message":"later"}"#.to_owned()));
    let ended = user.push();
    says(&ended, 9, &["later", "again", user.proxy.address()]);
    // `--json` reports it on one line.
    user.platform.next(Step::Code, Act::Answer(422, r#"{"message":"later"}"#.to_owned()));
    let ended = user.keynet(&["push", "action.wasm", "--json"]);
    assert_eq!((ended.code, &ended.json()["kind"]), (Some(8), &json!("refused")), "{ended:?}");
    user.push_succeeds();
}

#[test]
fn a_platform_that_hangs_up_is_no_reason_to_begin_twice() {
    let user = User::signed_in();
    for (step, _) in STEPS {
        for act in [Act::HangUp, Act::LoseAnswer] {
            user.platform.next(step, act);
            let before = user.platform.functions().len();
            let ended = user.push();
            // The command may retry, but never creates a function twice.
            assert!([Some(0), Some(10)].contains(&ended.code), "{step:?}: {ended:?}");
            assert!(user.platform.functions().len() <= before + 1, "{step:?}");
        }
        user.push_succeeds();
    }
}

#[test]
fn a_platform_that_is_away_is_told() {
    let user = User::signed_in();
    let nobody = free_address();
    changed(&user.config(), |config| config["server_url"] = json!(format!("http://{nobody}{APP}")));
    says(&user.push(), 10, &[&nobody]);
    assert!(user.proxy.seen().is_empty(), "{:#?}", user.proxy.seen());
}

#[test]
fn a_registry_that_says_no_is_told_and_can_be_asked_again() {
    let user = User::signed_in();
    user.proxy.on("PUT", "/manifests/", ALL, Fault::status(403));
    says(&user.push(), 7, &[user.proxy.address()]);
    user.proxy.forget();
    assert_eq!(user.platform.functions(), [], "nothing is made of what was not uploaded");
    user.push_succeeds();
    // The registry's password was changed meanwhile: this is detected before anything is uploaded.
    changed(&user.config(), |config| config["harbor"]["password"] = json!("0ld-password"));
    user.proxy.forget();
    let ended = user.push();
    says(&ended, 7, &[user.proxy.address(), "login"]);
    tells_no_secret(&ended, &["0ld-password"]);
    assert_eq!(user.proxy.uploaded(), 0);
}

#[test]
fn credentials_of_the_platforms_registry_go_to_that_registry_only() {
    let user = User::signed_in();
    let stranger = Proxy::at("127.0.0.2", user.desk.host());
    user.platform.wants_artifacts_at(&format!("{}/inference/hello:1", stranger.address()));
    let ended = user.push();
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(
        stranger.seen().iter().all(|seen| seen.authorization.is_none()),
        "{:#?}",
        stranger.seen()
    );
    assert_eq!(user.platform.functions(), []);
}

#[test]
fn a_reference_of_the_platform_that_is_none_is_told() {
    let user = User::signed_in();
    for image in ["", "harbor.example.com/UPPER/case:1", "; rm -rf /"] {
        user.platform.wants_artifacts_at(image);
        let ended = user.push();
        says(&ended, 9, &["cannot be understood"]);
    }
}

// Killed at each step

#[test]
fn a_client_that_is_killed_at_any_step_can_begin_again() {
    let user = User::signed_in();
    let component = padded(&std::fs::read(guest("hello")).unwrap(), 3 << 20, 5);
    std::fs::write(user.sandbox().path("action.wasm"), &component).unwrap();
    let start = || {
        let mut command = user.sandbox().command(["push", "action.wasm"]);
        Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
    };
    let killed = |wait: &dyn Fn()| {
        user.platform.forget();
        let client = start();
        wait();
        client.kill();
        let before = user.platform.functions().len();
        user.proxy.forget();
        user.push_succeeds();
        assert_eq!(user.platform.functions().len(), before + 1);
    };
    let layer = sha256(&component).replace("sha256:", "");
    user.proxy.on("PUT", &layer, 0..1, Fault::HoldUpload(1 << 20));
    killed(&|| user.proxy.wait_for(|seen| seen.is("PUT", "") && seen.received == 1 << 20));
    for (step, _) in STEPS {
        user.platform.next(step, Act::Hold);
        killed(&|| user.platform.wait_for(step));
    }
    user.proxy.on("PUT", "/manifests/", 0..1, Fault::HoldUpload(0));
    killed(&|| user.proxy.wait_for(|seen| seen.is("PUT", "/manifests/")));
    // A login that is killed keeps the previous one.
    let before = std::fs::read(user.config()).unwrap();
    user.platform.next(Step::SignIn, Act::Hold);
    user.platform.forget();
    let url = user.platform.url();
    std::fs::write(user.sandbox().path("password"), PASSWORD).unwrap();
    let mut command =
        user.sandbox().command(["login", &url, "--username", EMAIL, "--password-stdin"]);
    command
        .stdin(std::fs::File::open(user.sandbox().path("password")).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let client = Process::start(&mut command);
    user.platform.wait_for(Step::SignIn);
    client.kill();
    assert_eq!(std::fs::read(user.config()).unwrap(), before);
}
