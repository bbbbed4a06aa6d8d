//! Uploads, and who may do what.

use super::*;

#[test]
fn what_the_registry_has_is_not_uploaded_again() {
    let desk = Desk::at("none");
    let proxy = Proxy::before(desk.host());
    let file = desk.sandbox.path("hello.wasm");
    std::fs::write(&file, padded(&std::fs::read(guest("hello")).unwrap(), 3 << 20, 2)).unwrap();
    let size = file.metadata().unwrap().len();
    let at = |name: &str| format!("{}/tests/{name}", proxy.address());
    let first = desk.push(&file, &at("hello:1"));
    assert!(
        proxy.uploaded() >= size && proxy.uploaded() < size + 10_000,
        "{} bytes",
        proxy.uploaded()
    );
    assert!(first["uploaded"].as_u64().unwrap() >= size, "{first}");
    proxy.forget();
    for tag in ["hello:1", "hello:2"] {
        let again = desk.push(&file, &at(tag));
        assert_eq!(
            (again["uploaded"].as_u64(), proxy.uploaded()),
            (Some(0), 0),
            "{:#?}",
            proxy.seen()
        );
        assert_eq!(again["digest"], first["digest"]);
    }
    assert_eq!(desk.manifest(&desk.reference("hello:2")).0, text(&first["digest"]));
}

#[test]
fn a_wrong_password_is_told_and_not_kept() {
    for mode in ["basic", "token"] {
        let desk = Desk::at(mode);
        let refused = desk.login(desk.host(), "alice", "wr0ng-password");
        says(&refused, 7, &[desk.host()]);
        tells_no_secret(&refused, &["wr0ng-password"]);
        let kept = files_in(&desk.sandbox.path("config"));
        assert!(
            kept.iter()
                .all(|file| !std::fs::read_to_string(file).unwrap().contains("wr0ng-password")),
            "{kept:?}"
        );
        let who = desk.sandbox.run(["whoami", "--json"]);
        assert_eq!((who.code, &who.json()["registries"]), (Some(7), &json!([])), "{who:?}");
    }
}

#[test]
fn who_may_only_read_reads() {
    let desk = Desk::signed_in("token");
    desk.push(&guest("hello"), &desk.reference("hello:1"));
    assert_eq!(desk.login(desk.host(), "bob", "readonly").code, Some(0));
    greets(&desk.keynet(["run", &desk.reference("hello:1"), "--param", "name=Ada"]));
    let ended = desk.keynet([
        "push".as_ref(),
        guest("hello").as_os_str(),
        desk.reference("other:1").as_ref(),
    ]);
    says(&ended, 7, &[desk.host()]);
    tells_no_secret(&ended, &["readonly"]);
}

#[test]
fn what_is_public_is_read_by_everybody() {
    let desk = Desk::signed_in("token");
    desk.push(&guest("hello"), &format!("{}/public/hello:1", desk.host()));
    let stranger = Sandbox::new();
    greets(&keynet(
        &stranger,
        ["run", &format!("{}/public/hello:1", desk.host()), "--param", "name=Ada"],
    ));
    says(&keynet(&stranger, ["pull", &desk.reference("hello:1")]), 7, &[desk.host(), "login"]);
}

#[test]
fn logins_are_for_their_owner_only_and_can_be_forgotten() {
    let desk = Desk::signed_in("basic");
    let file = desk.sandbox.path("config/keynet/registries.json");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(
        files_in(&desk.sandbox.path("config")).len(),
        1,
        "nothing else is left of writing it"
    );
    let who = desk.json(["whoami"]);
    assert_eq!(who["registries"].as_array().unwrap().len(), 1, "{who}");
    assert_eq!(
        (&who["registries"][0]["registry"], &who["registries"][0]["username"]),
        (&json!(desk.host()), &json!("alice"))
    );
    // The file was made readable by others meanwhile: the next login restores its mode.
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(desk.login(desk.host(), "alice", "s3cret").code, Some(0));
    assert_eq!(mode(&file), 0o600);
    assert_eq!(desk.json(["logout", "--registry", desk.host()])["removed"], true);
    assert!(!file.exists() || !std::fs::read_to_string(&file).unwrap().contains("alice"));
    let ended = desk.keynet(["logout", "--registry", desk.host()]);
    assert_eq!(ended.code, Some(0), "twice is no error: {ended:?}");
    says(
        &desk.keynet([
            "push".as_ref(),
            guest("hello").as_os_str(),
            desk.reference("hello:1").as_ref(),
        ]),
        7,
        &["login"],
    );
}

