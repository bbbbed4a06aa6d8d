//! Pushing and pulling with a real registry in each of its modes, and other tools reading the
//! result.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use keynet_tests::oci::{
    self, Layout, MANIFEST, WASM, WASM_CONFIG, check_layout, files_in, padded, sha256,
};
use keynet_tests::proxy::{ALL, Fault, Proxy};
use keynet_tests::registry::{Desk, SECRETS, keynet, tells_no_secret};
use keynet_tests::terminal::Terminal;
use keynet_tests::{Ended, Sandbox, end, guest, root, says};
use serde_json::{Value, json};

fn greets(ended: &Ended) {
    says(ended, 0, &["greeting Ada"]);
    assert_eq!(ended.json(), json!({ "greeting": "Hello, Ada!" }));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

// The four modes

/// Tests everything from the first push to a second tag, with each read repeated by skopeo.
fn tour(mode: &str) {
    let desk = Desk::at(mode);
    let hello = guest("hello");
    let bytes = std::fs::read(&hello).unwrap();
    let reference = desk.reference("hello:1.0");
    if desk.protected() {
        let refused = desk.keynet(["push".as_ref(), hello.as_os_str(), reference.as_ref()]);
        says(
            &refused,
            7,
            &[desk.host(), &format!("keynet-inference login --registry {}", desk.host())],
        );
        assert_eq!(desk.login(desk.host(), "alice", "s3cret").code, Some(0));
    }

    let pushed = desk.push(&hello, &reference);
    let digest = text(&pushed["digest"]).to_owned();
    let by_digest = format!("{}@{digest}", desk.reference("hello"));
    assert_eq!(
        (&pushed["name"], &pushed["layer"], &pushed["signature"]),
        (&json!("hello"), &json!(sha256(&bytes)), &Value::Null)
    );
    assert!(text(&pushed["reference"]).ends_with(&format!("@{digest}")), "{pushed}");
    let (read, manifest) = desk.manifest(&reference);
    assert_eq!(
        (read.as_str(), &manifest["layers"][0]["digest"]),
        (digest.as_str(), &pushed["layer"])
    );

    for (at, reference) in [&reference, &by_digest].into_iter().enumerate() {
        let file = desk.sandbox.path(&format!("pulled-{at}.wasm"));
        let pulled =
            desk.json(["pull".as_ref(), reference.as_ref(), "-o".as_ref(), file.as_os_str()]);
        assert_eq!(
            (&pulled["digest"], &pulled["layer"]),
            (&pushed["digest"], &pushed["layer"]),
            "{pulled}"
        );
        assert!(
            std::fs::read(&file).unwrap() == bytes,
            "{reference} came as {} bytes",
            file.metadata().unwrap().len()
        );
        greets(&desk.keynet(["run", reference, "--param", "name=Ada"]));
        let about = desk.json(["inspect", reference]);
        assert_eq!(
            (&about["name"], &about["description"]),
            (&json!("hello"), &json!("Greets a person by name."))
        );
        assert_eq!(about["size"], bytes.len(), "{about}");
    }

    // Text output for people and scripts: one line with a complete reference.
    let again = desk.keynet(["push".as_ref(), hello.as_os_str(), reference.as_ref()]);
    let line = again
        .stdout
        .strip_prefix("pushed ")
        .and_then(|line| line.strip_suffix('\n'))
        .unwrap_or_else(|| panic!("{again:?}"));
    assert!(line.ends_with(&format!("@{digest}")) && !line.contains('\n'), "{line}");
    greets(&desk.keynet(["run", line, "--param", "name=Ada"]));

    let tagged = desk.json(["tag", &reference, "stable"]);
    assert_eq!(tagged["digest"], pushed["digest"]);
    assert_eq!(desk.manifest(&desk.reference("hello:stable")).0, digest);
    let missing = desk.keynet(["pull", &desk.reference("hello:2.0")]);
    says(&missing, 11, &["2.0"]);
    assert!(
        files_in(&desk.sandbox.path("")).iter().all(|file| !file.ends_with("hello.wasm")),
        "nothing was kept of what is not there"
    );

    // skopeo copies all of it, including blobs.
    desk.skopeo(&[
        "copy",
        &format!("docker://{reference}"),
        &format!("oci:{}:1.0", desk.sandbox.path("copied").display()),
    ]);
    assert_eq!(
        std::fs::read(oci::blob_path(&desk.sandbox.path("copied"), &sha256(&bytes))).unwrap(),
        bytes
    );
    greets(&desk.keynet([
        "run",
        &format!("oci-layout:{}:1.0", desk.sandbox.path("copied").display()),
        "--param",
        "name=Ada",
    ]));
}

#[test]
fn a_registry_for_everybody() {
    tour("none");
}

#[test]
fn a_registry_with_passwords() {
    tour("basic");
}

#[test]
fn a_registry_with_its_own_certificate_authority() {
    tour("tls");
}

#[test]
fn a_registry_with_tokens() {
    tour("token");
}

// The artifact

#[test]
fn what_is_pushed_is_a_wasm_artifact_as_the_cncf_describes_it() {
    let desk = Desk::at("none");
    let capable = guest("capable");
    let pushed = desk.push(&capable, &desk.reference("capable:1"));
    let (_, manifest) = desk.manifest(&desk.reference("capable:1"));
    let size = std::fs::metadata(&capable).unwrap().len();
    assert_eq!((&manifest["schemaVersion"], &manifest["mediaType"]), (&json!(2), &json!(MANIFEST)));
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let layer = &manifest["layers"][0];
    assert_eq!(
        (&layer["mediaType"], &layer["digest"], &layer["size"]),
        (&json!(WASM), &pushed["layer"], &json!(size))
    );
    assert_eq!(manifest["config"]["mediaType"], WASM_CONFIG);
    assert_eq!(manifest["annotations"]["org.opencontainers.image.title"], "capable");
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.description"],
        "Makes every call of the contract."
    );

    desk.skopeo(&["copy", &format!("docker://{}", desk.reference("capable:1")), "oci:copied:1"]);
    let config = oci::read_json(&oci::blob_path(
        &desk.sandbox.path("copied"),
        text(&manifest["config"]["digest"]),
    ));
    assert_eq!(
        (&config["architecture"], &config["os"]),
        (&json!("wasm"), &json!("wasip2")),
        "{config}"
    );
    assert_eq!(config["layerDigests"], json!([pushed["layer"]]));
    // wkg parses a time here, and only of this form.
    assert!(
        text(&config["created"]).len() >= 20 && text(&config["created"]).ends_with('Z'),
        "{config}"
    );
    let names = |which: &str| {
        config["component"][which].as_array().unwrap().iter().map(text).collect::<BTreeSet<_>>()
    };
    assert!(names("exports").contains("keynet:inference/function@0.1.0"), "{config}");
    for interface in ["user-input", "triton-predict", "storage"] {
        assert!(
            names("imports").contains(format!("keynet:inference/{interface}@0.1.0").as_str()),
            "{config}"
        );
    }
}

