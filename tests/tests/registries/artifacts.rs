//! The artifact, and artifacts of other tools.

use super::*;

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
