//! Sources of code: the body, an archive, the image, a registry.

use keynet_test_servers::RealServer;
use keynet_tests::runtime::{Runtime, base64, base64_of};
use keynet_tests::{Sandbox, end, guest};
use serde_json::json;

use super::{archive, contract, error_of, logs, works};

#[test]
fn code_may_be_base64_in_any_layout() {
    let sandbox = Sandbox::new();
    let code = base64_of(&guest("contract"));
    let wrapped: String = code
        .as_bytes()
        .chunks(76)
        .map(|line| format!("{}\n", std::str::from_utf8(line).unwrap()))
        .collect();
    for code in [format!("{code}\n"), wrapped] {
        let runtime = Runtime::start(&sandbox);
        assert_eq!(runtime.init(&code).status, 200);
        works(&runtime);
    }
}

#[test]
fn code_may_be_an_archive_with_wishes() {
    let sandbox = Sandbox::new();
    for kind in ["zip", "gztar"] {
        let runtime = Runtime::start(&sandbox);
        // It requests less than is granted: nothing may be written.
        let answer = runtime.init(&archive(
            &sandbox,
            kind,
            &["action.wasm"],
            "[storage]\nwrite = \
            []\n",
        ));
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
        let error = error_of(&runtime.run(&json!({ "do": "put" })), 200);
        assert!(error.contains("keynet.toml"), "{kind}: {error}");
    }
    let two = archive(&sandbox, "zip", &["action.wasm", "another.wasm"], "");
    let error = error_of(&Runtime::start(&sandbox).init(&two), 502);
    assert!(error.contains("action.wasm") && error.contains("another.wasm"), "{error}");
}

#[test]
fn code_may_lie_in_the_image() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_ACTION", guest("contract").display());
    for body in ["{}", r#"{"value":{"name":"x","main":"main","binary":false,"env":{}}}"#] {
        let runtime = Runtime::start(&sandbox);
        assert_eq!(runtime.post("/init", body.as_bytes()).text(), "{\"ok\":true}");
        works(&runtime);
    }
    // Code in the request overrides that of the image.
    let runtime = Runtime::start(&sandbox);
    assert_eq!(
        error_of(&runtime.init(&base64(b"\0asm\x01\0\0\0")), 502).split(':').next(),
        Some("this is a core WebAssembly module, not a component")
    );
}

/// Pushes the contract's guest to a registry, and returns the reference by digest, without
/// `oci://`.
fn published(sandbox: &mut Sandbox, registry: &RealServer) -> String {
    let host = registry.get("REGISTRY");
    let login = json!({ "auths": { host: { "auth": base64(b"alice:s3cret") } } });
    std::fs::create_dir(sandbox.path("pull-secret")).unwrap();
    std::fs::write(sandbox.path("pull-secret/config.json"), login.to_string()).unwrap();
    let mut push = sandbox.command([
        "push".as_ref(),
        guest("contract").as_os_str(),
        format!("{host}/team/contract:1.0").as_ref(),
    ]);
    push.env("DOCKER_CONFIG", sandbox.path("pull-secret"));
    let pushed = end(push);
    assert_eq!(pushed.code, Some(0), "{pushed:?}");
    pushed.stdout.trim().strip_prefix("pushed ").expect("what was pushed").to_owned()
}