#[test]
fn the_same_component_is_the_same_artifact_wherever_it_goes() {
    let desk = Desk::at("none");
    let first = desk.push(&guest("hello"), &desk.reference("hello:1"));
    let copy = desk.sandbox.path("another-name.wasm");
    std::fs::copy(guest("hello"), &copy).unwrap();
    for reference in [
        desk.reference("elsewhere/hi:2"),
        "oci-layout:here:3".to_owned(),
        desk.reference("hello:1"),
    ] {
        assert_eq!(desk.push(&copy, &reference)["digest"], first["digest"], "{reference}");
    }
    let (tags, strangers) = check_layout(&desk.sandbox.path("here"));
    assert_eq!((tags, strangers), (BTreeSet::from(["3".to_owned()]), BTreeSet::new()));
    // Except that the user can set the time of creation.
    let mut dated = desk.sandbox.command([
        "push".as_ref(),
        copy.as_os_str(),
        "oci-layout:dated:1".as_ref(),
        "--json".as_ref(),
    ]);
    dated.env("SOURCE_DATE_EPOCH", "1700000000");
    assert_ne!(end(dated).json()["digest"], first["digest"]);
    let manifest: Value =
        serde_json::from_str(&desk.skopeo(&["inspect", "--raw", "oci:dated:1"])).unwrap();
    let config = oci::read_json(&oci::blob_path(
        &desk.sandbox.path("dated"),
        text(&manifest["config"]["digest"]),
    ));
    assert_eq!(
        (&config["created"], &manifest["layers"][0]["digest"]),
        (&json!("2023-11-14T22:13:20Z"), &first["layer"])
    );
}