#[test]
fn a_login_of_docker_is_used_where_there_is_none_of_ours() {
    let desk = Desk::at("basic");
    let docker = desk.sandbox.path("docker");
    std::fs::create_dir_all(&docker).unwrap();
    let config = docker.join("config.json");
    let push = |name: &str| {
        desk.keynet(["push".as_ref(), guest("hello").as_os_str(), desk.reference(name).as_ref()])
    };
    std::fs::write(
        &config,
        json!({ "auths": { desk.host(): { "auth": SECRETS[1] } } }).to_string(),
    )
    .unwrap();
    assert_eq!(push("hello:1").code, Some(0));
    // A credential helper, as `docker login` uses on systems with a keychain.
    let helpers = desk.sandbox.path("helpers");
    std::fs::create_dir_all(&helpers).unwrap();
    let helper = helpers.join("docker-credential-drawer");
    let script = format!(
        "#!/bin/sh\nread -r host\n[ \"$1 $host\" = 'get {}' ] || {{ echo 'credentials not found in \
            native keychain'; exit 1; }}\n\
         echo '{{\"ServerURL\":\"x\",\"Username\":\"alice\",\"Secret\":\"s3cret\"}}'\n",
        desk.host()
    );
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
    for config_text in
        [json!({ "credsStore": "drawer" }), json!({ "credHelpers": { desk.host(): "drawer" } })]
    {
        std::fs::write(&config, config_text.to_string()).unwrap();
        let mut command = desk.sandbox.command([
            "push".as_ref(),
            guest("hello").as_os_str(),
            desk.reference("hello:2").as_ref(),
        ]);
        command
            .arg("-vv")
            .env("PATH", format!("{}:{}", helpers.display(), std::env::var("PATH").unwrap()));
        let ended = end(command);
        assert_eq!(ended.code, Some(0), "{config_text}: {ended:?}");
        tells_no_secret(&ended, &SECRETS);
    }
    assert!(files_in(&desk.sandbox.path("config")).is_empty(), "nothing is copied to ours");
}

#[test]
fn a_login_of_podman_is_used() {
    let mut desk = Desk::at("basic");
    let auths = json!({ "auths": { format!("{}/tests", desk.host()): { "auth": SECRETS[1] } } })
        .to_string();
    let push = |desk: &Desk, name: &str| {
        desk.keynet(["push".as_ref(), guest("hello").as_os_str(), desk.reference(name).as_ref()])
    };
    std::fs::create_dir_all(desk.sandbox.path("run/containers")).unwrap();
    std::fs::write(desk.sandbox.path("run/containers/auth.json"), &auths).unwrap();
    assert_eq!(push(&desk, "hello:1").code, Some(7));
    desk.sandbox.set("XDG_RUNTIME_DIR", desk.sandbox.path("run").display());
    assert_eq!(push(&desk, "hello:1").code, Some(0));
    // It replaces all other files.
    std::fs::write(desk.sandbox.path("none.json"), "{}").unwrap();
    desk.sandbox.set("REGISTRY_AUTH_FILE", desk.sandbox.path("none.json").display());
    assert_eq!(push(&desk, "hello:2").code, Some(7));
    std::fs::write(desk.sandbox.path("none.json"), &auths).unwrap();
    assert_eq!(push(&desk, "hello:2").code, Some(0));
}

#[test]
fn an_identity_token_is_exchanged_at_the_token_service_and_shown_to_nobody_else() {
    let desk = Desk::at("token");
    let (registry, service) =
        (Proxy::before(desk.host()), Proxy::before(&keynet_tests::free_address()));
    let token = Fault::Answer {
        status: 200,
        headers: Vec::new(),
        body: br#"{"access_token":"eyJ0eXAi-exchanged"}"#.to_vec(),
    };
    service.on("POST", "/token", ALL, token);
    let realm = format!(
        r#"Bearer realm="http://{}/token",service="test-registry",scope="repository:tests/hello:pull""#,
        service.address()
    );
    registry.on("GET", "/v2/", ALL, Fault::status(401).with("WWW-Authenticate", &realm));
    registry.on("HEAD", "/v2/", ALL, Fault::status(401).with("WWW-Authenticate", &realm));
    std::fs::create_dir_all(desk.sandbox.path("docker")).unwrap();
    let config = json!({ "auths": { registry.address(): { "auth": "", "identitytoken": "refresh-s3cret" } } });
    std::fs::write(desk.sandbox.path("docker/config.json"), config.to_string()).unwrap();
    // The registry never accepts the request, but it received the token.
    let ended = desk.keynet(["pull", &format!("{}/tests/hello:1", registry.address())]);
    says(&ended, 7, &[registry.address()]);
    let asked = service.seen();
    assert!(!asked.is_empty(), "{ended:?}");
    for part in [
        "grant_type=refresh_token",
        "refresh_token=refresh-s3cret",
        "service=test-registry",
        "scope=repository%3Atests%2Fhello%3Apull",
    ] {
        assert!(asked[0].body.contains(part), "lacks {part:?}: {:#?}", asked[0]);
    }
    let shown = registry.seen();
    assert!(
        shown.iter().any(|seen| seen.authorization.as_deref() == Some("Bearer eyJ0eXAi-exchanged")),
        "{shown:#?}"
    );
    assert!(shown.iter().all(|seen| !seen.headers.contains("refresh-s3cret")), "{shown:#?}");
}