#[test]
fn a_reference_is_pulled_with_the_operators_login_from_the_operators_registries() {
    let mut sandbox = Sandbox::new();
    let registry = RealServer::registry("token");
    let host = registry.get("REGISTRY").to_owned();
    let realm = registry
        .get("REGISTRY_TOKEN_REALM")
        .trim_start_matches("http://")
        .trim_end_matches("/token")
        .to_owned();
    let reference = published(&mut sandbox, &registry);
    let code = format!("oci://{reference}\n");
    let refused = |sandbox: &Sandbox, code: &str| {
        let runtime = Runtime::start(sandbox);
        let answer = runtime.init(code);
        assert_eq!(answer.status, 502, "{code}");
        let error = error_of(&answer, 502);
        assert_eq!(logs(&runtime).stderr, [error.as_str()]);
        assert!(!error.contains("s3cret"), "{error}");
        error
    };
    // Only public addresses are contacted, unless the operator lists the host.
    assert!(refused(&sandbox, &code).contains("may not be contacted"));
    sandbox.set("KEYNET_REGISTRY_HOSTS", format!("{host},{realm}"));
    refused(&sandbox, &code);
    for (name, value) in [
        ("KEYNET_REGISTRY", format!("{host}/team").as_str()),
        ("KEYNET_REGISTRY_USERNAME", "alice"),
        ("KEYNET_REGISTRY_PASSWORD", "s3cret"),
    ] {
        sandbox.set(name, value);
    }
    let runtime = Runtime::start(&sandbox);
    let answer = runtime.init(&code);
    assert_eq!((answer.status, answer.text()), (200, "{\"ok\":true}"), "{:?}", runtime.rest());
    works(&runtime);
    // A tag may refer to another component tomorrow.
    let tagged = format!("oci://{host}/team/contract:1.0");
    assert!(refused(&sandbox, &tagged).contains("KEYNET_ALLOW_TAGS"));
    assert!(
        refused(&sandbox, &code.replace("@sha256:", "@sha256:0").replace("\n", ""))
            .contains("sha256")
    );
    sandbox.set("KEYNET_ALLOW_TAGS", "true");
    assert_eq!(Runtime::start(&sandbox).init(&tagged).status, 200);
    // A mounted pull secret works as well; a login for another prefix is not sent.
    sandbox.set("KEYNET_REGISTRY", format!("{host}/another-team"));
    refused(&sandbox, &code);
    sandbox.set("KEYNET_REGISTRY_CONFIG", sandbox.path("pull-secret/config.json").display());
    assert_eq!(Runtime::start(&sandbox).init(&code).status, 200);
}

#[test]
fn a_registry_with_its_own_certificate_authority_is_trusted_where_the_operator_says_so() {
    let mut sandbox = Sandbox::new();
    let registry = RealServer::registry("tls");
    sandbox.set("KEYNET_REGISTRY_CA", registry.get("REGISTRY_CA"));
    let reference = published(&mut sandbox, &registry);
    sandbox.set("KEYNET_REGISTRY_CONFIG", sandbox.path("pull-secret/config.json").display());
    sandbox.set("KEYNET_REGISTRY_HOSTS", registry.get("REGISTRY"));
    assert_eq!(Runtime::start(&sandbox).init(&format!("oci://{reference}")).status, 200);
    sandbox.set("KEYNET_REGISTRY_CA", "");
    let error = error_of(&Runtime::start(&sandbox).init(&format!("oci://{reference}")), 502);
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn a_reference_cannot_name_a_folder_of_the_container() {
    let runtime = Runtime::start(&Sandbox::new());
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let error = error_of(&runtime.init(&format!("oci://oci-layout:/etc@{digest}")), 502);
    assert!(error.contains("registry"), "{error}");
}

#[test]
fn a_body_of_48_mb_is_taken() {
    let runtime = contract(&Sandbox::new());
    let text = "x".repeat(48 << 20);
    let answer = runtime.run(&json!({ "do": "environment", "text": text }));
    assert_eq!(answer.status, 200, "{}", &answer.text()[..200.min(answer.body.len())]);
    // Code of that size is accepted; that it is not a component is detected after all of it has
    // arrived.
    let runtime = Runtime::start(&Sandbox::new());
    let error = error_of(&runtime.init(&"A".repeat(48 << 20)), 400);
    assert!(error.contains("000000"), "{error}");
    assert_eq!(runtime.post("/init", &vec![b' '; 60 << 20]).status, 413);
}