#[test]
fn what_the_component_says_of_itself_is_in_the_annotations() {
    let desk = Desk::at("none");
    let mut component = std::fs::read(guest("hello")).unwrap();
    for (name, value) in [
        ("version", "1.2.3"),
        ("source", "https://example.com/hello"),
        ("licenses", "MIT OR Apache-2.0"),
        ("revision", "0a1b2c"),
    ] {
        component.push(0);
        component.push(u8::try_from(1 + name.len() + value.len()).unwrap());
        component.push(u8::try_from(name.len()).unwrap());
        component.extend_from_slice(name.as_bytes());
        component.extend_from_slice(value.as_bytes());
    }
    let file = desk.sandbox.path("hello.wasm");
    std::fs::write(&file, component).unwrap();
    desk.push(&file, "oci-layout:here:1");
    let manifest: Value =
        serde_json::from_str(&desk.skopeo(&["inspect", "--raw", "oci:here:1"])).unwrap();
    for (name, value) in [
        ("title", "hello"),
        ("description", "Greets a person by name."),
        ("version", "1.2.3"),
        ("source", "https://example.com/hello"),
        ("licenses", "MIT OR Apache-2.0"),
    ] {
        assert_eq!(
            manifest["annotations"][format!("org.opencontainers.image.{name}")],
            value,
            "{manifest}"
        );
    }
}