#[test]
fn credentials_go_to_their_registry_and_nowhere_else() {
    let desk = Desk::at("basic");
    let ours = Proxy::before(desk.host());
    assert_eq!(desk.login(ours.address(), "alice", "s3cret").code, Some(0));
    assert_eq!(
        desk.push(&guest("hello"), &format!("{}/tests/hello:1", ours.address()))["name"],
        "hello"
    );
    assert!(ours.seen().iter().any(|seen| seen.authorization.is_some()));
    // Same machine, another port: another registry, which requires a password as the first does.
    let theirs = Proxy::before(desk.host());
    let ended = desk.keynet([
        "push".as_ref(),
        guest("hello").as_os_str(),
        format!("{}/tests/hello:1", theirs.address()).as_ref(),
    ]);
    says(&ended, 7, &[theirs.address()]);
    assert!(
        !theirs.seen().is_empty() && theirs.seen().iter().all(|seen| seen.authorization.is_none()),
        "{:#?}",
        theirs.seen()
    );
}

#[test]
fn a_login_for_a_part_of_a_registry_is_for_that_part() {
    let desk = Desk::at("basic");
    let proxy = Proxy::before(desk.host());
    let team = format!("{}/team", proxy.address());
    assert_eq!(desk.login(&team, "alice", "s3cret").code, Some(0));
    proxy.forget();
    for (name, may) in [
        ("team/hello:1", true),
        ("team/deep/hello:1", true),
        ("teamwork/hello:1", false),
        ("hello:1", false),
    ] {
        let ended = desk.keynet([
            "push".as_ref(),
            guest("hello").as_os_str(),
            format!("{}/{name}", proxy.address()).as_ref(),
        ]);
        assert_eq!(ended.code, Some(if may { 0 } else { 7 }), "{name}: {ended:?}");
    }
    for seen in proxy.seen() {
        assert!(
            seen.authorization.is_none()
                || seen.target.contains("/v2/team/")
                || seen.target == "/v2/",
            "{seen:#?}"
        );
    }
    assert_eq!(desk.json(["whoami"])["registries"][0]["registry"], team);
}

#[test]
fn a_certificate_of_nobody_is_not_trusted() {
    let desk = Desk::at("tls");
    let mut stranger = Sandbox::new();
    let reference = desk.reference("hello:1");
    let push = |sandbox: &Sandbox, more: &[&str]| {
        let hello = guest("hello");
        let all =
            ["push", hello.to_str().unwrap(), &reference].into_iter().chain(more.iter().copied());
        keynet(sandbox, all.collect::<Vec<_>>())
    };
    says(&push(&stranger, &[]), 10, &[desk.host(), "certificate", "--ca"]);
    // With the authority set by an option, the command reaches the point where it needs
    // credentials.
    says(&push(&stranger, &["--ca", desk.registry.get("REGISTRY_CA")]), 7, &["login"]);
    // An unreadable file is an error, not ignored.
    std::fs::write(stranger.path("empty.pem"), "nothing").unwrap();
    for file in ["empty.pem", "missing.pem"] {
        let ended = push(&stranger, &["--ca", file]);
        assert!([4, 6].contains(&ended.code.unwrap()) && ended.stderr.contains(file), "{ended:?}");
    }
    stranger.set("KEYNET_REGISTRY_CA", stranger.path("empty.pem").display());
    let ended = push(&stranger, &[]);
    assert!(
        [4, 6].contains(&ended.code.unwrap()) && ended.stderr.contains("empty.pem"),
        "{ended:?}"
    );
}