#[test]
fn what_an_action_asks_for_is_in_the_annotations() {
    let desk = Desk::at("none");
    desk.push(&guest("image-detection"), "oci-layout:here:1");
    let manifest: Value =
        serde_json::from_str(&desk.skopeo(&["inspect", "--raw", "oci:here:1"])).unwrap();
    let asked =
        |what: &str| manifest["annotations"][format!("io.keynet.inference.asks.{what}")].clone();
    let keynet_toml: toml::Value = toml::from_str(
        &std::fs::read_to_string(root().join("examples/image-detection/keynet.toml")).unwrap(),
    )
    .unwrap();
    let models: Vec<_> = keynet_toml["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| json!(model.as_str().unwrap()))
        .collect();
    assert_eq!(serde_json::from_str::<Value>(text(&asked("models"))).unwrap(), json!(models));
}

// Artifacts of other tools

#[test]
fn what_others_publish_in_the_cncf_layout_is_pulled_and_runs() {
    for mode in ["none", "token"] {
        let desk = Desk::signed_in(mode);
        let bytes = std::fs::read(guest("hello")).unwrap();
        let layout = Layout::create(desk.sandbox.path("theirs"));
        let digest = layout.artifact(
            "1",
            &bytes,
            &["keynet:inference/user-input@0.1.0"],
            &["keynet:inference/function@0.1.0"],
        );
        let reference = desk.reference("theirs:1");
        desk.skopeo(&["copy", &layout.for_skopeo("1"), &format!("docker://{reference}")]);
        let pulled = desk.json(["pull", &reference, "-o", "pulled.wasm"]);
        assert_eq!((&pulled["digest"], &pulled["layer"]), (&json!(digest), &json!(sha256(&bytes))));
        assert_eq!(std::fs::read(desk.sandbox.path("pulled.wasm")).unwrap(), bytes);
        greets(&desk.keynet(["run", &reference, "--param", "name=Ada"]));
        greets(&desk.keynet(["run", &layout.reference("1"), "--param", "name=Ada"]));
    }
}

/// Artifacts that cannot be actions, each with a word of the reason.
fn misfits(layout: &Layout) -> Vec<(&'static str, &'static str)> {
    let hello = std::fs::read(guest("hello")).unwrap();
    let layer = layout.blob(WASM, &hello);
    let config_of = |layer: &Value| {
        let config = json!({ "created": "2026-01-31T12:34:56Z", "architecture": "wasm", "os": "wasip2", "layerDigests": [layer["digest"]],
                             "component": { "exports": ["keynet:inference/function@0.1.0"], "imports": [], "target": null } });
        layout.blob(WASM_CONFIG, config.to_string().as_bytes())
    };
    let manifest = |config: &Value, layers: &[&Value]| json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
    let second = layout.blob(WASM, b"more");
    layout.manifest("several-layers", &manifest(&config_of(&layer), &[&layer, &second]));
    layout.manifest("no-layer", &manifest(&config_of(&layer), &[]));
    let tar = layout.blob("application/vnd.oci.image.layer.v1.tar", &hello);
    layout.manifest("other-layer", &manifest(&config_of(&tar), &[&tar]));
    let image = layout.blob(
        "application/vnd.oci.image.config.v1+json",
        br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#,
    );
    layout.manifest("other-config", &manifest(&image, &[&layer]));
    let acme = layout.blob("application/vnd.acme.config", b"{}");
    layout.manifest("other-kind", &manifest(&acme, &[&layer]));
    let preview1 = json!({ "created": "2026-01-31T12:34:56Z", "architecture": "wasm", "os": "wasip1", "layerDigests": [layer["digest"]] });
    layout.manifest(
        "other-platform",
        &manifest(&layout.blob(WASM_CONFIG, preview1.to_string().as_bytes()), &[&layer]),
    );
    let core = layout.blob(WASM, &wat::parse_str("(module)").unwrap());
    layout.manifest("core-module", &manifest(&config_of(&core), &[&core]));
    let prose = layout.blob(WASM, b"no WebAssembly at all");
    layout.manifest("prose", &manifest(&config_of(&prose), &[&prose]));
    let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [] });
    layout.manifest("index", &index);
    vec![
        ("several-layers", "layer"),
        ("no-layer", "layer"),
        ("other-layer", "application/vnd.oci.image.layer.v1.tar"),
        ("other-config", "container image"),
        ("other-kind", "application/vnd.acme.config"),
        ("other-platform", "wasip1"),
        ("core-module", "core module"),
        ("prose", "WebAssembly"),
        ("index", "index"),
    ]
}

#[test]
fn what_cannot_be_an_action_is_refused_with_the_reason() {
    let desk = Desk::at("none");
    let layout = Layout::create(desk.sandbox.path("theirs"));
    for (tag, reason) in misfits(&layout) {
        let mut references = vec![layout.reference(tag)];
        // skopeo accepts neither a manifest that declares itself an index nor one without layers.
        if !["index", "no-layer"].contains(&tag) {
            let reference = desk.reference(&format!("theirs:{tag}"));
            desk.skopeo(&["copy", &layout.for_skopeo(tag), &format!("docker://{reference}")]);
            references.push(reference);
        }
        for reference in references {
            says(&desk.keynet(["pull", &reference, "-o", "pulled.wasm"]), 11, &[tag, reason]);
            says(&desk.keynet(["run", &reference]), 11, &[tag, reason]);
            assert!(!desk.sandbox.path("pulled.wasm").exists(), "{reference}");
        }
    }
}

#[test]
fn a_layout_that_was_tampered_with_is_noticed() {
    let sandbox = Sandbox::new();
    let layout = Layout::create(sandbox.path("theirs"));
    // A component that was never run before: one that was pulled earlier is cached by its digest,
    // and the cached one would run.
    let hello = padded(&std::fs::read(guest("hello")).unwrap(), 200, 9);
    layout.artifact("1", &hello, &[], &["keynet:inference/function@0.1.0"]);
    let manifest =
        oci::read_json(&sandbox.path("theirs/index.json"))["manifests"][0]["digest"].clone();
    let refused = |what: &str| {
        for command in ["pull", "run"] {
            let ended = keynet(&sandbox, [command, layout.reference("1").as_str()]);
            says(&ended, 11, &["digest"]);
            assert!(ended.stdout.is_empty(), "{what}: {ended:?}");
        }
        assert!(
            files_in(&sandbox.path("")).iter().all(|file| file.starts_with(sandbox.path("theirs"))),
            "{what}"
        );
    };
    let component = oci::blob_path(&sandbox.path("theirs"), &sha256(&hello));
    let mut other = hello.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&component, &other).unwrap();
    refused("another byte in the component");
    std::fs::write(&component, &hello).unwrap();
    let manifest = oci::blob_path(&sandbox.path("theirs"), text(&manifest));
    let good = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, good.replace("schemaVersion", "schemaversion")).unwrap();
    refused("another letter in the manifest");
    std::fs::write(&manifest, &good).unwrap();
    assert_eq!(
        keynet(&sandbox, ["pull", layout.reference("1").as_str(), "-o", "pulled.wasm"]).code,
        Some(0)
    );
}

#[test]
fn an_action_that_needs_what_is_not_here_is_refused_before_it_is_fetched() {
    let desk = Desk::at("none");
    let proxy = Proxy::before(desk.host());
    let layout = Layout::create(desk.sandbox.path("theirs"));
    let exports = ["keynet:inference/function@0.1.0"];
    layout.artifact(
        "foreign",
        &padded(&std::fs::read(guest("hello")).unwrap(), 1 << 20, 1),
        &["acme:database/tables@2.0.0"],
        &exports,
    );
    layout.artifact(
        "newer",
        &std::fs::read(guest("capable")).unwrap(),
        &["keynet:inference/storage@0.2.0"],
        &exports,
    );
    for (tag, reason) in [("foreign", "acme:database/tables@2.0.0"), ("newer", "0.2.0")] {
        desk.skopeo(&[
            "copy",
            &layout.for_skopeo(tag),
            &format!("docker://{}", desk.reference(&format!("theirs:{tag}"))),
        ]);
        let reference = format!("{}/tests/theirs:{tag}", proxy.address());
        let refused = desk.keynet(["inspect", reference.as_str()]);
        says(&refused, 3, &[reason]);
        assert!(refused.stdout.is_empty(), "{refused:?}");
    }
    let blobs = proxy
        .seen()
        .into_iter()
        .filter(|seen| seen.is("GET", "/blobs/"))
        .map(|seen| seen.sent)
        .collect::<Vec<_>>();
    assert_eq!(blobs.len(), 2, "the two configs and no component: {blobs:?}");
    assert!(blobs.iter().all(|size| *size < 1000), "{blobs:?}");
}

// Minimal uploads

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

// Permissions

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
        assert_eq!(desk.json(["whoami"])["registries"], json!([]));
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

// Permissions of a pulled action

#[test]
fn what_was_pulled_reaches_nothing_on_the_private_network_unless_it_is_trusted() {
    let desk = Desk::at("none");
    let sandbox = Sandbox::without_cache();
    let capable = guest("capable");
    let file = capable.to_str().unwrap();
    let (reference, layout) = (desk.reference("capable:1"), "oci-layout:copied:1");
    desk.push(&capable, &reference);
    assert_eq!(keynet(&sandbox, ["push", file, layout]).code, Some(0));
    let private = format!("location=http://{}/v2/", desk.host());
    let get = |what: &str, more: &[&str]| {
        keynet(
            &sandbox,
            [&["run", what, "--param", "do=get", "--param", private.as_str()], more].concat(),
        )
    };
    let reaches = |ended: &Ended| assert_eq!(ended.json(), json!({ "content": "{}" }), "{ended:?}");

    reaches(&get(file, &[]));
    for what in [&reference, layout] {
        says(&get(what, &[]), 1, &["denied", "private-addresses"]);
        reaches(&get(what, &["--trust"]));
        assert_eq!(
            keynet(&sandbox, ["inspect", what, "--json"]).json()["private_addresses"],
            false
        );
    }
    assert_eq!(keynet(&sandbox, ["inspect", file, "--json"]).json()["private_addresses"], true);

    // Serving it does not change that.
    let address = keynet_tests::free_address();
    let server = keynet_tests::Server::start(
        sandbox.command(["run", &reference, "--serve", &address]),
        address,
    );
    let (status, refused) =
        server.post(&json!({ "do": "get", "location": format!("http://{}/v2/", desk.host()) }));
    assert_eq!((status, &refused["kind"]), (403, &json!("denied")), "{refused}");
}

#[test]
fn run_says_what_a_pulled_action_may_use_before_its_first_run() {
    let desk = Desk::at("none");
    let mut sandbox = Sandbox::without_cache();
    let capable = guest("capable");
    let reference = desk.reference("capable:1");
    desk.push(&capable, &reference);
    let run = |sandbox: &Sandbox, what: &str| {
        sandbox.run(["run", what, "--param", "do=list", "--param", "prefix="])
    };
    let told = |ended: &Ended| ended.stderr.contains("It may use");

    let first = run(&sandbox, &reference);
    says(
        &first,
        0,
        &[
            &reference,
            "models: any",
            "read: any",
            "write: any",
            "urls: any, at public addresses only",
            "limits: 256.0 MiB, 60 s",
        ],
    );
    assert!(told(&first) && !told(&run(&sandbox, &reference)), "it is said once");
    assert!(!told(&run(&sandbox, capable.to_str().unwrap())), "one's own build is no news");
    // Another policy changes the display.
    std::fs::write(sandbox.path("policy.toml"), "models = []\n[storage]\nwrite = []\n").unwrap();
    sandbox.set("KEYNET_POLICY", "policy.toml");
    says(&run(&sandbox, &reference), 0, &["models: none", "read: any", "write: none"]);
    assert!(!told(&run(&sandbox, &reference)));
}

// Without a registry

#[test]
fn without_registry_and_login_artifacts_live_in_a_folder() {
    let sandbox = Sandbox::new();
    let hello = guest("hello");
    let ended = keynet(&sandbox, ["push".as_ref(), hello.as_os_str()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.starts_with("pushed oci-layout:") && ended.stdout.contains("artifacts"),
        "{ended:?}"
    );
    let (tags, strangers) = check_layout(&sandbox.path("artifacts"));
    assert_eq!((tags, strangers), (BTreeSet::from(["hello".to_owned()]), BTreeSet::new()));
    greets(&keynet(&sandbox, ["run", "oci-layout:./artifacts:hello", "--param", "name=Ada"]));
    greets(&keynet(
        &sandbox,
        ["run", ended.stdout.trim().strip_prefix("pushed ").unwrap(), "--param", "name=Ada"],
    ));
    let skopeo = end(sandbox.program("skopeo", ["inspect", "--raw", "oci:artifacts:hello"]));
    assert_eq!(skopeo.code, Some(0), "{skopeo:?}");
    assert_eq!(skopeo.json()["layers"][0]["mediaType"], WASM);
    assert_eq!(keynet(&sandbox, ["tag", "oci-layout:artifacts:hello", "stable"]).code, Some(0));
    // A later push with the same tag replaces it; the other tag stays on the first artifact.
    let other = sandbox.path("other.wasm");
    std::fs::write(&other, padded(&std::fs::read(&hello).unwrap(), 5000, 3)).unwrap();
    let second = keynet(&sandbox, ["push".as_ref(), other.as_os_str(), "--json".as_ref()]).json();
    let (tags, _) = check_layout(&sandbox.path("artifacts"));
    assert_eq!(tags, BTreeSet::from(["hello".to_owned(), "stable".to_owned()]));
    let pull = |tag: &str| {
        let ended = keynet(
            &sandbox,
            ["pull", &format!("oci-layout:artifacts:{tag}"), "-o", "pulled.wasm", "--json"],
        );
        assert_eq!(ended.code, Some(0), "{ended:?}");
        (ended.json()["digest"].clone(), std::fs::read(sandbox.path("pulled.wasm")).unwrap())
    };
    assert_eq!(pull("hello"), (second["digest"].clone(), std::fs::read(&other).unwrap()));
    assert_eq!(pull("stable").1, std::fs::read(&hello).unwrap());
}

#[test]
fn a_layout_of_others_is_added_to_and_keeps_what_it_has() {
    let sandbox = Sandbox::new();
    let layout = Layout::create(sandbox.path("theirs"));
    let hello = std::fs::read(guest("hello")).unwrap();
    let theirs = layout.artifact("theirs", &padded(&hello, 100, 1), &[], &[]);
    let ended = keynet(
        &sandbox,
        ["push".as_ref(), guest("hello").as_os_str(), layout.reference("ours").as_ref()],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (tags, _) = check_layout(&sandbox.path("theirs"));
    assert_eq!(tags, BTreeSet::from(["theirs".to_owned(), "ours".to_owned()]));
    let skopeo = end(sandbox.program("skopeo", ["inspect", "--raw", "oci:theirs:theirs"]));
    assert_eq!(sha256(skopeo.stdout.as_bytes()), theirs);
}

#[test]
fn pull_names_the_file_itself() {
    let sandbox = Sandbox::new();
    keynet(&sandbox, ["push".as_ref(), guest("hello").as_os_str()]);
    let ended = keynet(&sandbox, ["pull", "oci-layout:artifacts:hello"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.starts_with("pulled oci-layout:")
            && ended.stdout.trim().ends_with("hello.wasm"),
        "{ended:?}"
    );
    assert_eq!(
        std::fs::read(sandbox.path("hello.wasm")).unwrap(),
        std::fs::read(guest("hello")).unwrap()
    );
    // To standard output, with nothing else written there.
    let mut command = sandbox.command(["pull", "oci-layout:artifacts:hello", "-o", "-"]);
    let output = command.output().unwrap();
    assert!(
        output.status.success() && output.stdout == std::fs::read(guest("hello")).unwrap(),
        "{}",
        output.stdout.len()
    );
}

#[test]
fn quiet_says_nothing_and_progress_is_lines_where_nobody_looks() {
    let sandbox = Sandbox::new();
    let push = |more: &[&str]| {
        let hello = guest("hello");
        let all = ["push", hello.to_str().unwrap(), "oci-layout:here:1"]
            .into_iter()
            .chain(more.iter().copied());
        sandbox.run(all.collect::<Vec<_>>())
    };
    let told = push(&[]);
    assert!(
        told.code == Some(0) && !told.stderr.is_empty() && !told.stderr.contains(['\r', '\x1b']),
        "{told:?}"
    );
    let quiet = push(&["--quiet"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""), "{quiet:?}");
    assert!(quiet.stdout.starts_with("pushed "), "{quiet:?}");
}

#[test]
fn progress_is_a_bar_on_a_terminal() {
    let desk = Desk::at("none");
    let proxy = Proxy::before(desk.host());
    let file = desk.sandbox.path("big.wasm");
    std::fs::write(&file, padded(&std::fs::read(guest("hello")).unwrap(), 1 << 20, 4)).unwrap();
    desk.push(&file, &desk.reference("big:1"));
    let layer = sha256(&std::fs::read(&file).unwrap()).replace("sha256:", "");
    proxy.on("GET", &layer, ALL, Fault::Slow(64 << 10, Duration::from_millis(50)));
    let terminal = Terminal::keynet(
        &desk.sandbox,
        &["pull", &format!("{}/tests/big:1", proxy.address()), "-o", "pulled.wasm"],
    );
    let (code, shown) = terminal.end();
    assert!(code == Some(0) && shown.contains("pulled "), "{shown:?}");
    // The progress is redrawn in place.
    assert!(shown.matches('\r').count() > 5 && shown.contains('\x1b'), "{shown:?}");
    let terminal = Terminal::keynet(
        &desk.sandbox,
        &["pull", "--quiet", &desk.reference("big:1"), "-o", "pulled.wasm"],
    );
    let (code, shown) = terminal.end();
    assert!(
        code == Some(0) && shown.starts_with("pulled ") && shown.lines().count() == 1,
        "{shown:?}"
    );
}

// Invalid components, references and functions

#[test]
fn what_is_no_action_is_not_published() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("core.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
    std::fs::write(sandbox.path("empty.wasm"), wat::parse_str("(component)").unwrap()).unwrap();
    std::fs::write(sandbox.path("text.wasm"), "text").unwrap();
    for (file, reason) in [
        ("core.wasm", "core WebAssembly module"),
        ("empty.wasm", "keynet:inference/function"),
        ("text.wasm", "WebAssembly"),
    ] {
        says(&keynet(&sandbox, ["push", file, "oci-layout:here:1"]), 3, &[file, reason]);
    }
    says(&keynet(&sandbox, ["push", "missing.wasm", "oci-layout:here:1"]), 6, &["missing.wasm"]);
    assert!(!sandbox.path("here").exists());
}

#[test]
fn what_is_no_reference_says_how_to_write_one() {
    let sandbox = Sandbox::new();
    for reference in [
        "http://registry.example.com/a:1",
        "Registry/UPPER:1",
        "oci-layout:",
        "registry.example.com/a:b:c",
        "a@sha256:12",
    ] {
        let ended =
            keynet(&sandbox, ["push".as_ref(), guest("hello").as_os_str(), reference.as_ref()]);
        says(&ended, 2, &[reference]);
        assert_eq!(keynet(&sandbox, ["pull", reference]).code, Some(2), "{reference}");
    }
    says(&keynet(&sandbox, ["run", "missing.wasm"]), 6, &["missing.wasm"]);
    says(&keynet(&sandbox, ["pull", "oci-layout:nowhere:1"]), 11, &["nowhere"]);
    assert!(!sandbox.path("nowhere").exists());
}

#[test]
fn json_tells_what_failed() {
    let sandbox = Sandbox::new();
    let ended = keynet(&sandbox, ["pull", "oci-layout:nowhere:1", "--json"]);
    assert_eq!((ended.code, &ended.json()["kind"]), (Some(11), &json!("artifact")), "{ended:?}");
    let address = keynet_tests::free_address();
    let ended = keynet(&sandbox, ["pull", &format!("{address}/a:1"), "--json"]);
    assert_eq!((ended.code, &ended.json()["kind"]), (Some(10), &json!("connection")), "{ended:?}");
    let proxy = Proxy::before(&address);
    proxy.on(
        "GET",
        "/v2/",
        ALL,
        Fault::status(401).with("WWW-Authenticate", "Basic realm=\"test\""),
    );
    proxy.on(
        "HEAD",
        "/v2/",
        ALL,
        Fault::status(401).with("WWW-Authenticate", "Basic realm=\"test\""),
    );
    let ended = keynet(&sandbox, ["pull", &format!("{}/a:1", proxy.address()), "--json"]);
    assert_eq!((ended.code, &ended.json()["kind"]), (Some(7), &json!("login")), "{ended:?}");
}
